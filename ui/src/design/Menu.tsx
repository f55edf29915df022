import type { KeyboardEvent, ReactElement } from 'react'
import { cx } from './cx'
import { Icon, type IconName } from './Icon'
import { Kbd } from './Kbd'
import { Popover } from './Popover'

export type MenuItem =
  | { kind?: 'action'; label: string; icon?: IconName; keys?: string; danger?: boolean; disabled?: boolean; onChoose: () => void }
  | { kind: 'check'; label: string; checked: boolean; onChoose: () => void }
  | { kind: 'line' }
  | { kind: 'title'; label: string }

/** A list of things to do; arrows move, Enter does, Escape closes. */
export function Menu({ label, button, items, align = 'end' }: { label: string; button: ReactElement; items: MenuItem[]; align?: 'start' | 'end' }) {
  const onKey = (event: KeyboardEvent<HTMLDivElement>) => {
    const all = [...event.currentTarget.querySelectorAll<HTMLElement>('[role^=menuitem]:not(:disabled)')]
    const at = all.indexOf(document.activeElement as HTMLElement)
    const to = event.key === 'ArrowDown' ? at + 1 : event.key === 'ArrowUp' ? at - 1 : event.key === 'Home' ? 0 : event.key === 'End' ? all.length - 1 : undefined
    if (to !== undefined) {
      event.preventDefault()
      all[(to + all.length) % all.length]?.focus()
    } else if (event.key.length === 1) {
      all.find((item) => item.textContent.toLowerCase().startsWith(event.key.toLowerCase()))?.focus()
    }
  }
  return (
    <Popover label={label} button={button as ReactElement<object>} role="menu" align={align} className="min-w-44">
      {(close) => (
        // The items inside take the focus.
        // eslint-disable-next-line jsx-a11y/no-static-element-interactions
        <div className="flex flex-col p-1" onKeyDown={onKey}>
          {items.map((item, i) => <Item key={i} item={item} close={close} />)}
        </div>
      )}
    </Popover>
  )
}

function Item({ item, close }: { item: MenuItem; close: () => void }) {
  const base = 'flex h-8 items-center gap-2 rounded-inner px-2 text-left text-13 outline-none focus:bg-hover hover:bg-hover disabled:opacity-45'
  switch (item.kind) {
    case 'line':
      return <div role="separator" className="my-1 border-t border-line" />
    case 'title':
      return <div className="px-2 pt-1.5 pb-1 text-11 font-medium text-faint">{item.label}</div>
    case 'check':
      return (
        <button type="button" role="menuitemcheckbox" aria-checked={item.checked} tabIndex={-1} className={base} onClick={item.onChoose}>
          <Icon name="check" size={14} className={item.checked ? '' : 'invisible'} />{item.label}
        </button>
      )
    case 'action':
    case undefined:
      return (
        <button type="button" role="menuitem" tabIndex={-1} disabled={item.disabled} className={cx(base, item.danger && 'text-bad-text')} onClick={() => { close(); item.onChoose() }}>
          {item.icon && <Icon name={item.icon} size={14} className="text-faint" />}<span className="grow">{item.label}</span>{item.keys && <Kbd keys={item.keys} />}
        </button>
      )
  }
}
