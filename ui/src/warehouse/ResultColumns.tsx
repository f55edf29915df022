import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { problemOf } from '@/api/client'
import { statsQuery } from '@/api/queries'
import type { ResultColumnStats, ResultFilter, StoredResult } from '@/api/schema'
import { Badge } from '@/design/Badge'
import { cx } from '@/design/cx'
import { ErrorBox } from '@/design/ErrorBox'
import { SkeletonRows } from '@/design/Skeleton'
import { percent } from '@/format/format'
import { Histogram, Summary, TopValues } from './ColumnParts'

/** What is in each column of a stored result. */
export function ResultColumns({ result, filters, onFilter }: { result: StoredResult; filters: ResultFilter[]; onFilter: (filter: ResultFilter) => void }) {
  const [chosen, choose] = useState(result.columns[0]?.name ?? '')
  const { data, error } = useQuery(statsQuery(result.id, chosen, filters))
  return (
    <div className="flex min-h-0 grow max-wide:flex-col">
      <ul className="w-56 shrink-0 overflow-auto border-r border-line p-2 max-wide:max-h-32 max-wide:w-full max-wide:border-r-0 max-wide:border-b">
        {result.columns.map((c) => (
          <li key={c.name}><button type="button" aria-pressed={c.name === chosen} onClick={() => { choose(c.name) }} className={cx('flex h-7 w-full items-center gap-2 rounded-inner px-2 text-left font-mono text-12 hover:bg-hover', c.name === chosen && 'bg-accent-tint')}>
            <span className="grow truncate">{c.name}</span><span className="text-faint">{c.type}</span></button></li>
        ))}
      </ul>
      {/* It scrolls with the keyboard too. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div tabIndex={0} role="region" aria-label="What is in the column" className="min-w-0 grow overflow-auto p-4 -outline-offset-2">{error ? <ErrorBox problem={problemOf(error)} /> : !data ? <SkeletonRows rows={4} /> : <Stats stats={data} onFilter={onFilter} />}</div>
    </div>
  )
}

function Stats({ stats, onFilter }: { stats: ResultColumnStats; onFilter: (filter: ResultFilter) => void }) {
  return (
    <div className="grid max-w-180 gap-6">
      <h2 className="flex items-center gap-2 font-mono text-13 font-semibold">{stats.column.name}<Badge mono>{stats.column.type}</Badge></h2>
      <Summary filled={stats.rows - stats.nulls} share={percent(stats.rows > 0 ? (stats.rows - stats.nulls) / stats.rows : 0)} distinct={stats.distinct} min={stats.min} max={stats.max} mean={stats.mean} />
      {stats.histogram && stats.histogram.length > 1 && <Histogram bins={stats.histogram} type={stats.column.type} />}
      {stats.top && (stats.top[0]?.count ?? 0) > 1 && <TopValues top={stats.top} rows={stats.rows} onChoose={(value) => { onFilter(value === null ? { column: stats.column.name, op: 'is_null' } : { column: stats.column.name, op: 'eq', value }) }} />}
    </div>
  )
}
