import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useRef, useState } from 'react'
import { call, curlOf, problemOf, urlOf } from '@/api/client'
import { auditQuery, entryQuery, type AuditFilter } from '@/api/control'
import type { AuditEntry } from '@/api/schema'
import { Button } from '@/design/Button'
import { copyAs } from '@/design/copyAs'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { IconButton } from '@/design/IconButton'
import { Input } from '@/design/Input'
import { useKeys } from '@/design/keys'
import { Menu } from '@/design/Menu'
import { Select } from '@/design/Select'
import { SkeletonRows } from '@/design/Skeleton'
import { Table, type Column, type TableHandle } from '@/design/Table'
import { TimeRangePicker } from '@/design/TimeRangePicker'
import { TimeText } from '@/design/TimeText'
import { toast } from '@/design/Toast'
import { useSpan } from '@/design/useSpan'
import { View } from '@/design/View'
import { shortId } from '@/format/format'
import { actorIcons, actorOf, commandOf, filterOf, kinds, objectOf, type AuditSearch } from './audit'
import { AuditDrawer } from './AuditDrawer'
import { Verification } from './Verification'

const route = getRouteApi('/settings/audit')

const columns: Column<AuditEntry>[] = [
  { id: 'time', title: 'When', width: 100, cell: (e) => <TimeText at={e.time} />, text: (e) => e.time },
  { id: 'actor', title: 'Who', width: 160, cell: (e) => <span className="inline-flex max-w-full items-center gap-1.5 align-bottom"><Icon name={actorIcons[e.actor_kind]} size={14} className="shrink-0 text-faint" /><span className="truncate">{actorOf(e)}</span></span>, text: actorOf },
  { id: 'action', title: 'Did', width: 180, mono: true, cell: (e) => e.action, text: (e) => e.action },
  { id: 'object', title: 'To what', cell: (e) => <span title={e.object_id}>{e.object ?? <span className="font-mono">{shortId(objectOf(e), 40)}</span>}</span>, text: objectOf },
  { id: 'address', title: 'From', width: 140, mono: true, cell: (e) => e.address ?? '', text: (e) => e.address ?? '' },
  { id: 'number', title: 'No.', width: 80, align: 'right', cell: (e) => String(e.number), text: (e) => String(e.number) },
]

