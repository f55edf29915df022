import { useEffect, useId, useRef, type KeyboardEvent, type ReactNode } from 'react'
import { IconButton } from './IconButton'

interface Props {
  title: ReactNode
  /** Beneath the title. */
  about?: ReactNode
  onClose: () => void
  onNext?: () => void
  onPrevious?: () => void
  children: ReactNode
}

/** One thing looked at beside its list: the list stays usable. Arrows go to its neighbours, Escape closes. */
export function Drawer({ title, about, onClose, onNext, onPrevious, children }: Props) {
  const id = useId()
  const box = useRef<HTMLElement>(null)
  useEffect(() => {
    const before = document.activeElement
    box.current?.focus({ preventScroll: true })
    return () => { if (before instanceof HTMLElement) before.focus({ preventScroll: true }) }
  }, [])
  const onKey = (event: KeyboardEvent<HTMLElement>) => {
    // A dialog that was opened from here has its own keys.
    if (event.target instanceof Element && event.target.closest('dialog')) return
    if (event.key === 'Escape') { event.stopPropagation(); onClose() }
    const typing = event.target instanceof HTMLElement && event.target.closest('input, textarea, select, [contenteditable=true], [role=tablist], [role=tree], [role=menu]')
    if (typing) return
    const go = event.key === 'ArrowDown' || event.key === 'j' ? onNext : event.key === 'ArrowUp' || event.key === 'k' ? onPrevious : undefined
    if (go) { event.preventDefault(); go() }
  }
  return (
    // It is a region that closes with Escape; what acts is inside.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <section ref={box} tabIndex={-1} aria-labelledby={id} onKeyDown={onKey}
      className="slide-in absolute inset-y-0 right-0 z-20 flex w-full max-w-140 flex-col bg-surface shadow-float outline-none max-wide:fixed max-wide:inset-0 max-wide:z-40 max-wide:max-w-none">
      <header className="flex items-start gap-1 border-b border-line py-2 pr-2 pl-4">
        <div className="min-w-0 grow py-1"><h2 id={id} className="truncate text-15 font-semibold">{title}</h2>{about && <div className="text-12 text-soft">{about}</div>}</div>
        <IconButton icon="up" label="Previous" keys="Up" disabled={!onPrevious} onClick={onPrevious} />
        <IconButton icon="down" label="Next" keys="Down" disabled={!onNext} onClick={onNext} />
        <IconButton icon="cross" label="Close" keys="Escape" onClick={onClose} />
      </header>
      <div className="flex min-h-0 grow flex-col overflow-auto">{children}</div>
    </section>
  )
}
