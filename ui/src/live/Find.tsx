import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useRef, useState } from 'react'
import { curlOf, problemOf } from '@/api/client'
import { recordQuery, recordsQuery, statusQuery } from '@/api/queries'
import type { RecordSummary } from '@/api/schema'
import { StateDot } from '@/design/Badge'
import { Button } from '@/design/Button'
import { copyAs, quoted } from '@/design/copyAs'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { IconButton } from '@/design/IconButton'
import { Input } from '@/design/Input'
import { Menu } from '@/design/Menu'
import { Select } from '@/design/Select'
import { SkeletonRows } from '@/design/Skeleton'
import { Table, type Column, type TableHandle } from '@/design/Table'
import { TimeText } from '@/design/TimeText'
import { View } from '@/design/View'
import { plural } from '@/format/format'
import { EventDrawer } from './EventDrawer'
import { resultMeanings } from './results'

const route = getRouteApi('/live/find')

const columns: Column<RecordSummary>[] = [
  { id: 'received', title: 'Received', width: 220, cell: (r) => <TimeText at={r.received_at} full />, text: (r) => r.received_at },
  { id: 'result', title: 'Result', width: 110, cell: (r) => <StateDot meaning={resultMeanings[r.result]}>{r.result}</StateDot>, text: (r) => r.result },
  { id: 'source', title: 'Source', width: 110, cell: (r) => r.source, text: (r) => r.source },
  { id: 'event', title: 'Event', width: 200, cell: (r) => <span className="font-medium">{r.event ?? r.kind}</span>, text: (r) => r.event ?? r.kind },
  { id: 'user', title: 'User', width: 180, mono: true, cell: (r) => r.user ?? '', text: (r) => r.user ?? '' },
  { id: 'id', title: 'Id', mono: true, cell: (r) => r.id, text: (r) => r.id },
]

/** Looks records up by id or user, however old they are. */
export default function Find() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const table = useRef<TableHandle>(null)
  const by = search.id !== undefined ? { id: search.id, source: search.source } : search.user !== undefined ? { user: search.user, source: search.source } : undefined
  const list = useInfiniteQuery({ ...recordsQuery(by ?? {}), enabled: by !== undefined })
  const rows = list.data?.pages.flatMap((p) => p.records) ?? []
  const incomplete = list.data?.pages.find((p) => p.incomplete)?.incomplete
  const opened = useQuery({ ...recordQuery(search.open ?? ''), enabled: search.open !== undefined })
  const at = rows.findIndex((r) => r.position === search.open)
  const show = (open: string | undefined) => { void navigate({ search: (before) => ({ ...before, open }), replace: search.open !== undefined && open !== undefined }) }
  const step = (by: number) => at >= 0 && rows[at + by] ? () => { show(rows[at + by]?.position); table.current?.reveal(at + by) } : undefined
  return (
    <View crumbs={[{ title: 'Live', to: '/live' }, { title: 'Find' }]} actions={by && <Menu label="More" button={<IconButton icon="more" label="More" />} items={copyAs({ curl: curlOf('list-records', { params: by }, location.origin), sql: sqlOf(by) })} />}
      state={by && list.data && <>{plural(rows.length, 'record')}{list.hasNextPage ? ' and more' : ''}</>}>
      <Ask key={JSON.stringify(by)} search={search} onAsk={(next) => { void navigate({ search: next }) }} />
      {list.error && <div className="px-4 pb-2"><ErrorBox problem={problemOf(list.error)} onRetry={() => void list.refetch()} /></div>}
      {incomplete && <p className="mx-4 mb-2 rounded-outer bg-warning-tint px-3 py-2 text-12">{incomplete}</p>}
      <div className="relative flex min-h-0 grow">
        {by === undefined ? <div className="grow"><Empty icon="search" title="Find any record">By its id, or all of a user, newest first: in the log, and however old in the warehouse and the archive.</Empty></div>
          : list.isPending ? <SkeletonRows />
            : <Table name="find" label="Records found" columns={columns} ref={table} compact count={rows.length} rowAt={(i) => rows[i]} rowKey={(r) => r.position} chosen={at < 0 ? undefined : at} onOpen={(i) => { show(rows[i]?.position) }}
              onSeen={(_f, to) => { if (to > rows.length - 20 && list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage() }}
              empty={<Empty icon="search" title="No record was found">Ids and users are compared letter by letter. Was it perhaps rejected? Then its id is in the room Rejected.</Empty>} />}
        {search.open && opened.data && <EventDrawer key={search.open} line={opened.data.record} start="journey" onClose={() => { show(undefined); table.current?.focus() }} onNext={step(1)} onPrevious={step(-1)} onFilter={(f) => { if (f.user) void navigate({ search: { user: f.user } }) }} />}
        {search.open && opened.error && <div className="absolute inset-x-4 top-4"><ErrorBox problem={problemOf(opened.error)} /></div>}
      </div>
    </View>
  )
}

/** sqlOf asks the same of the warehouse, where one source is meant. */
function sqlOf(by: Search): string | undefined {
  if (!by.source) return undefined
  const schema = by.source.replaceAll('-', '_')
  return `SELECT * FROM ${schema}.tracks WHERE ${by.id === undefined ? `user_id = ${quoted(by.user ?? '')}` : `id = ${quoted(by.id)}`} ORDER BY received_at DESC`
}

interface Search { id?: string; user?: string; source?: string }

function Ask({ search, onAsk }: { search: Search; onAsk: (search: Search) => void }) {
  const { data } = useQuery(statusQuery)
  const [by, setBy] = useState<'id' | 'user'>(search.id === undefined ? 'user' : 'id')
  const [typed, setTyped] = useState(search.id ?? search.user ?? '')
  const [source, setSource] = useState(search.source ?? '')
  return (
    <form role="search" className="flex flex-wrap items-center gap-2 px-4 py-2" onSubmit={(e) => { e.preventDefault(); if (typed.trim()) onAsk({ [by]: typed.trim(), source: source || undefined }) }}>
      <Select label="By" hideLabel className="w-36" value={by} onValue={(v) => { setBy(v === 'id' ? 'id' : 'user') }} options={[{ value: 'user', label: 'Of the user' }, { value: 'id', label: 'With the id' }]} />
      <Input label={by === 'id' ? 'Id' : 'User'} hideLabel icon="search" mono className="min-w-48 grow" placeholder={by === 'id' ? 'order-1001' : 'ada'} value={typed} onChange={(e) => { setTyped(e.target.value) }} />
      <Select label="Source" hideLabel className="w-36" value={source} onValue={setSource} options={[{ value: '', label: 'Every source' }, ...(data?.sources ?? []).map((s) => ({ value: s.name, label: s.name }))]} />
      <Button look="main" type="submit" disabled={typed.trim() === ''}>Find</Button>
    </form>
  )
}
