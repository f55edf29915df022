// The theme and other choices of a person, kept in the browser.
import { useSyncExternalStore } from 'react'
import { apart } from '@/api/space'

export type Theme = 'system' | 'light' | 'dark'

/** A choice is a value that is kept in the browser and shared by all who use it. */
export interface Choice<T> {
  get(): T
  set(value: T): void
  subscribe(told: () => void): () => void
}

/**
 * choice returns the choice of that name; what is stored and not valid is as if
 * nothing were. What is of a workspace is kept for each of its environments.
 */
export function choice<T>(name: string, start: T, valid: (value: unknown) => value is T, ofSpace = false): Choice<T> {
  let key = ''
  const listeners = new Set<() => void>()
  const read = (): T => {
    try {
      const value: unknown = JSON.parse(localStorage.getItem(key) ?? 'null')
      return valid(value) ? value : start
    } catch {
      return start // storage is off or holds something else
    }
  }
  let value = start
  const get = () => {
    const now = `millrace.${ofSpace ? apart(name) : name}`
    if (now !== key) { key = now; value = read() }
    return value
  }
  const tell = () => { for (const listener of listeners) listener() }
  if (typeof window !== 'undefined') {
    window.addEventListener('storage', (event) => {
      get()
      if (event.key === key) { value = read(); tell() }
    })
  }
  return {
    get,
    set(next) {
      get()
      value = next
      try { localStorage.setItem(key, JSON.stringify(next)) } catch { /* it holds for this visit */ }
      tell()
    },
    subscribe(told) { listeners.add(told); return () => listeners.delete(told) },
  }
}

export function useChoice<T>(of: Choice<T>): [T, (value: T) => void] {
  return [useSyncExternalStore(of.subscribe, of.get), of.set]
}

const isTheme = (value: unknown): value is Theme => value === 'system' || value === 'light' || value === 'dark'

export const theme = choice<Theme>('theme', 'system', isTheme)

/** followTheme keeps the document in the chosen theme. */
export function followTheme(): void {
  const dark = window.matchMedia('(prefers-color-scheme: dark)')
  const apply = () => {
    const chosen = theme.get()
    document.documentElement.dataset['theme'] = chosen === 'system' ? (dark.matches ? 'dark' : 'light') : chosen
  }
  apply()
  theme.subscribe(apply)
  dark.addEventListener('change', apply)
}

/** useDark says whether the page is dark at this moment. */
export function useDark(): boolean {
  return useSyncExternalStore((told) => {
    const seen = new MutationObserver(told)
    seen.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })
    return () => { seen.disconnect() }
  }, () => document.documentElement.dataset['theme'] === 'dark')
}