/** Who did what: searched, filtered, opened, taken along, verified. */
export default function Audit() {
  const search = route.useSearch()
  const { range = 'last 30d', open, verify } = search
  const navigate = route.useNavigate()
  const table = useRef<TableHandle>(null)
  const span = useSpan(range)
  const filter = filterOf(search, span, span.until)
  const list = useInfiniteQuery(auditQuery(filter))
  const entries = list.data?.pages.flatMap((page) => page.entries) ?? []
  const at = entries.findIndex((e) => String(e.number) === open)
  // A link may lead to what is further back than what was read.
  const far = useQuery({ ...entryQuery(open ?? '', filter.server === true), enabled: open !== undefined && at < 0 && !list.isPending })
  const entry = at >= 0 ? entries[at] : open === undefined ? undefined : far.data
  const change = (next: AuditSearch) => { void navigate({ search: (before) => ({ ...before, open: undefined, ...next }), replace: true }) }
  const show = (one: AuditEntry | undefined) => { void navigate({ search: (before) => ({ ...before, open: one && String(one.number) }), replace: open !== undefined && one !== undefined }) }
  const step = (by: number) => entries[at + by] && at >= 0 ? () => { show(entries[at + by]); table.current?.reveal(at + by) } : undefined
  useKeys([{ keys: '/', label: 'Search the audit trail', group: 'Audit', run: () => { document.getElementById('audit-text')?.focus() } }])
  const narrowed = [search.q, search.action, search.actor, search.object].some(Boolean)
  return (
    <View crumbs={[{ title: 'Settings', to: '/settings' }, { title: 'Audit' }]} actions={<Actions filter={filter} onVerify={(id) => { change({ verify: id }) }} />}>
      {verify && <Verification id={verify} onClose={() => { change({ verify: undefined }) }} />}
      <div role="search" className="flex flex-wrap gap-2 px-4 py-2">
        <Words key={search.q ?? ''} value={search.q ?? ''} onChange={(q) => { change({ q: q || undefined }) }} />
        <Select label="What it is about" hideLabel className="w-40 max-wide:grow" value={search.action ?? ''} onValue={(action) => { change({ action: action || undefined }) }}
          options={[{ value: '', label: 'Anything' }, ...[...new Set([...kinds, ...(search.action ? [search.action] : [])])].sort().map((k) => ({ value: k, label: k }))]} />
        <Select label="Whose trail" hideLabel className="w-40 max-wide:grow" value={search.of === 'server' ? 'server' : ''} onValue={(of) => { change({ of: of || undefined }) }} options={[{ value: '', label: 'This workspace' }, { value: 'server', label: 'The whole server' }]} />
        {search.actor && <Button icon="cross" onClick={() => { change({ actor: undefined }) }}>By {entries.find((e) => e.actor_id === search.actor)?.actor ?? shortId(search.actor)}</Button>}
        {search.object && <Button icon="cross" onClick={() => { change({ object: undefined }) }}>To {shortId(entries.find((e) => e.object_id === search.object)?.object ?? search.object, 24)}</Button>}
        <TimeRangePicker value={range} onValue={(r) => { change({ range: r }) }} />
      </div>
      {list.error && <div className="px-4 pb-2"><ErrorBox problem={problemOf(list.error)} onRetry={() => void list.refetch()} /></div>}
      {open !== undefined && at < 0 && far.error && <div className="px-4 pb-2"><ErrorBox problem={problemOf(far.error)} /></div>}
      <div className="relative flex min-h-0 min-w-0 grow">
        {list.isPending ? <div className="grow"><SkeletonRows /></div> : (
          <Table name="audit" label="Audit trail" columns={columns} ref={table} count={entries.length} rowAt={(i) => entries[i]} rowKey={(e) => String(e.number)} chosen={at < 0 ? undefined : at} onOpen={(i) => { show(entries[i]) }}
            onSeen={(_from, to) => { if (to > entries.length - 20 && list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage() }}
            empty={list.error ? undefined : narrowed
              ? <Empty icon="filter" title="Nothing matches" action={<Button onClick={() => { change({ q: undefined, action: undefined, actor: undefined, object: undefined }) }}>Take the filters away</Button>}>Nothing of this time has these words, this actor or this object. Words are found by how they begin.</Empty>
              : <Empty icon="history" title={search.of === 'server' ? 'Nothing was done in this time' : 'Nothing was done here in this time'} action={<Button onClick={() => { change({ range: 'last 365d' }) }}>Look at the last year</Button>}>Every change that someone makes is written down: who, what, from where, with what was before and after. Entries are never changed, and each holds the hash of the one before.</Empty>} />
        )}
        {entry && <AuditDrawer key={entry.number} entry={entry} onClose={() => { show(undefined); table.current?.focus() }} onNext={step(1)} onPrevious={step(-1)} onFilter={(by) => { change(by) }} />}
      </div>
    </View>
  )
}

function Actions({ filter: all, onVerify }: { filter: AuditFilter; onVerify: (job: string) => void }) {
  const { server, ...filter } = all
  const client = useQueryClient()
  const verify = useMutation({
    mutationFn: () => call('start-audit-verification', {}),
    onSuccess: (job) => { onVerify(job.id); return client.invalidateQueries({ queryKey: ['jobs'] }) },
    onError: (thrown) => { toast(problemOf(thrown).detail, { meaning: 'bad' }) },
  })
  const download = (format: 'ndjson' | 'csv') => () => { location.assign(urlOf(server ? 'export-server-audit' : 'export-audit', { ...filter, format })) }
  return (
    <>
      <Button icon="check" busy={verify.isPending} onClick={() => { verify.mutate() }}>Verify</Button>
      <Menu label="More" button={<IconButton icon="more" label="More" />} items={[
        { kind: 'title', label: 'Download what is chosen' },
        { label: 'As NDJSON, with hashes', icon: 'download', onChoose: download('ndjson') }, { label: 'As CSV', icon: 'download', onChoose: download('csv') },
        { kind: 'line' }, ...copyAs({ curl: curlOf(server ? 'list-server-audit' : 'list-audit', { params: filter }, location.origin), command: commandOf(all) }),
      ]} />
    </>
  )
}

function Words({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [typed, setTyped] = useState(value)
  return (
    <form className="min-w-40 grow max-wide:w-full" onSubmit={(e) => { e.preventDefault(); onChange(typed.trim()) }}>
      <Input id="audit-text" label="Words" hideLabel icon="search" placeholder="Who, what, an address, an id" maxLength={200} value={typed} onChange={(e) => { setTyped(e.target.value); if (e.target.value === '') onChange('') }} onBlur={() => { if (typed.trim() !== value) onChange(typed.trim()) }} />
    </form>
  )
}
