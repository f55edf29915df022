import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useRef, useState } from 'react'
import { problemOf } from '@/api/client'
import { eventQuery, eventsQuery } from '@/api/queries'
import type { EventDetail, Property, SourceEvent } from '@/api/schema'
import { Badge } from '@/design/Badge'
import { Drawer } from '@/design/Drawer'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { Input } from '@/design/Input'
import { useKeys } from '@/design/keys'
import { NumberText } from '@/design/NumberText'
import { Progress } from '@/design/Progress'
import { SkeletonRows } from '@/design/Skeleton'
import { Table, type Column, type Sorting, type TableHandle } from '@/design/Table'
import { TimeText } from '@/design/TimeText'
import { percent } from '@/format/format'

const columns: Column<SourceEvent>[] = [
  { id: 'name', title: 'Event', sortable: true, cell: (e) => <><span className="font-medium">{e.event}</span>{e.kind !== 'track' && e.kind !== e.event && <span className="ml-2 text-soft">{e.kind}</span>}</>, text: (e) => e.event },
  { id: 'count', title: 'Count', width: 110, align: 'right', sortable: true, cell: (e) => <NumberText value={e.count} />, text: (e) => String(e.count) },
  { id: 'first_seen', title: 'First seen', width: 120, cell: (e) => <TimeText at={e.first_seen} />, text: (e) => e.first_seen ?? '' },
  { id: 'last_seen', title: 'Last seen', width: 120, sortable: true, cell: (e) => <TimeText at={e.last_seen} />, text: (e) => e.last_seen ?? '' },
  { id: 'table', title: 'Table', width: 220, mono: true, cell: (e) => `${e.schema}.${e.table}`, text: (e) => `${e.schema}.${e.table}` },
]

const sorts = ['count', 'last_seen', 'name'] as const

/** The names of events that a source has sent, and what each brings. */
export function Events({ source, open, onOpen, wanted, onWanted }: { source: string; open: string | undefined; onOpen: (event: string | undefined) => void; wanted: string; onWanted: (q: string) => void }) {
  const [sort, setSort] = useState<Sorting>({ column: 'count', down: true })
  const table = useRef<TableHandle>(null)
  const list = useInfiniteQuery(eventsQuery(source, { q: wanted.trim() || undefined, sort: sorts.find((s) => s === sort.column) }))
  const rows = list.data?.pages.flatMap((p) => p.events) ?? []
  const filtered = rows.length > 12 || wanted !== ''
  useKeys(!filtered ? [] : [{ keys: '/', label: 'Filter events', group: 'Sources', run: () => { document.getElementById('events-filter')?.focus() } }])
  const at = rows.findIndex((e) => e.event === open)
  const step = (by: number) => at >= 0 && rows[at + by] ? () => { onOpen(rows[at + by]?.event); table.current?.reveal(at + by) } : undefined
  if (list.error && !list.data) return <div className="grow p-4"><ErrorBox problem={problemOf(list.error)} onRetry={() => void list.refetch()} /></div>
  if (!list.data) return <SkeletonRows />
  return (
    <>
      <div className="flex min-w-0 grow flex-col">
        {filtered && <div className="border-b border-line p-2"><Input id="events-filter" className="max-w-90" label="Filter events" hideLabel icon="search" placeholder="Filter events" value={wanted} onChange={(e) => { onWanted(e.target.value) }} /></div>}
        <Table name="source-events" label="Events of the source" columns={columns} ref={table} count={rows.length} rowAt={(i) => rows[i]} rowKey={(e) => `${e.kind}:${e.event}`} chosen={at < 0 ? undefined : at} onOpen={(i) => { onOpen(rows[i]?.event) }}
        // The server sorts in one way each: counts and times down, names up.
        sort={sort} onSort={(next) => { if (next) setSort({ column: next.column, down: next.column !== 'name' }) }}
        onSeen={(_f, to) => { if (to > rows.length - 20 && list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage() }}
        empty={wanted !== '' ? <Empty icon="search" title="No event is called so">It has sent no event with “{wanted}” in its name.</Empty> : <Empty icon="source" title="It has sent nothing yet">The names of its events are listed here with what they bring. The tab Set up has code that sends the first one.</Empty>} />
      </div>
      {open !== undefined && <Detail source={source} event={open} onClose={() => { onOpen(undefined); table.current?.focus() }} onNext={step(1)} onPrevious={step(-1)} />}
    </>
  )
}

function Detail({ source, event, ...rest }: { source: string; event: string; onClose: () => void; onNext?: () => void; onPrevious?: () => void }) {
  const { data, error } = useQuery(eventQuery(source, event))
  return (
    <Drawer title={event} about={data && <><NumberText value={data.count} /> events · last <TimeText at={data.last_seen} /></>} {...rest}>
      {error && !data ? <div className="p-4"><ErrorBox problem={problemOf(error)} /></div> : !data ? <SkeletonRows /> : <Properties detail={data} source={source} />}
    </Drawer>
  )
}

function Properties({ detail, source }: { detail: EventDetail; source: string }) {
  const own = detail.properties.filter((p) => p.group === 'property')
  const context = detail.properties.filter((p) => p.group === 'context')
  return (
    <div className="grid gap-5 p-4">
      <div className="flex flex-wrap gap-2">
        <Link to="/live" search={{ source, event: detail.event }} className="inline-flex h-7 items-center rounded-outer bg-hover px-2 text-12 font-medium hover:bg-active">Watch it live</Link>
        <Link to="/warehouse/$schema/$table" params={{ schema: detail.schema, table: detail.table }} className="inline-flex h-7 items-center rounded-outer bg-hover px-2 font-mono text-12 hover:bg-active">{detail.schema}.{detail.table}</Link>
      </div>
      {own.length > 0 ? <Group title="Properties" all={own} /> : <p className="text-soft">Its events bring no properties.</p>}
      {context.length > 0 && <Group title="Context" all={context} />}
    </div>
  )
}

function Group({ title, all }: { title: string; all: Property[] }) {
  return (
    <section aria-label={title}>
      <h3 className="mb-1 text-12 font-medium text-soft">{title}</h3>
      <ul>
        {all.map((p) => (
          <li key={p.column} className="grid gap-1 border-b border-line/60 py-2">
            <div className="flex items-center gap-2"><code className="min-w-0 grow truncate font-mono text-12 font-medium" title={p.column}>{p.original ?? p.column}</code><Badge mono>{p.type}</Badge><span className="w-14 text-right text-12 text-soft">{percent(p.share)}</span></div>
            <Progress label={`${p.original ?? p.column} filled`} share={p.share} className="h-1" />
            {p.examples.length > 0 && <p className="truncate font-mono text-12 text-soft">{p.examples.slice(0, 6).map((e) => typeof e === 'string' ? e : JSON.stringify(e)).join(' · ')}</p>}
          </li>
        ))}
      </ul>
    </section>
  )
}
