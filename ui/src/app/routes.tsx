import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router'
import { SkeletonRows } from '@/design/Skeleton'
import { Failed, NotFound } from './Lost'
import { Shell } from './Shell'

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound })

/** texts keeps of what stands in the address the texts of these names. */
const texts = <K extends string>(...names: K[]) => (search: Record<string, unknown>): Partial<Record<K, string>> => {
  const kept: Partial<Record<K, string>> = {}
  for (const name of names) {
    const value = search[name]
    if (value !== undefined && value !== '') kept[name] = typeof value === 'object' ? JSON.stringify(value) : String(value)
  }
  return kept
}

const home = createRoute({ getParentRoute: () => root, path: '/', validateSearch: texts('range', 'peaks'), component: lazyRouteComponent(() => import('@/home/Home')) })
const sources = createRoute({ getParentRoute: () => root, path: '/sources', validateSearch: texts('new'), component: lazyRouteComponent(() => import('@/sources/Sources')) })
const source = createRoute({ getParentRoute: () => sources, path: '$source', validateSearch: texts('tab', 'event', 'q', 'range', 'peaks'), component: lazyRouteComponent(() => import('@/sources/Source')) })
const sourceEdit = createRoute({ getParentRoute: () => sources, path: '$source/edit', validateSearch: texts('tab'), component: lazyRouteComponent(() => import('@/sources/EditRoute')) })
const live = createRoute({ getParentRoute: () => root, path: '/live', validateSearch: texts('source', 'event', 'text', 'result', 'user', 'open'), component: lazyRouteComponent(() => import('@/live/Live')) })
const find = createRoute({ getParentRoute: () => root, path: '/live/find', validateSearch: texts('id', 'user', 'source', 'open'), component: lazyRouteComponent(() => import('@/live/Find')) })
const rejected = createRoute({ getParentRoute: () => root, path: '/rejected', validateSearch: texts('source', 'reason', 'group', 'tab', 'open'), component: lazyRouteComponent(() => import('@/rejected/Rejected')) })
const warehouse = createRoute({ getParentRoute: () => root, path: '/warehouse', component: lazyRouteComponent(() => import('@/warehouse/Warehouse')) })
const sql = createRoute({ getParentRoute: () => warehouse, path: '/', validateSearch: texts('sql', 'query'), component: lazyRouteComponent(() => import('@/warehouse/Sql')) })
const table = createRoute({ getParentRoute: () => warehouse, path: '$schema/$table', validateSearch: texts('tab', 'range'), component: lazyRouteComponent(() => import('@/warehouse/TableDetail')) })
const project = createRoute({ getParentRoute: () => root, path: '/project', validateSearch: texts('file', 'line'), component: lazyRouteComponent(() => import('@/project/Project')) })
const status = createRoute({ getParentRoute: () => root, path: '/status', validateSearch: texts('tab', 'range', 'part', 'level', 'text'), component: lazyRouteComponent(() => import('@/status/Status')) })
const docs = createRoute({ getParentRoute: () => root, path: '/api/docs', component: lazyRouteComponent(() => import('@/apidocs/Docs')) })
const design = createRoute({ getParentRoute: () => root, path: '/design', component: lazyRouteComponent(() => import.meta.env.DEV ? import('@/design/Design') : Promise.reject(new Error('only in development'))) })

export const router = createRouter({
  routeTree: root.addChildren([home, sources.addChildren([source, sourceEdit]), live, find, rejected, warehouse.addChildren([sql, table]), project, status, docs, ...(import.meta.env.DEV ? [design] : [])]),
  defaultPreload: 'intent',
  defaultPendingComponent: () => <SkeletonRows />,
  defaultPendingMs: 150,
  defaultErrorComponent: Failed,
  defaultNotFoundComponent: NotFound,
  scrollRestoration: true,
  // Addresses read like ?source=web&text=a%20b, not like JSON.
  stringifySearch: (search) => {
    const written = new URLSearchParams(Object.entries(search as Record<string, unknown>).filter(([, v]) => v !== undefined && v !== '').map(([k, v]) => [k, String(v)])).toString()
    return written ? `?${written}` : ''
  },
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
})

/** fetchRooms loads the code of every room, so that they open at once, and also while the server is not reached. */
export function fetchRooms(): void {
  for (const route of [home, sources, source, live, find, rejected, warehouse, sql, table, project, status]) void Promise.resolve(router.loadRouteChunk(route)).catch(() => undefined)
}

declare module '@tanstack/react-router' {
  interface Register { router: typeof router }
}
