// What the page asks for, with its keys: a room names a query and never builds a key.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query'
import { call, elsewhere, problemOf, tellSignedOut } from './client'
import { noteStatus } from './rates'
import { here, noteSpace } from './space'
import type { FileChange, Operations, ResultChartQuery, ResultFilter, RowsBody, Session, TableSummary } from './schema'

/** KnownSession is who asks; refused says why the space that the address names is not shown to them. */
export type KnownSession = Session & { refused?: string }

/** Who one is, and what one may do here; everyone is answered. Roles change while somebody looks. */
export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async ({ signal, client }): Promise<KnownSession> => {
    // Of a session that has ended the page keeps what it knows, until somebody signs in again.
    const still = (answered: KnownSession): KnownSession => {
      const before = client.getQueryData<KnownSession>(['session'])
      if (answered.authenticated || !before?.authenticated) return answered
      tellSignedOut()
      return before
    }
    try {
      const session = await call('get-session', {}, signal)
      if (session.authenticated) noteSpace(session.space)
      return still(session)
    } catch (thrown) {
      const problem = problemOf(thrown)
      if (here() === '' || problem.kind !== 'not_found') throw thrown
      // It is not theirs, or not known to be theirs until they sign in.
      return still({ ...await elsewhere(signal), refused: problem.detail })
    }
  },
  staleTime: 60_000,
  refetchInterval: 300_000,
})

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

export interface RejectedFilter { source?: string; reason?: string; group?: string }

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

/** tablesQuery is every table of the warehouse with how much is in it. */
export const tablesQuery = queryOptions({
  queryKey: ['tables'],
  queryFn: async ({ signal }) => {
    const all: TableSummary[] = []
    for (let cursor = '';;) {
      const page = await call('list-tables', { params: { limit: 1000, cursor } }, signal)
      all.push(...page.tables)
      if (!page.next) return all
      cursor = page.next
    }
  },
  staleTime: 15_000,
})

export const tableQuery = (schema: string, table: string) => queryOptions({
  queryKey: ['tables', schema, table],
  queryFn: ({ signal }) => call('get-table', { params: { schema, table } }, signal),
  staleTime: 10_000,
})

export const sampleQuery = (schema: string, table: string) => queryOptions({
  queryKey: ['tables', schema, table, 'sample'],
  queryFn: ({ signal }) => call('sample-table', { params: { schema, table, limit: 100 } }, signal),
  staleTime: 10_000,
})

/** typeQuery is what another type of a column would change. */
export const typeQuery = (schema: string, table: string, column: string, type: Operations['preview-column-type']['body']['type']) => queryOptions({
  queryKey: ['tables', schema, table, 'type', column, type],
  queryFn: ({ signal }) => call('preview-column-type', { params: { schema, table, column }, body: { type } }, signal),
  placeholderData: keepPreviousData,
})

export const whyQuery = (schema: string, table: string, span: { from: number; until: number }) => queryOptions({
  queryKey: ['tables', schema, table, 'why', Math.floor(span.from / 10_000), Math.floor(span.until / 10_000)],
  queryFn: ({ signal }) => call('explain-table', { params: { schema, table, from: new Date(span.from).toISOString(), until: new Date(span.until).toISOString() } }, signal),
  placeholderData: keepPreviousData,
  staleTime: 10_000,
})

export const whyRowsQuery = (params: Operations['explain-table-rows']['params']) => infiniteQueryOptions({
  queryKey: ['tables', params.schema, params.table, 'why', 'rows', params],
  queryFn: ({ pageParam, signal }) => call('explain-table-rows', { params: { ...params, limit: 100, cursor: pageParam } }, signal),
  initialPageParam: '',
  getNextPageParam: (last) => last.next || undefined,
})

// A text that ends where a secret is wanted: what may be written there are those that are set.
const wantsSecret = { path: 'sources/offered.yaml', text: 'kind: webhook\nsignature:\n  secret: ', line: 3, column: 11 }

