import type { ReactNode } from 'react'
import { clock, day, number } from '@/format/format'
import { axisOf, capOf } from './axis'
import { Chart, type ChartKind, type ChartMark } from './Chart'
import { Skeleton } from './Skeleton'
import { useZone } from './zone'

interface Props {
  label: string
  x: number[]
  lines: { name: string; values: (number | null)[]; meaning?: 'good' | 'warning' | 'bad' }[]
  /** The range that was asked for, in milliseconds: the axis shows it, or says where what is known begins. */
  span?: { from: number; until: number }
  /** It is not known yet whether there is something to draw. */
  loading?: boolean
  kind?: ChartKind
  stacked?: boolean
  write?: (value: number) => string
  scale?: 'bytes' | 'seconds'
  marks?: ChartMark[]
  height?: number
  /** What is said when all of it is known and none of it is to be drawn. */
  empty?: ReactNode
  onRange?: (from: number, until: number) => void
  /** All names that share the hues, also of what is not shown. */
  among?: string[]
  /** Bursts that would flatten all else are cut, unless one wants the whole. */
  peaks?: Peaks
  onPeaks?: (peaks: Peaks) => void
}

export type Peaks = 'cut' | 'whole'

const link = 'rounded-inner text-accent-text underline underline-offset-2'

/** Lines over time, or that there is nothing to draw yet. */
export function TimeChart({ label, x, lines, span, loading = false, kind = 'line', empty, peaks, onPeaks, ...rest }: Props) {
  const zone = useZone()
  if (loading) return <Skeleton className="h-28 w-full" />
  if (x.length < 2 || lines.length === 0) {
    return <p className="grid h-28 place-items-center rounded-outer bg-sunken px-4 text-center text-12 text-soft">{x.length >= 2 && empty ? empty : 'Nothing is known of this time yet. Numbers are noted every 10 seconds, and a line needs two of them.'}</p>
  }
  const shown = span && axisOf(x, span)
  const since = shown?.since
  const known = since === undefined || !span ? undefined : `Known from ${span.until - since > 86_400_000 ? `${day(since, zone)} ` : ''}${clock(since, zone)} on, not of the whole range`
  const cap = onPeaks && capOf(x.map((_, i) => { const all = lines.map((l) => l.values[i] ?? 0); return rest.stacked ? all.reduce((a, b) => a + b, 0) : Math.max(...all) }))
  const cut = cap !== undefined && peaks !== 'whole'
  const write = rest.write ?? number
  const note = cap === undefined ? known : <>{known && <>{known}. </>}{cut ? `Cut at ${write(cap)}: ` : 'The highest flattens the rest: '}<button type="button" className={link} onClick={() => { onPeaks?.(cut ? 'whole' : 'cut') }}>{cut ? 'Show the peaks whole' : 'Cut the peaks'}</button></>
  return <Chart label={label} kind={kind} time x={x} series={lines} shown={shown} note={note} cap={cut ? cap : undefined} {...rest} />
}
