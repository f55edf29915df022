// Links that let somebody in have their token behind the #. It is taken out of the
// address bar, and so out of the browser's history, before anything else of the page runs.
import { useSyncExternalStore } from 'react'

export const doors = ['/setup', '/invitation', '/reset', '/email'] as const
export type DoorPath = (typeof doors)[number]

/** isDoor says whether a path is that of such a link. */
export const isDoor = (path: string): path is DoorPath => (doors as readonly string[]).includes(path)

let token = ''
const told = new Set<() => void>()

function take(): void {
  if (!isDoor(location.pathname) || location.hash.length < 2) return
  token = decodeURIComponent(location.hash.slice(1))
  history.replaceState(history.state, '', location.pathname)
  for (const listener of told) listener()
}

if (typeof window !== 'undefined') {
  take()
  // Another link to the same door, opened in this tab.
  window.addEventListener('hashchange', take)
}

/** forget drops the token: it was used, and works once. */
export function forgetToken(): void {
  token = ''
}

/** useLinkToken is the token of the link that was followed; empty when there is none. */
export const useLinkToken = (): string => useSyncExternalStore((f) => { told.add(f); return () => told.delete(f) }, () => token)
