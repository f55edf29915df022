import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { curlOf, problemOf, shell } from '@/api/client'
import { recordQuery, snippetsQuery, statusQuery } from '@/api/queries'
import { Badge, StateDot } from '@/design/Badge'
import { Button } from '@/design/Button'
import { copyAs } from '@/design/copyAs'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { CodeBlock } from '@/design/CodeBlock'
import { IconButton } from '@/design/IconButton'
import { Input } from '@/design/Input'
import { useKeys } from '@/design/keys'
import { useLeaving } from '@/design/leaving'
import { Menu } from '@/design/Menu'
import { Select } from '@/design/Select'
import { Table, type Column, type TableHandle } from '@/design/Table'
import { TimeText } from '@/design/TimeText'
import { View } from '@/design/View'
import { useZone } from '@/design/zone'
import { clock, number, plural, rate, shortId } from '@/format/format'
import { EventDrawer } from './EventDrawer'
import type { Connection, Filter } from './messages'
import type { Summary } from './summary'
import { resultMeanings } from './results'
import { useLive } from './useLive'

const route = getRouteApi('/live')

const columns = (zone: string): Column<Summary>[] => [
  { id: 'received', title: 'Received', width: 116, mono: true, cell: (r) => <span title={new Date(r.receivedAt).toISOString()}>{clock(r.receivedAt, zone, true)}</span>, text: (r) => new Date(r.receivedAt).toISOString() },
  { id: 'event', title: 'Event', width: 190, cell: (r) => <span className="font-medium">{r.name}</span>, text: (r) => r.name },
  { id: 'result', title: 'Result', width: 104, cell: (r) => <StateDot meaning={resultMeanings[r.result]}>{r.result}</StateDot>, text: (r) => r.result },
  { id: 'source', title: 'Source', width: 108, cell: (r) => r.source, text: (r) => r.source },
  { id: 'user', title: 'User', width: 172, mono: true, cell: (r) => <span title={r.key}>{shortId(r.key, 20)}</span>, text: (r) => r.key },
  { id: 'id', title: 'Id', width: 172, mono: true, cell: (r) => <span title={r.id}>{shortId(r.id, 20)}</span>, text: (r) => r.id },
  { id: 'holds', title: 'Holds', cell: (r) => <span className="text-soft">{r.preview}</span>, text: (r) => r.preview },
]

