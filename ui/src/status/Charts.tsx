import { useQuery } from '@tanstack/react-query'
import { linesOf, marksQuery, useHistory } from '@/api/history'
import { problemOf } from '@/api/client'
import { ErrorBox } from '@/design/ErrorBox'
import { TimeChart } from '@/design/TimeChart'
import { useSpan } from '@/design/useSpan'
import { Part } from '@/design/View'
import { bytes, duration, percent } from '@/format/format'
import type { HistorySeries } from '@/api/schema'

const names = ['millrace_reader_lag_seconds', 'millrace_collect_append_seconds', 'millrace_warehouse_commit_seconds', 'millrace_log_frame_seconds', 'process_resident_memory_bytes', 'millrace_duckdb_resident_bytes', 'millrace_log_bytes', 'millrace_duckdb_size_bytes', 'millrace_log_disk_free_bytes', 'process_cpu_seconds_total']

const seconds = (v: number) => duration(v * 1000)
const quantile = (of: string) => (s: HistorySeries) => s.name === of ? s.labels['quantile'] === '0.5' ? 'half are faster' : `${Number(s.labels['quantile']) * 100} % are faster` : undefined
const first = (...all: ((s: HistorySeries) => string | undefined)[]) => (s: HistorySeries) => all.map((f) => f(s)).find((n) => n !== undefined)
const only = (name: string, word: string) => (s: HistorySeries) => s.name === name ? word : undefined

const charts: { title: string; nameOf: (s: HistorySeries) => string | undefined; write: (v: number) => string }[] = [
  { title: 'How far readers are behind', nameOf: (s) => s.name === 'millrace_reader_lag_seconds' ? s.labels['reader'] : undefined, write: seconds },
  { title: 'How long an acknowledgement takes', nameOf: quantile('millrace_collect_append_seconds'), write: seconds },
  { title: 'How long a commit to the warehouse takes', nameOf: quantile('millrace_warehouse_commit_seconds'), write: seconds },
  { title: 'Memory', nameOf: first(only('process_resident_memory_bytes', 'server'), only('millrace_duckdb_resident_bytes', 'warehouse')), write: bytes },
  { title: 'Stored', nameOf: first(only('millrace_log_bytes', 'log'), only('millrace_duckdb_size_bytes', 'warehouse')), write: bytes },
  { title: 'Free on the disk', nameOf: only('millrace_log_disk_free_bytes', 'free'), write: bytes },
  { title: 'Processor, of one core', nameOf: only('process_cpu_seconds_total', 'server'), write: percent },
]

/** Lag, latency, memory and disk over time. */
export function Charts({ range }: { range: string }) {
  const span = useSpan(range)
  const { data, error, isPending, refetch } = useHistory(names, span)
  const marks = useQuery(marksQuery(span))
  const shown = (marks.data?.marks ?? []).map((m) => ({ at: Date.parse(m.at), text: m.kind }))
  if (error && !data) return <div className="p-4"><ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /></div>
  return (
    <div className="grid gap-x-10 gap-y-7 p-4 panes:grid-cols-2">
      {charts.map(({ title, nameOf, write }) => {
        const { x, lines } = linesOf(data?.series ?? [], nameOf)
        return <Part key={title} title={title}><TimeChart label={title} x={x} lines={lines} span={span} loading={isPending} write={write} scale={write === bytes ? 'bytes' : write === seconds ? 'seconds' : undefined} marks={shown} height={140} /></Part>
      })}
    </div>
  )
}
