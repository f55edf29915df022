import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { problemOf } from '@/api/client'
import { chartQuery } from '@/api/queries'
import type { ResultChartQuery, ResultFilter, ResultMeasure, StoredResult } from '@/api/schema'
import { Chart } from '@/design/Chart'
import { ErrorBox } from '@/design/ErrorBox'
import { Select } from '@/design/Select'
import { SkeletonRows } from '@/design/Skeleton'
import { useZone } from '@/design/zone'
import { compact, number } from '@/format/format'
import { drawn, isTime, labelOf } from './chart'
import { isNumber } from './sqltext'

const kinds = ['line', 'area', 'bar', 'number'] as const
const functions: ResultMeasure['fn'][] = ['count', 'distinct', 'sum', 'avg', 'min', 'max', 'median', 'p95']

/** A chart of a stored result, binned where it is stored. */
export function ResultChart({ result, filters }: { result: StoredResult; filters: ResultFilter[] }) {
  const zone = useZone()
  const [chosen, choose] = useState<ResultChartQuery>(result.chart)
  const { data, error } = useQuery(chartQuery(result.id, { ...chosen, filters, zone }))
  const measures = chosen.y ?? [{ fn: 'count' }]
  const measure = measures[0] ?? { fn: 'count' }
  const names = result.columns.map((c) => ({ value: c.name, label: c.name }))
  const typeOf = (name: string | undefined) => result.columns.find((c) => c.name === name)?.type ?? ''
  const shown = data && drawn(data, measures, isTime(typeOf(chosen.x)))
  const set = (next: Partial<ResultChartQuery>) => { choose((before) => ({ ...before, ...next })) }
  const setMeasure = (next: ResultMeasure) => { set({ y: [next.fn === 'count' ? { fn: 'count' } : { ...next, column: next.column ?? result.columns.find((c) => isNumber(c.type))?.name ?? result.columns[0]?.name }] }) }
  return (
    <div className="grid min-h-0 gap-4 overflow-auto px-4 py-3">
      <div className="flex flex-wrap items-end gap-2 max-wide:grid max-wide:grid-cols-2 max-wide:*:w-full">
        <Select label="Chart" className="w-28" value={chosen.kind} onValue={(v) => { set({ kind: kinds.find((k) => k === v) ?? 'bar', x: v === 'number' ? undefined : chosen.x ?? result.columns[0]?.name }) }} options={kinds.map((k) => ({ value: k, label: k }))} />
        {chosen.kind !== 'number' && <Select label="Across" className="w-40" value={chosen.x ?? ''} onValue={(x) => { set({ x }) }} options={names} />}
        <Select label="Measure" className="w-28" value={measure.fn} onValue={(v) => { setMeasure({ ...measure, fn: functions.find((f) => f === v) ?? 'count' }) }} options={functions.map((f) => ({ value: f, label: f }))} />
        {measure.fn !== 'count' && <Select label="Of" className="w-40" value={measure.column ?? ''} onValue={(column) => { setMeasure({ ...measure, column }) }} options={names} />}
        {chosen.kind !== 'number' && <Select label="By" className="w-40" value={chosen.group ?? ''} onValue={(group) => { set({ group: group || undefined }) }} options={[{ value: '', label: 'nothing' }, ...names]} />}
      </div>
      {error && <ErrorBox problem={problemOf(error)} />}
      {!shown ? !error && <SkeletonRows rows={4} /> : chosen.kind === 'number'
        ? <div className="flex flex-wrap gap-10 py-4">{data?.points[0]?.y.map((v, i) => <BigNumber key={i} label={result.rows === 1 ? measures[i]?.column ?? labelOf(measure) : labelOf(measures[i] ?? measure)} value={v} />)}</div>
        : <Chart label={`${labelOf(measure)} across ${chosen.x ?? ''}`} kind={chosen.kind} x={shown.x} time={shown.time} series={shown.series} stacked={chosen.kind !== 'line' && shown.series.length > 1} write={compact} height={320} />}
    </div>
  )
}

function BigNumber({ label, value }: { label: string; value: unknown }) {
  return <div className="min-w-0"><div className="text-13 text-soft">{label}</div><div className="truncate text-28 font-semibold tabular-nums" title={String(value)}>{value === null ? 'null' : number(typeof value === 'string' && /^-?\d+$/.test(value) ? BigInt(value) : Number(value))}</div></div>
}
