import { useSyncExternalStore } from 'react'

/** useMedia says whether a media query holds, for what is another component then and not only another look. */
export function useMedia(query: string): boolean {
  return useSyncExternalStore((told) => {
    const media = window.matchMedia(query)
    media.addEventListener('change', told)
    return () => { media.removeEventListener('change', told) }
  }, () => window.matchMedia(query).matches)
}
