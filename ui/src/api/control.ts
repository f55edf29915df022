// What Settings asks for: who may do what, what was done, and what the server keeps of it.
import { infiniteQueryOptions, keepPreviousData, queryOptions, useInfiniteQuery } from '@tanstack/react-query'
import { call } from './client'
import { useMay } from './may'
import type { Operations } from './schema'

/** keysQuery is the API keys of the workspace, or of the server. */
export const keysQuery = (server: boolean) => infiniteQueryOptions({
  queryKey: ['keys', server],
  queryFn: ({ pageParam, signal }) => call(server ? 'list-server-keys' : 'list-keys', { params: { limit: 200, cursor: pageParam } }, signal),
  initialPageParam: '',
  getNextPageParam: (last) => last.next || undefined,
  refetchInterval: (query) => (query.state.data?.pages.length ?? 0) > 1 ? false : 10_000,
})

/** An AuditFilter says which entries are asked for, of the workspace or of the server. */
export type AuditFilter = Omit<NonNullable<Operations['list-audit']['params']>, 'limit' | 'cursor'> & { server?: boolean }

/** auditQuery is who did what, the newest first; filters of time are rounded, so that what was read stays for a while. */
export const auditQuery = ({ server, ...filter }: AuditFilter) => infiniteQueryOptions({
  queryKey: ['audit', server, filter],
  queryFn: ({ pageParam, signal }) => call(server ? 'list-server-audit' : 'list-audit', { params: { ...filter, limit: 100, cursor: pageParam } }, signal),
  initialPageParam: '',
  getNextPageParam: (last) => last.next || undefined,
  placeholderData: keepPreviousData,
  refetchInterval: (query) => (query.state.data?.pages.length ?? 0) > 1 ? false : 5000,
})

/** entryQuery is one entry of the trail, however old. */
export const entryQuery = (number: string, server: boolean) => queryOptions({
  queryKey: ['audit', 'entry', server, number],
  queryFn: ({ signal }) => call(server ? 'get-server-audit-entry' : 'get-audit-entry', { params: { number: Number(number) } }, signal),
  staleTime: Infinity,
})

/** requestQuery is all that was done by one request. */
export const requestQuery = (id: string) => queryOptions({
  queryKey: ['audit', 'request', id],
  queryFn: async ({ signal }) => (await call('list-audit', { params: { q: id, limit: 20 } }, signal)).entries.filter((e) => e.request_id === id),
  staleTime: 60_000,
})

export const membersQuery = (of: 'workspace' | 'server') => infiniteQueryOptions({
  queryKey: ['members', of],
  queryFn: ({ pageParam, signal }) => call(of === 'server' ? 'list-operators' : 'list-members', { params: { limit: 200, cursor: pageParam } }, signal),
  initialPageParam: '',
  getNextPageParam: (last) => last.next || undefined,
})

/** useActorName names people and keys by their ids, as far as members, who runs the server, and keys were listed. */
export function useActorName(): (id: string) => string | undefined {
  const may = useMay()
  const members = useInfiniteQuery({ ...membersQuery('workspace'), enabled: may('member:read') }).data
  const operators = useInfiniteQuery({ ...membersQuery('server'), enabled: may('operator:read') }).data
  const keys = useInfiniteQuery({ ...keysQuery(false), enabled: may('key:read') }).data
  return (id) => [members, operators].flatMap((list) => list?.pages.flatMap((p) => p.members) ?? []).find((m) => m.person === id)?.name ?? keys?.pages.flatMap((p) => p.keys).find((k) => k.id === id)?.name
}

export const invitationsQuery = (of: 'workspace' | 'server') => infiniteQueryOptions({
  queryKey: ['members', 'invitations', of],
  queryFn: ({ pageParam, signal }) => call(of === 'server' ? 'list-operator-invitations' : 'list-invitations', { params: { limit: 100, cursor: pageParam } }, signal),
  initialPageParam: '',
  getNextPageParam: (last) => last.next || undefined,
  refetchInterval: 15_000,
})

export const peopleQuery = infiniteQueryOptions({
  queryKey: ['people'],
  queryFn: ({ pageParam, signal }) => call('list-people', { params: { limit: 200, cursor: pageParam } }, signal),
  initialPageParam: '',
  getNextPageParam: (last) => last.next || undefined,
})

export const profileQuery = queryOptions({
  queryKey: ['profile'],
  queryFn: ({ signal }) => call('get-profile', {}, signal),
})

export const sessionsQuery = queryOptions({
  queryKey: ['profile', 'sessions'],
  queryFn: ({ signal }) => call('list-sessions', {}, signal),
  refetchInterval: 30_000,
})

/** vaultQuery is the secrets of this environment and of all, without their values. */
export const vaultQuery = infiniteQueryOptions({
  queryKey: ['secrets', 'vault'],
  queryFn: ({ pageParam, signal }) => call('list-secrets', { params: { limit: 200, cursor: pageParam } }, signal),
  initialPageParam: '',
  getNextPageParam: (last) => last.next || undefined,
})

export const secretHistoryQuery = (name: { path: string; all_environments?: boolean }) => queryOptions({
  queryKey: ['secrets', 'history', name.path, name.all_environments === true],
  queryFn: ({ signal }) => call('get-secret-history', { params: { path: name.path, all_environments: name.all_environments || undefined } }, signal),
})

export const releasesQuery = infiniteQueryOptions({
  queryKey: ['releases'],
  queryFn: ({ pageParam, signal }) => call('list-releases', { params: { limit: 100, cursor: pageParam } }, signal),
  initialPageParam: '',
  getNextPageParam: (last) => last.next || undefined,
  refetchInterval: (query) => (query.state.data?.pages.length ?? 0) > 1 || query.state.error ? false : 5000,
})

export const deploysQuery = infiniteQueryOptions({
  queryKey: ['releases', 'deploys'],
  queryFn: ({ pageParam, signal }) => call('list-deploys', { params: { limit: 100, cursor: pageParam } }, signal),
  initialPageParam: '',
  getNextPageParam: (last) => last.next || undefined,
  refetchInterval: 5000,
})

export const releaseDiffQuery = (number: number, from: number | undefined) => queryOptions({
  queryKey: ['releases', 'diff', number, from],
  queryFn: ({ signal }) => call('diff-release', { params: { number, from } }, signal),
  staleTime: Infinity,
})

export const releasePlanQuery = (number: number) => queryOptions({
  queryKey: ['releases', 'plan', number],
  queryFn: ({ signal }) => call('plan-stored-release', { params: { number } }, signal),
  gcTime: 0,
})

/** environmentsQuery is the workspace that the page is in, with its environments. */
export const environmentsQuery = queryOptions({
  queryKey: ['environments'],
  queryFn: async ({ signal }) => {
    const { workspace, space } = await call('get-session', {}, signal)
    return { here: space, workspace: await call('get-workspace', { params: { workspace } }, signal) }
  },
  staleTime: 10_000,
  refetchInterval: 30_000,
})

/** backupsQuery is the backups that there are, and how they go. */
export const backupsQuery = queryOptions({
  queryKey: ['backups'],
  queryFn: ({ signal }) => call('list-backups', {}, signal),
  refetchInterval: 15_000,
})