export default function Live() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const zone = useZone()
  const { open, ...filter } = search
  const { told, rows, record, order } = useLive(filter)
  // Paused, the list stays at the record that was on top; following, it has none.
  const [top, setTop] = useState<number>()
  const [opened, setOpened] = useState<number>()
  const [seen, setSeen] = useState({ skip: 0, count: 60 })
  const table = useRef<TableHandle>(null)
  const paused = top !== undefined
  const head = top ?? told.last
  const count = Math.max(0, head - told.first + 1)

  const pause = () => { setTop((t) => t ?? told.last) }
  const resume = () => { setTop(undefined); setOpened(undefined); void navigate({ search: (before) => ({ ...before, open: undefined }), replace: true }); table.current?.reveal(0) }
  const change = (next: Partial<Filter>) => {
    setTop(undefined)
    setOpened(undefined)
    void navigate({ search: (before) => ({ ...before, ...next, open: undefined }), replace: true })
  }
  // What is open stands in the address; a link shows it also when it has left the list.
  const line = opened === undefined ? undefined : record?.number === opened ? record.line : undefined
  const shown = line?.position
  const leaving = useLeaving()
  useEffect(() => { if (shown && !leaving()) void navigate({ search: (before) => ({ ...before, open: shown }), replace: true }) }, [navigate, leaving, shown])
  const linked = useQuery({ ...recordQuery(open ?? ''), enabled: open !== undefined && opened === undefined })
  const close = () => {
    setOpened(undefined)
    void navigate({ search: (before) => ({ ...before, open: undefined }), replace: true })
    table.current?.focus()
  }
  useEffect(() => { order({ kind: 'view', top, ...seen }) }, [order, top, seen, filter.source, filter.event, filter.text, filter.result, filter.user])
  useEffect(() => { if (opened !== undefined) order({ kind: 'get', number: opened }) }, [order, opened])
  useKeys([
    { keys: 'Space', label: 'Pause or resume', group: 'Live', run: () => { if (paused) resume(); else pause() } },
    { keys: '/', label: 'Filter by text', group: 'Live', run: () => { document.getElementById('live-text')?.focus() } },
  ])

  const openAt = (at: number) => { pause(); setOpened(head - at) }
  const step = (by: number) => {
    if (opened === undefined) return
    setOpened(opened - by)
    table.current?.reveal(head - opened + by)
  }
  const unseen = told.last - head
  // That no part of the server answers is said above every room.
  const status = useQuery(statusQuery)
  const away = told.problem?.kind === 'unreachable' && status.dataUpdatedAt < told.problem.since + 3000
  return (
    <View crumbs={[{ title: 'Live' }]}
      state={<><ConnectionState connection={told.connection} paused={paused} /><span className="tabular-nums">{rate(told.rate)}</span>{told.dropped > 0 && <Badge meaning="warning">{plural(told.dropped, 'event')} not shown: too fast for this tab</Badge>}</>}
      actions={<>
        {paused ? <Button look="main" icon="play" onClick={resume}>{unseen > 0 ? `Resume, ${number(unseen)} new` : 'Resume'}</Button> : <Button icon="pause" onClick={pause}>Pause</Button>}
        <Menu label="More" button={<IconButton icon="more" label="More" />} items={[
          { label: 'Find by id or user', icon: 'search', onChoose: () => { void navigate({ to: '/live/find' }) } },
          { label: 'Clear the list', icon: 'broom', onChoose: () => { order({ kind: 'clear' }); setTop(undefined); setOpened(undefined) } },
          ...copyAs({ curl: curlOf('tail', { params: { source: filter.source, event: filter.event, user: filter.user, result: resultOf(filter), grep: filter.text } }, location.origin), command: commandOf(filter) }),
        ]} />
      </>}>
      <Filters filter={filter} onChange={change} />
      {told.problem && !away && <div className="px-4 pb-2"><ErrorBox problem={told.problem} /></div>}
      <div className="relative flex min-h-0 grow">
        <Table name="live" label="Records as they arrive" columns={columns(zone)} count={count} compact ref={table}
          rowAt={(at) => rows.get(head - at)} rowKey={paused ? (row) => String(row.number) : undefined} chosen={opened === undefined ? undefined : head - opened} onOpen={openAt}
          onSeen={(from, to, scrolled) => {
            setSeen({ skip: Math.max(0, from - 20), count: to - from + 60 })
            if (scrolled && !paused) pause()
          }}
          empty={told.problem?.kind === 'forbidden' ? undefined : <Nothing filtered={Object.values(filter).some(Boolean)} />} />
        {opened === undefined && open !== undefined && linked.data && <EventDrawer key={open} line={linked.data.record} start="journey" onClose={close} onFilter={change} />}
        {opened === undefined && open !== undefined && linked.error && <div className="absolute inset-x-4 top-4"><ErrorBox problem={problemOf(linked.error)} /></div>}
        {opened !== undefined && line && (
          <EventDrawer line={line} onClose={close}
            onNext={opened > told.first ? () => { step(1) } : undefined} onPrevious={opened < head ? () => { step(-1) } : undefined} onFilter={change} />
        )}
      </div>
    </View>
  )
}

const resultOf = (filter: Filter) => results.find((r) => r === filter.result)

function commandOf(filter: Filter): string {
  const flags = [filter.source && `--source ${shell(filter.source)}`, filter.event && `--event ${shell(filter.event)}`, filter.user && `--user ${shell(filter.user)}`, filter.result && `--result ${filter.result}`, filter.text && `--grep ${shell(filter.text)}`]
  return ['millrace tail', ...flags.filter(Boolean)].join(' ')
}

