import { getRouteApi } from '@tanstack/react-router'
import { useEffect, useRef } from 'react'
import { useLeaving } from '@/design/leaving'
import { linkOf, pathOf, sameLink } from './saved'
import { open, tabs, type SqlTab } from './tabs'

const route = getRouteApi('/warehouse/')

/** useLink keeps the address and the open tab together: a link opens its query, and what is open is in the address. */
export function useLink(tab: SqlTab | undefined, openSaved: (path: string) => Promise<boolean>): void {
  const link = route.useSearch()
  const navigate = route.useNavigate()
  const leaving = useLeaving()
  const asked = sameLink(link)
  const written = useRef('')
  const opening = useRef(false)
  const current = useRef({ link, openSaved })
  useEffect(() => { current.current = { link, openSaved } })
  useEffect(() => {
    if (asked === '' || asked === written.current) return
    written.current = asked
    const { query, sql } = current.current.link
    if (query === undefined) {
      tabs.set(open(tabs.get(), sql ?? ''))
      return
    }
    opening.current = true
    void current.current.openSaved(pathOf(query)).finally(() => { opening.current = false })
  }, [asked])
  const own = tab && linkOf(tab)
  const ownKey = own ? sameLink(own) : ''
  useEffect(() => {
    const timer = setTimeout(() => {
      if (opening.current || ownKey === written.current || own === undefined || leaving()) return
      written.current = ownKey
      void navigate({ search: own, replace: true })
    }, 400)
    return () => { clearTimeout(timer) }
    // The key says all that counts of the link.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [ownKey])
}
