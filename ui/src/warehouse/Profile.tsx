import { useMutation, useQuery } from '@tanstack/react-query'
import { call, problemOf } from '@/api/client'
import { jobQuery } from '@/api/queries'
import type { ColumnProfile, TableProfile } from '@/api/schema'
import { Badge } from '@/design/Badge'
import { Button } from '@/design/Button'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { Progress } from '@/design/Progress'
import { number, percent } from '@/format/format'
import { Histogram, Summary, TopValues } from './ColumnParts'

/** What is in each column of a table, found out when asked for. */
export function Profile({ schema, table }: { schema: string; table: string }) {
  const start = useMutation({ mutationFn: () => call('profile-table', { params: { schema, table }, body: {} }) })
  const polled = useQuery({ ...jobQuery(start.data?.id ?? ''), enabled: start.data !== undefined })
  const job = polled.data ?? start.data
  if (start.error) return <div className="p-4"><ErrorBox problem={problemOf(start.error)} onRetry={() => { start.mutate() }} /></div>
  if (!job) return <Empty icon="chart" title="What is in this table?" action={<Button look="main" icon="play" busy={start.isPending} onClick={() => { start.mutate() }}>Profile {schema}.{table}</Button>}>Reads every column once: how full it is, how many different values, least and most, and how they are spread.</Empty>
  if (job.state === 'running') return <div role="status" className="mx-auto grid max-w-90 gap-3 p-14 text-center"><Progress label="Profile" share={job.total > 0 ? job.done / job.total : undefined} /><p className="text-soft">{number(job.done)}{job.total > 0 && ` of ${number(job.total)}`} {job.unit ?? 'columns'}</p></div>
  if (job.state !== 'done') return <div className="p-4"><ErrorBox problem={{ title: 'The profile was not finished', detail: job.error ?? 'It was stopped.' }} onRetry={() => { start.mutate() }} /></div>
  const profile = job.result as TableProfile
  return <ul className="grid px-4 pb-6 panes:grid-cols-2 panes:gap-x-10">{profile.columns.map((c) => <One key={c.name} column={c} rows={profile.rows} />)}</ul>
}

function One({ column, rows }: { column: ColumnProfile; rows: number }) {
  return (
    <li className="grid content-start gap-3 border-b border-line/60 py-4">
      <h2 className="flex items-center gap-2 font-mono text-13 font-semibold">{column.name}<Badge mono>{column.type}</Badge></h2>
      <Summary filled={column.filled} share={percent(rows > 0 ? column.filled / rows : 0)} distinct={column.distinct} min={column.min} max={column.max} />
      {column.problem && <p className="text-warning-text">{column.problem}</p>}
      {column.histogram.length > 1 && <Histogram bins={column.histogram} type={column.type} />}
      {(column.top[0]?.count ?? 0) > 1 && <TopValues top={column.top.slice(0, 6)} rows={rows} />}
    </li>
  )
}
