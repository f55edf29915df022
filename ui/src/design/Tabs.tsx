import { useId, type KeyboardEvent, type ReactNode } from 'react'
import { cx } from './cx'

export interface Tab {
  id: string
  label: string
  count?: string
}

interface Props {
  label: string
  tabs: Tab[]
  chosen: string
  onChoose: (id: string) => void
  /** What the chosen tab shows. */
  children: ReactNode
  className?: string
  panelClassName?: string
  trailing?: ReactNode
  /** It stands among text: the first tab begins where the text does. */
  among?: boolean
}

export function Tabs({ label, tabs, chosen, onChoose, children, className, panelClassName, trailing, among = false }: Props) {
  const id = useId()
  const onKey = (event: KeyboardEvent<HTMLDivElement>) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
    const at = tabs.findIndex((tab) => tab.id === chosen)
    const next = event.key === 'Home' ? tabs[0] : event.key === 'End' ? tabs.at(-1) : step ? tabs[(at + step + tabs.length) % tabs.length] : undefined
    if (!next) return
    event.preventDefault()
    onChoose(next.id)
    document.getElementById(`${id}-${next.id}`)?.focus()
  }
  return (
    <div className={cx('flex min-h-0 flex-col', className)}>
      <div className={cx('flex items-center border-b border-line', among && '-mx-2')}>
        {/* The tabs inside take the focus, one at a time. */}
        {/* eslint-disable-next-line jsx-a11y/interactive-supports-focus */}
        <div role="tablist" aria-label={label} onKeyDown={onKey} className={cx('flex min-w-0 grow gap-1 overflow-x-auto', !among && 'px-2')}>
          {tabs.map((tab) => (
            <button key={tab.id} id={`${id}-${tab.id}`} type="button" role="tab" aria-selected={tab.id === chosen} aria-controls={`${id}-panel`} tabIndex={tab.id === chosen ? 0 : -1}
              onClick={() => { onChoose(tab.id) }}
              className={cx('-mb-px flex h-9 items-center gap-1.5 border-b-2 px-2 text-13 whitespace-nowrap -outline-offset-2 transition-colors', tab.id === chosen ? 'border-accent font-medium text-ink' : 'border-transparent text-soft hover:text-ink')}>
              {tab.label}{tab.count !== undefined && <span className="rounded-full bg-hover px-1.5 text-11 text-soft">{tab.count}</span>}
            </button>
          ))}
        </div>
        {trailing && <div className="flex shrink-0 items-center gap-1 pr-4">{trailing}</div>}
      </div>
      {/* A panel may be all text: the keyboard reaches and scrolls it. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${chosen}`} tabIndex={0} className={cx('min-h-0 grow -outline-offset-2', panelClassName)}>{children}</div>
    </div>
  )
}