function ConnectionState({ connection, paused }: { connection: Connection; paused: boolean }) {
  if (paused && connection !== 'waiting') return <StateDot meaning="neutral" hollow>Paused</StateDot>
  switch (connection) {
    case 'live': return <StateDot meaning="good">Live</StateDot>
    case 'held': return <StateDot meaning="neutral" hollow>Waiting for you</StateDot>
    case 'connecting': return <StateDot meaning="info">Connecting</StateDot>
    case 'waiting': return <StateDot meaning="warning">Not connected</StateDot>
  }
}

const results = ['accepted', 'duplicate', 'rejected'] as const

function Filters({ filter, onChange }: { filter: Filter; onChange: (filter: Partial<Filter>) => void }) {
  const { data } = useQuery(statusQuery)
  const sources = data?.sources.map((s) => s.name) ?? (filter.source ? [filter.source] : [])
  return (
    <div role="search" className="flex flex-wrap items-center gap-2 px-4 py-2">
      <Select label="Source" hideLabel className="w-36 max-wide:grow" value={filter.source ?? ''} onValue={(source) => { onChange({ source }) }} options={[{ value: '', label: 'Every source' }, ...sources.map((s) => ({ value: s, label: s }))]} />
      <Select label="Result" hideLabel className="w-32 max-wide:grow" value={filter.result ?? ''} onValue={(result) => { onChange({ result }) }} options={[{ value: '', label: 'Any result' }, ...results.map((s) => ({ value: s, label: s }))]} />
      <Typed label="Event" placeholder="Event" value={filter.event} onChange={(event) => { onChange({ event }) }} className="w-44 max-wide:w-36 max-wide:grow" />
      <Typed label="User" placeholder="User" value={filter.user} onChange={(user) => { onChange({ user }) }} className="w-36 max-wide:grow" />
      <Typed id="live-text" label="Text" placeholder="Any text in it" value={filter.text} onChange={(text) => { onChange({ text }) }} className="min-w-40 grow" search />
    </div>
  )
}

/** A field that filters when one has stopped typing. */
function Typed({ value = '', onChange, search = false, ...rest }: { id?: string; label: string; placeholder: string; value?: string; onChange: (value: string) => void; className?: string; search?: boolean }) {
  const [typed, setTyped] = useState(value)
  const [known, setKnown] = useState(value)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  if (known !== value) { // changed elsewhere
    setKnown(value)
    setTyped(value)
  }
  const settle = (next: string, wait: number) => {
    setTyped(next)
    clearTimeout(timer.current)
    timer.current = setTimeout(() => { setKnown(next.trim()); if (next.trim() !== value) onChange(next.trim()) }, wait)
  }
  return <Input {...rest} hideLabel icon={search ? 'search' : undefined} value={typed} onChange={(e) => { settle(e.target.value, 350) }} onKeyDown={(e) => { if (e.key === 'Enter') settle(typed, 0) }} />
}

function Nothing({ filtered }: { filtered: boolean }) {
  const { data } = useQuery(statusQuery)
  const source = data?.sources.find((s) => s.write_keys.length > 0) ?? data?.sources[0]
  const snippets = useQuery({ ...snippetsQuery(source?.name ?? ''), enabled: source !== undefined })
  const first = snippets.data?.snippets.find((s) => s.id === 'curl' || s.id === 'webhook')
  if (data?.sources.length === 0) return <Empty icon="live" title="There is no source to watch yet" action={<Link to="/sources" search={{ new: 'http' }} className="text-accent-text underline underline-offset-2">Make the first source</Link>}>What Millrace receives shows up here at once.</Empty>
  if (filtered) return <Empty icon="filter" title="Nothing that matches has arrived">This list shows events as they come in. Loosen the filters, or wait for one that matches.</Empty>
  const last = data?.log?.last_time
  return (
    <Empty icon="live" title="Waiting for events">
      <p className="mb-3">Everything that Millrace receives shows up here at once.{last && <> The last record came <TimeText at={last} />.</>}{first && ' Send one:'}</p>
      {first && <CodeBlock label="curl" code={first.code} />}
    </Empty>
  )
}