/** secretsQuery is the secrets that are set on the server, by name, as references to them. */
export const secretsQuery = queryOptions({
  queryKey: ['secrets'],
  queryFn: async ({ signal }) => {
    const { items } = await call('complete-file', { body: wantsSecret }, signal)
    return items.flatMap((i) => i.kind === 'secret' ? /\$\{secret:[a-z0-9_/]+(?:#\d+)?\}/.exec(i.label) ?? [] : [])
  },
  staleTime: 10_000,
})

/** catalogQuery is every table with its columns, and the engine's functions: for completion. */
export const catalogQuery = queryOptions({
  queryKey: ['tables', 'catalog'],
  queryFn: async ({ signal }) => {
    const { tables, functions } = await call('get-catalog', {}, signal)
    return { functions, tables: Object.fromEntries(tables.map((t) => [`${t.schema}.${t.table}`, t.columns.map((c) => c.name)])) }
  },
  staleTime: 60_000,
})

export type View = Pick<RowsBody, 'sort' | 'filters'>

/** How many rows of a stored result are asked for at once. */
export const pageRows = 500

export const resultPageQuery = (id: string, view: View, page: number) => queryOptions({
  queryKey: ['results', id, view, page],
  queryFn: ({ signal }) => call('read-result', { params: { id }, body: { ...view, offset: page * pageRows, limit: pageRows } }, signal),
  staleTime: Infinity,
  gcTime: 60_000,
})

export const statsQuery = (id: string, column: string, filters: ResultFilter[]) => queryOptions({
  queryKey: ['results', id, 'stats', column, filters],
  queryFn: ({ signal }) => call('describe-result-column', { params: { id }, body: { column, filters } }, signal),
  staleTime: Infinity,
})

export const chartQuery = (id: string, body: ResultChartQuery) => queryOptions({
  queryKey: ['results', id, 'chart', body],
  queryFn: ({ signal }) => call('chart-result', { params: { id }, body }, signal),
  staleTime: Infinity,
  placeholderData: keepPreviousData,
})

export const recordQuery = (position: string) => queryOptions({
  queryKey: ['records', position],
  queryFn: ({ signal }) => call('get-record', { params: { position } }, signal),
  // Until it is everywhere, it moves on.
  refetchInterval: (query) => query.state.data?.steps.some((s) => s.state === 'waiting') ? 2000 : false,
})

export const recordsQuery = (by: { id?: string; user?: string; source?: string }) => infiniteQueryOptions({
  queryKey: ['records', 'by', by],
  queryFn: ({ pageParam, signal }) => call('list-records', { params: { ...by, limit: 100, cursor: pageParam } }, signal),
  initialPageParam: '',
  getNextPageParam: (last) => last.next || undefined,
})

export const attentionQuery = queryOptions({
  queryKey: ['attention'],
  queryFn: ({ signal }) => call('get-attention', {}, signal),
  refetchInterval: 10_000,
})

export const eventsQuery = (source: string, filter: { q?: string; sort?: 'count' | 'last_seen' | 'name' }) => infiniteQueryOptions({
  queryKey: ['sources', source, 'events', filter],
  queryFn: ({ pageParam, signal }) => call('list-source-events', { params: { source, ...filter, limit: 100, cursor: pageParam } }, signal),
  initialPageParam: '',
  getNextPageParam: (last) => last.next || undefined,
  placeholderData: keepPreviousData,
  staleTime: 5000,
  // What has just been sent shows up without a reload; who has read on stays where they are.
  refetchInterval: (query) => (query.state.data?.pages.length ?? 0) > 1 ? false : filter.q === undefined && query.state.data?.pages[0]?.events.length === 0 ? 1500 : 10_000,
})

/** eventsFoundQuery is the events of a source whose names hold a text, the most frequent first. */
export const eventsFoundQuery = (source: string, q: string) => queryOptions({
  queryKey: ['sources', source, 'events', 'found', q],
  queryFn: ({ signal }) => call('list-source-events', { params: { source, q, sort: 'count', limit: 5 } }, signal),
  staleTime: 30_000,
})

export const eventQuery = (source: string, event: string) => queryOptions({
  queryKey: ['sources', source, 'event', event],
  queryFn: ({ signal }) => call('get-source-event', { params: { source, event } }, signal),
})

export const changesQuery = (source: string) => infiniteQueryOptions({
  queryKey: ['sources', source, 'changes'],
  queryFn: ({ pageParam, signal }) => call('list-source-changes', { params: { source, limit: 100, cursor: pageParam } }, signal),
  initialPageParam: '',
  getNextPageParam: (last) => last.next || undefined,
})

export const snippetsQuery = (source: string, key?: string) => queryOptions({
  queryKey: ['sources', source, 'snippets', key ?? ''],
  queryFn: ({ signal }) => call('list-snippets', { params: { source, key } }, signal),
})

export const groupsQuery = (filter: { source?: string; open?: boolean }) => infiniteQueryOptions({
  queryKey: ['rejected', 'groups', filter],
  queryFn: ({ pageParam, signal }) => call('list-rejected-groups', { params: { ...filter, limit: 100, cursor: pageParam } }, signal),
  initialPageParam: '',
  getNextPageParam: (last) => last.next || undefined,
  placeholderData: keepPreviousData,
  refetchInterval: (query) => (query.state.data?.pages.length ?? 0) > 1 ? false : 5000,
})

export const jobQuery = (id: string) => queryOptions({
  queryKey: ['jobs', id],
  queryFn: ({ signal }) => call('get-job', { params: { id } }, signal),
  refetchInterval: (query) => query.state.data === undefined || query.state.data.state === 'running' ? 500 : false,
})

export const filesQuery = queryOptions({
  queryKey: ['files'],
  queryFn: ({ signal }) => call('list-files', {}, signal),
  refetchInterval: 5000,
})

export const fileQuery = (path: string) => queryOptions({
  queryKey: ['files', 'text', path],
  queryFn: ({ signal }) => call('read-file', { params: { path } }, signal),
})

/** valuesQuery is what a text of YAML says. */
export const valuesQuery = (text: string) => queryOptions({
  queryKey: ['files', 'values', text],
  queryFn: async ({ signal }) => {
    await pause(signal)
    return await call('read-values', { body: { text } }, signal)
  },
  staleTime: Infinity,
  gcTime: 60_000,
})

/** editQuery is a text that is not saved with changes made, and what would be wrong. */
export const editQuery = (path: string, text: string, changes: FileChange[]) => queryOptions({
  queryKey: ['files', 'edit', path, text, changes],
  queryFn: async ({ signal }) => {
    await pause(signal)
    return await call('edit-file', { body: { path, text, changes, dry: true } }, signal)
  },
  placeholderData: keepPreviousData,
  staleTime: 5000,
  gcTime: 10_000,
})

/** pause waits while somebody types: whoever types on cancels what was asked. */
async function pause(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 200))
  signal.throwIfAborted()
}

/** schemaQuery is the JSON Schema of files of a folder. */
export const schemaQuery = (name: string) => queryOptions({
  queryKey: ['schemas', name],
  queryFn: ({ signal }) => call('get-schema', { params: { name } }, signal),
  staleTime: Infinity,
})

/** checkQuery is what is wrong with the project as it would be with these texts. */
export const checkQuery = (texts: Record<string, string>) => queryOptions({
  queryKey: ['files', 'check', texts],
  queryFn: async ({ signal }) => {
    // Not at every letter: whoever types on cancels this.
    await new Promise((resolve) => setTimeout(resolve, 250))
    signal.throwIfAborted()
    return await call('check-files', { body: { texts } }, signal)
  },
  placeholderData: keepPreviousData,
  gcTime: 10_000,
})
