// What the page asks for, with its keys: a room names a query and never builds a key.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query'
import { call, type Input } from './client'
import { noteStatus } from './rates'

/** Status is asked every two seconds while somebody looks: rates are made of it. */
export const statusQuery = queryOptions({
  queryKey: ['status'],
  queryFn: async ({ signal }) => {
    const status = await call('get-status', {}, signal)
    noteStatus(status, Date.now())
    return status
  },
  refetchInterval: 2000,
  staleTime: 1000,
})

export const sourceQuery = (source: string) => queryOptions({
  queryKey: ['sources', source],
  queryFn: ({ signal }) => call('get-source', { params: { source } }, signal),
  refetchInterval: 2000,
})

export const jobsQuery = queryOptions({
  queryKey: ['jobs'],
  queryFn: ({ signal }) => call('list-jobs', {}, signal),
  refetchInterval: (query) => query.state.data?.jobs.some((job) => job.state === 'running') ? 1000 : 5000,
})

export const readinessQuery = queryOptions({
  queryKey: ['readyz'],
  queryFn: async () => {
    const response = await fetch('/readyz')
    return await response.json() as { ready: boolean; parts: { name: string; ready: boolean; required: boolean; reason?: string }[] }
  },
  refetchInterval: 3000,
})

export interface RejectedFilter { source?: string; reason?: string }

export const rejectedQuery = (filter: RejectedFilter) => infiniteQueryOptions({
  queryKey: ['rejected', filter],
  queryFn: ({ pageParam, signal }) => call('list-rejected', { params: { ...filter, limit: 100, cursor: pageParam } }, signal),
  initialPageParam: '',
  getNextPageParam: (last) => last.cursor === '' ? undefined : last.cursor,
  placeholderData: keepPreviousData,
  refetchInterval: (query) => (query.state.data?.pages.length ?? 0) > 1 ? false : 5000,
})

export const rejectedOneQuery = (id: string) => queryOptions({
  queryKey: ['rejected', 'one', id],
  queryFn: ({ signal }) => call('get-rejected', { params: { id } }, signal),
})

export const sqlQuery = (body: Input<'query'>['body']) => queryOptions({
  queryKey: ['query', body],
  queryFn: ({ signal }) => call('query', { body }, signal),
})

export interface TableName { schema: string; table: string; columns: { name: string; type: string }[] }

const catalogue = `SELECT table_schema, table_name, column_name, data_type
FROM information_schema.columns
WHERE table_schema NOT IN ('information_schema', 'pg_catalog')
ORDER BY table_schema, table_name, ordinal_position`

/** tablesQuery is what the warehouse holds, from its own catalogue. */
export const tablesQuery = queryOptions({
  queryKey: ['tables'],
  queryFn: async ({ signal }) => {
    const result = await call('query', { body: { sql: catalogue, limit: 100_000 } }, signal)
    const tables = new Map<string, TableName>()
    for (const [schema, table, name, type] of result.rows as string[][]) {
      const key = `${schema}\n${table}`
      let one = tables.get(key)
      if (!one) tables.set(key, one = { schema: schema ?? '', table: table ?? '', columns: [] })
      one.columns.push({ name: name ?? '', type: type ?? '' })
    }
    return [...tables.values()]
  },
  staleTime: 15_000,
})
