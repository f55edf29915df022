import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { call, problemOf } from '@/api/client'
import type { LogLine } from '@/api/schema'
import { StateDot, type Meaning } from '@/design/Badge'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { Input } from '@/design/Input'
import { Select } from '@/design/Select'
import { SkeletonRows } from '@/design/Skeleton'
import { Table, type Column } from '@/design/Table'
import { useZone } from '@/design/zone'
import { clock } from '@/format/format'

export interface LogFilter { part?: string; level?: string; text?: string }

const parts = ['collect', 'log', 'dedup', 'archive', 'warehouse', 'http', 'jobs', 'project']
const levels = ['info', 'warn', 'error'] as const
const meanings: Record<LogLine['level'], Meaning> = { debug: 'neutral', info: 'neutral', warn: 'warning', error: 'bad' }

const attrs = (line: LogLine) => line.attrs.map((a) => `${a.name}=${a.value}`).join('  ')

const columns = (zone: string): Column<LogLine>[] => [
  { id: 'time', title: 'Time', width: 116, mono: true, cell: (l) => <span title={l.time}>{clock(Date.parse(l.time), zone, true)}</span>, text: (l) => l.time },
  { id: 'level', title: 'Level', width: 84, cell: (l) => <StateDot meaning={meanings[l.level]}>{l.level}</StateDot>, text: (l) => l.level },
  { id: 'part', title: 'Part', width: 96, cell: (l) => l.part || 'server', text: (l) => l.part },
  { id: 'message', title: 'What happened', width: 320, cell: (l) => <span title={l.message}>{l.message}</span>, text: (l) => l.message },
  { id: 'attrs', title: 'With', mono: true, cell: (l) => <span title={attrs(l)} className="text-soft">{attrs(l)}</span>, text: attrs },
]

/** The server's own log, newest first. */
export function Logs({ filter, onChange }: { filter: LogFilter; onChange: (filter: LogFilter) => void }) {
  const zone = useZone()
  const level = levels.find((l) => l === filter.level)
  const { data, error, refetch } = useQuery({
    queryKey: ['logs', filter],
    queryFn: ({ signal }) => call('get-logs', { params: { part: filter.part, level, q: filter.text, limit: 1000 } }, signal),
    refetchInterval: 2000,
    placeholderData: (before) => before,
  })
  const lines = data?.lines ?? []
  return (
    <div className="flex h-full min-h-0 flex-col">
      <div role="search" className="flex flex-wrap gap-2 px-4 py-2">
        <Select label="Part" hideLabel className="w-36 max-wide:grow" value={filter.part ?? ''} onValue={(part) => { onChange({ ...filter, part }) }} options={[{ value: '', label: 'Every part' }, ...parts.map((p) => ({ value: p, label: p }))]} />
        <Select label="Level" hideLabel className="w-36 max-wide:grow" value={filter.level ?? ''} onValue={(l) => { onChange({ ...filter, level: l }) }} options={[{ value: '', label: 'Any level' }, ...levels.map((l) => ({ value: l, label: `${l} and graver` }))]} />
        <Words value={filter.text ?? ''} onChange={(text) => { onChange({ ...filter, text }) }} />
      </div>
      {error && !data ? <div className="px-4"><ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /></div> : !data ? <SkeletonRows />
        : <Table name="logs" label="The server's log" columns={columns(zone)} compact count={lines.length} rowAt={(i) => lines[lines.length - 1 - i]} rowKey={(l) => String(l.seq)} empty={<Empty icon="docs" title="No line matches">The last 5,000 lines since the start are kept here.</Empty>} />}
    </div>
  )
}

function Words({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [typed, setTyped] = useState(value)
  return (
    <form className="min-w-40 grow" onSubmit={(e) => { e.preventDefault(); onChange(typed.trim()) }}>
      <Input label="Text" hideLabel icon="search" placeholder="Any text in it" value={typed} onChange={(e) => { setTyped(e.target.value); if (e.target.value === '') onChange('') }} onBlur={() => { if (typed.trim() !== value) onChange(typed.trim()) }} />
    </form>
  )
}
