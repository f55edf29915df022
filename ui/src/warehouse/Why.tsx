import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { problemOf } from '@/api/client'
import { whyQuery, whyRowsQuery } from '@/api/queries'
import type { WhyReason } from '@/api/schema'
import { Badge, type Meaning } from '@/design/Badge'
import { Button } from '@/design/Button'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { NumberText } from '@/design/NumberText'
import { SkeletonRows } from '@/design/Skeleton'
import { TimeChart } from '@/design/TimeChart'
import { TimeRangePicker } from '@/design/TimeRangePicker'
import { TimeText } from '@/design/TimeText'
import { useSpan } from '@/design/useSpan'
import { sentence } from '@/format/format'

const kinds: Record<WhyReason['category'], [string, Meaning]> = { discarded: ['Set aside', 'warning'], duplicate: ['Duplicate', 'neutral'], rejected: ['Rejected', 'bad'], widened: ['Widened', 'info'], notice: ['Notice', 'info'] }

/** What did not become a row, or became another one than one may think, and why. */
export function Why({ schema, table, range, onRange }: { schema: string; table: string; range: string; onRange: (range: string) => void }) {
  const span = useSpan(range)
  const { data, error, refetch } = useQuery(whyQuery(schema, table, span))
  const x = [...new Set((data?.reasons ?? []).flatMap((r) => r.series.map((b) => Date.parse(b.at))))].sort((a, b) => a - b)
  const byKind = [...new Set((data?.reasons ?? []).map((r) => r.category))].map((category) => ({
    name: kinds[category][0], meaning: category === 'rejected' ? 'bad' as const : category === 'discarded' ? 'warning' as const : undefined,
    values: x.map((at) => (data?.reasons ?? []).filter((r) => r.category === category).flatMap((r) => r.series).filter((b) => Date.parse(b.at) === at).reduce((n, b) => n + b.count, 0)),
  }))
  return (
    <div className="grid gap-4 p-4">
      <div className="flex items-center gap-3"><p className="grow text-soft">What was discarded, dropped as a duplicate, rejected or changed on its way into {schema}.{table}.</p><TimeRangePicker small value={range} onValue={onRange} /></div>
      {error && !data ? <ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /> : !data ? <SkeletonRows /> : data.reasons.length === 0
        ? <Empty icon="check" title="Every record became a row">In this time nothing was discarded, repeated, rejected or changed.</Empty>
        : (
          <>
            {x.length > 1 && <TimeChart label="How often when" kind="bar" stacked x={x} lines={byKind} height={120} />}
            <ul>{data.reasons.map((r) => <Reason key={`${r.category} ${r.reason} ${r.column ?? ''}`} reason={r} schema={schema} table={table} />)}</ul>
            {!data.duplicates.whole && <p className="text-12 text-soft">Duplicates are known from <TimeText at={data.duplicates.since} full /> on; the source has had <NumberText value={data.duplicates.source} /> ever.</p>}
          </>
        )}
    </div>
  )
}

function Reason({ reason, schema, table }: { reason: WhyReason; schema: string; table: string }) {
  const [open, setOpen] = useState(false)
  const [word, meaning] = kinds[reason.category]
  return (
    <li className="border-b border-line/60 py-2">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span className="shrink-0 text-15 wide:w-16 font-semibold"><NumberText value={reason.count} short={reason.count >= 100_000} /></span>
        <span className="shrink-0 wide:w-20"><Badge meaning={meaning}>{word}</Badge></span>
        <div className="min-w-48 grow basis-0"><p className="break-words">{reason.column && reason.category === 'discarded' && <code className="mr-1 font-mono text-12 font-medium">{reason.column}</code>}{sentence(reason.reason)}</p>
          <p className="text-12 text-soft">{reason.scope === 'source' && 'of the whole source · '}{reason.count === 1 || reason.first === reason.last ? <TimeText at={reason.last} /> : <>last <TimeText at={reason.last} /> · first <TimeText at={reason.first} /></>}</p></div>
        {reason.category === 'rejected' ? <Link to="/rejected" search={{ source: schema, group: reason.reason }} className="inline-flex h-7 items-center rounded-outer bg-hover px-2 text-12 font-medium hover:bg-active">Mend them</Link>
          : reason.position ? <Link to="/live/find" search={{ open: reason.position }} className="inline-flex h-7 items-center rounded-outer bg-hover px-2 text-12 font-medium hover:bg-active">Show the record</Link>
            : reason.category !== 'notice' && <Button small aria-expanded={open} onClick={() => { setOpen(!open) }}>{open ? 'Hide rows' : 'Show rows'}</Button>}
      </div>
      {open && (reason.category === 'discarded' || reason.category === 'duplicate') && <Rows schema={schema} table={table} category={reason.category} reason={reason} />}
    </li>
  )
}

function Rows({ schema, table, category, reason }: { schema: string; table: string; category: 'discarded' | 'duplicate'; reason: WhyReason }) {
  const list = useInfiniteQuery(whyRowsQuery({ schema, table, category, ...(category === 'discarded' ? { reason: reason.reason, column: reason.column } : {}) }))
  if (list.error && !list.data) return <ErrorBox problem={problemOf(list.error)} />
  if (!list.data) return <SkeletonRows rows={3} />
  const rows = [...list.data.pages.flatMap((p) => p.discards).map((d) => ({ position: d.position, id: d.id, at: d.received_at, text: d.value })), ...list.data.pages.flatMap((p) => p.duplicates).map((d) => ({ position: d.position, id: d.id, at: d.received_at, text: d.event ?? d.kind }))]
  return (
    <div className="mt-2 grid gap-2 wide:pl-19">
      <ul className="max-h-80 overflow-auto rounded-outer bg-sunken p-2 font-mono text-12">
        {rows.map((r) => <li key={r.position + r.text}><Link to="/live/find" search={{ open: r.position }} className="flex gap-4 rounded-inner px-2 py-1 hover:bg-active"><span className="w-28 shrink-0 text-soft"><TimeText at={r.at} /></span><span className="w-44 shrink-0 truncate">{r.id}</span><span className="min-w-0 grow truncate">{r.text}</span></Link></li>)}
        {rows.length === 0 && <li className="p-2 text-soft">Those are not kept any more.</li>}
      </ul>
      {list.hasNextPage && <div><Button small busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>Show more</Button></div>}
    </div>
  )
}
