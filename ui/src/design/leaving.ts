import { useRouter } from '@tanstack/react-router'
import { useCallback } from 'react'

/** useLeaving says, when it is asked, whether somebody is on the way to another view: what the page writes into the address by itself would bring them back. */
export function useLeaving(): () => boolean {
  const router = useRouter()
  return useCallback(() => router.latestLocation.pathname !== (router.state.resolvedLocation ?? router.latestLocation).pathname, [router])
}
