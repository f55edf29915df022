import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router'
import { here, pageOf } from '@/api/space'
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
const settings = createRoute({ getParentRoute: () => root, path: '/settings', component: lazyRouteComponent(() => import('@/settings/Settings')) })
const settingsIndex = createRoute({ getParentRoute: () => settings, path: '/', component: lazyRouteComponent(() => import('@/settings/Settings'), 'SettingsIndex') })
const settingsProfile = createRoute({ getParentRoute: () => settings, path: 'profile', component: lazyRouteComponent(() => import('@/settings/Profile')) })
const settingsMembers = createRoute({ getParentRoute: () => settings, path: 'members', validateSearch: texts('tab'), component: lazyRouteComponent(() => import('@/settings/Members')) })
const settingsPeople = createRoute({ getParentRoute: () => settings, path: 'people', validateSearch: texts('tab'), component: lazyRouteComponent(() => import('@/settings/People')) })
const settingsKeys = createRoute({ getParentRoute: () => settings, path: 'keys', validateSearch: texts('of', 'open', 'q'), component: lazyRouteComponent(() => import('@/settings/Keys')) })
const settingsSecrets = createRoute({ getParentRoute: () => settings, path: 'secrets', validateSearch: texts('open', 'q'), component: lazyRouteComponent(() => import('@/settings/Secrets')) })
const settingsEnvironments = createRoute({ getParentRoute: () => settings, path: 'environments', component: lazyRouteComponent(() => import('@/settings/Environments')) })
const settingsReleases = createRoute({ getParentRoute: () => settings, path: 'releases', validateSearch: texts('tab', 'open'), component: lazyRouteComponent(() => import('@/settings/Releases')) })
const settingsAudit = createRoute({ getParentRoute: () => settings, path: 'audit', validateSearch: texts('q', 'action', 'actor', 'object', 'range', 'of', 'open', 'verify'), component: lazyRouteComponent(() => import('@/settings/Audit')) })
const settingsUsage = createRoute({ getParentRoute: () => settings, path: 'usage', validateSearch: texts('of', 'environment', 'days'), component: lazyRouteComponent(() => import('@/settings/Usage')) })
const settingsWorkspaces = createRoute({ getParentRoute: () => settings, path: 'workspaces', validateSearch: texts('q', 'state', 'open'), component: lazyRouteComponent(() => import('@/settings/Workspaces')) })
const settingsBackups = createRoute({ getParentRoute: () => settings, path: 'backups', validateSearch: texts('open', 'job'), component: lazyRouteComponent(() => import('@/settings/Backups')) })
const docs = createRoute({ getParentRoute: () => root, path: '/api/docs', component: lazyRouteComponent(() => import('@/apidocs/Docs')) })
const design = createRoute({ getParentRoute: () => root, path: '/design', component: lazyRouteComponent(() => import.meta.env.DEV ? import('@/design/Design') : Promise.reject(new Error('only in development'))) })

export const router = createRouter({
  basepath: pageOf(here()) || '/',
  routeTree: root.addChildren([home, sources.addChildren([source, sourceEdit]), live, find, rejected, warehouse.addChildren([sql, table]), project, status, settings.addChildren([settingsIndex, settingsProfile, settingsMembers, settingsPeople, settingsKeys, settingsSecrets, settingsEnvironments, settingsReleases, settingsBackups, settingsAudit, settingsUsage, settingsWorkspaces]), docs, ...(import.meta.env.DEV ? [design] : [])]),
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
  for (const route of [home, sources, source, live, find, rejected, warehouse, sql, table, project, status, settings, settingsProfile, settingsMembers, settingsPeople, settingsKeys, settingsSecrets, settingsEnvironments, settingsReleases, settingsBackups, settingsAudit, settingsUsage, settingsWorkspaces]) void Promise.resolve(router.loadRouteChunk(route)).catch(() => undefined)
}

declare module '@tanstack/react-router' {
  interface Register { router: typeof router }
}
