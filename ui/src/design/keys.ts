// Keys that work anywhere in the page, or in the room that is open.
import { useEffect, useRef, useSyncExternalStore } from 'react'
import { choice } from './theme'

export interface Shortcut {
  /** "?", "/", "Mod+k", "g then l", "Space" */
  keys: string
  label: string
  run: () => void
  /** Whose it is: the list of keys is grouped by this. */
  group: string
}

/** Whether keys without Ctrl work anywhere: who speaks to the computer may not want them to. */
export const bareKeys = choice<boolean>('bareKeys', true, (v): v is boolean => typeof v === 'boolean')

let all: Shortcut[] = []
const listeners = new Set<() => void>()

function change(next: Shortcut[]) {
  all = next
  for (const listener of listeners) listener()
}

/** useKeys makes shortcuts work while the component is there. */
export function useKeys(shortcuts: Shortcut[]): void {
  const current = useRef(shortcuts)
  useEffect(() => { current.current = shortcuts })
  const names = shortcuts.map((s) => s.keys + s.label).join('\n')
  useEffect(() => {
    const mine = current.current.map((s, i) => ({ ...s, run: () => { current.current[i]?.run() } }))
    change([...all, ...mine])
    return () => { change(all.filter((s) => !mine.includes(s))) }
  }, [names])
}

/** useAllKeys are the shortcuts that work at this moment. */
export function useAllKeys(): Shortcut[] {
  return useSyncExternalStore((told) => { listeners.add(told); return () => listeners.delete(told) }, () => all)
}

/** keyOf is how an event's key is written in a shortcut. */
export function keyOf(event: KeyboardEvent): string {
  const key = event.key === ' ' ? 'Space' : event.key.length === 1 ? event.key.toLowerCase() : event.key
  return (event.ctrlKey || event.metaKey ? 'Mod+' : '') + key
}

const typing = 'input, textarea, select, [contenteditable=true], .cm-editor'

/** listenForKeys runs shortcuts. Two keys in a row are one when they are pressed within a second. */
export function listenForKeys(): () => void {
  let before = ''
  let when = 0
  const onKey = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.altKey || event.isComposing) return
    const target = event.composedPath()[0]
    const inText = target instanceof Element && target.closest(typing) !== null
    const key = keyOf(event)
    if ((inText || !bareKeys.get()) && !key.startsWith('Mod+')) return
    if (document.querySelector('dialog[open]') && !key.startsWith('Mod+')) return
    // A key that a control in focus understands is the control's.
    if (key === 'Space' && target instanceof Element && target.closest('button, a, [role=treeitem]')) return
    const pair = before && event.timeStamp - when < 1000 ? `${before} then ${key}` : ''
    const found = all.findLast((s) => s.keys === pair) ?? all.findLast((s) => s.keys === key)
    before = key
    when = event.timeStamp
    if (!found) return
    event.preventDefault()
    before = ''
    found.run()
  }
  window.addEventListener('keydown', onKey)
  return () => { window.removeEventListener('keydown', onKey) }
}
