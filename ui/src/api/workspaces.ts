// The workspaces of a server, their environments, and what they use.
import { infiniteQueryOptions, keepPreviousData, queryOptions, useQuery } from '@tanstack/react-query'
import { call } from './client'
import { sessionQuery } from './queries'
import type { Environment, Workspace } from './schema'

/** workspacesQuery is all that one may see, by name. */
export const workspacesQuery = queryOptions({
  queryKey: ['workspaces', 'all'],
  queryFn: async ({ signal }) => {
    const all: Workspace[] = []
    for (let cursor = '';;) {
      const page = await call('list-workspaces', { params: { limit: 1000, cursor } }, signal)
      all.push(...page.workspaces)
      if (!page.next) return all
      cursor = page.next
    }
  },
  staleTime: 5000,
})

export const workspaceQuery = (workspace: string) => queryOptions({
  queryKey: ['workspaces', 'one', workspace],
  queryFn: ({ signal }) => call('get-workspace', { params: { workspace } }, signal),
})

/** useHere is the workspace and environment that one is in, as far as they are shown. */
export function useHere(): { workspace: Workspace; environment: Environment } | undefined {
  const session = useQuery(sessionQuery).data
  const sees = session !== undefined && session.authenticated && session.refused === undefined && (session.everything === true || session.permissions.includes('workspace:read') || session.server_permissions.includes('workspace:list'))
  const workspace = useQuery({ ...workspaceQuery(session?.workspace ?? ''), enabled: sees, staleTime: 60_000 }).data
  const environment = workspace?.environments.find((e) => e.space === session?.space)
  return workspace && environment && { workspace, environment }
}

/** useNames says what workspaces and environments are called, by their ids; what one may not see has no name. */
export function useNames(): { workspace: (id: string) => string | undefined; environment: (space: string) => string | undefined } {
  const all = useQuery(workspacesQuery).data
  const here = useHere()?.workspace
  const known = here ? [here, ...all ?? []] : all ?? []
  return {
    workspace: (id) => known.find((w) => w.id === id)?.title,
    environment: (space) => known.flatMap((w) => w.environments).find((e) => e.space === space)?.name,
  }
}

export interface UsageRange { workspace: string; environment?: string; from?: string; to?: string }

export const usageQuery = (range: UsageRange) => infiniteQueryOptions({
  queryKey: ['workspaces', 'usage', range],
  queryFn: ({ pageParam, signal }) => call('get-usage', { params: { ...range, limit: 10_000, cursor: pageParam } }, signal),
  initialPageParam: '',
  getNextPageParam: (last) => last.next || undefined,
  placeholderData: keepPreviousData,
  refetchInterval: (query) => (query.state.data?.pages.length ?? 0) > 1 ? false : 10_000,
})
