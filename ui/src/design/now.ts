import { useSyncExternalStore } from 'react'

// One clock for all relative times of the page; it stands still while nobody looks.
let now = Date.now()
const listeners = new Set<() => void>()
let timer: ReturnType<typeof setInterval> | undefined

function subscribe(told: () => void): () => void {
  if (listeners.size === 0) now = Date.now()
  listeners.add(told)
  timer ??= setInterval(() => {
    if (document.hidden) return
    now = Date.now()
    for (const listener of listeners) listener()
  }, 1000)
  return () => {
    listeners.delete(told)
    if (listeners.size === 0) {
      clearInterval(timer)
      timer = undefined
    }
  }
}

/** useNow is the time, each second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now)
}
