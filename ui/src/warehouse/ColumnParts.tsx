import type { ReactNode } from 'react'
import { Chart } from '@/design/Chart'
import { cx } from '@/design/cx'
import { Figure } from '@/design/View'
import { useZone } from '@/design/zone'
import { compact, exact, number, percent } from '@/format/format'
import { isTime } from './chart'
import { shown, written } from './sqltext'

interface SummaryProps { filled: number; share: string; distinct: number; min?: unknown; max?: unknown; mean?: number }

/** How full a column is, and from where to where it goes. */
export function Summary({ filled, share, distinct, min, max, mean }: SummaryProps) {
  return (
    <div className={cx('grid grid-cols-2 gap-x-5 gap-y-3', mean === undefined ? 'wide:grid-cols-[88px_108px_minmax(0,1fr)_minmax(0,1fr)]' : 'wide:grid-cols-[88px_108px_88px_minmax(0,1fr)_minmax(0,1fr)]')}>
      <Figure label="Filled" value={share} note={number(filled)} />
      <Figure label="Different values" value={compact(distinct)} />
      {mean !== undefined && <Figure label="Mean" value={compact(mean)} />}
      {min !== undefined && min !== null && <Side label="Least" value={min} />}
      {max !== undefined && max !== null && <Side label="Most" value={max} />}
    </div>
  )
}

function Side({ label, value }: { label: string; value: unknown }) {
  const text = shown(value)
  return (
    <div className="min-w-0">
      <div className="text-12 text-soft">{label}</div>
      {/* It stands on the line of the numbers beside it, in two lines at most. */}
      <div className="flex items-baseline" title={text}><span aria-hidden="true" className="invisible w-0 text-20">0</span><span className="max-h-8 min-w-0 overflow-hidden font-mono text-12 break-words">{text}</span></div>
    </div>
  )
}

// Profiles have times as seconds, results as texts.
const milliseconds = (v: unknown): number => typeof v === 'number' ? v * 1000 : Date.parse(String(v))

interface Bin { count: number; from: unknown; until: unknown }

/** How many values lie where. */
export function Histogram({ bins, type }: { bins: Bin[]; type: string }) {
  const zone = useZone()
  const width = bins.length > 1 ? milliseconds(bins[1]?.from) - milliseconds(bins[0]?.from) : 0
  const label = (v: unknown) => {
    if (!isTime(type)) return compact(Number(v))
    return exact(milliseconds(v), zone).slice(...(width >= 86_400_000 ? [0, 10] : width >= 60_000 ? [5, 16] : [11, width >= 1000 ? 19 : 23]))
  }
  return <Chart label="How many values lie where" kind="bar" x={bins.map((b) => label(b.from))} series={[{ name: 'values', values: bins.map((b) => b.count) }]} height={120} legend={false} write={compact} />
}

/** The most frequent values. */
export function TopValues({ top, rows, onChoose }: { top: { value: unknown; count: number }[]; rows: number; onChoose?: (value: unknown) => void }) {
  const most = top[0]?.count ?? 1
  const name = (value: unknown): ReactNode => value === null || value === undefined ? <span className="text-faint italic">null</span> : written(value) === '' ? <span className="text-faint italic">empty</span> : written(value)
  return (
    <ul className="grid gap-0.5" aria-label="Most frequent values">
      {top.map((one, i) => {
        const inner = <><span aria-hidden="true" className="absolute inset-y-0 left-0 rounded-inner bg-accent-tint" style={{ width: `${(one.count / most) * 100}%` }} /><span className="relative min-w-0 grow truncate font-mono">{name(one.value)}</span><span className="relative tabular-nums">{number(one.count)}</span><span className="relative w-14 text-right text-soft">{percent(one.count / Math.max(1, rows))}</span></>
        const looks = 'relative flex h-6 w-full items-center gap-3 px-2 text-left text-12'
        return <li key={i}>{onChoose ? <button type="button" title="Only these rows" onClick={() => { onChoose(one.value) }} className={`${looks} rounded-inner hover:brightness-97`}>{inner}</button> : <span className={looks}>{inner}</span>}</li>
      })}
    </ul>
  )
}
