// Many entries are one stop of the Tab key: arrows go from one to the next.
import type { KeyboardEvent } from 'react'

/** roving moves the focus among the links and buttons of a list whose own element has the Tab stop. */
export function roving(event: KeyboardEvent<HTMLElement>): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const all = [...event.currentTarget.querySelectorAll<HTMLElement>('a[href], button:not(:disabled)')]
  const at = all.findIndex((e) => e === document.activeElement)
  const start = Math.max(0, all.findIndex((e) => e.hasAttribute('aria-current')))
  const next = event.key === 'ArrowDown' ? (at < 0 ? start : Math.min(at + 1, all.length - 1))
    : event.key === 'ArrowUp' ? (at < 0 ? start : Math.max(at - 1, 0))
      : event.key === 'Home' ? 0 : event.key === 'End' ? all.length - 1 : undefined
  if (next === undefined) return
  event.preventDefault()
  all[next]?.focus()
}
