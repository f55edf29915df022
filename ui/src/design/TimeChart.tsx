import type { ReactNode } from 'react'
import { clock, day } from '@/format/format'
import { axisOf } from './axis'
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
}

/** Lines over time, or that there is nothing to draw yet. */
export function TimeChart({ label, x, lines, span, loading = false, kind = 'line', empty, ...rest }: Props) {
  const zone = useZone()
  if (loading) return <Skeleton className="h-28 w-full" />
  if (x.length < 2 || lines.length === 0) {
    return <p className="grid h-28 place-items-center rounded-outer bg-sunken px-4 text-center text-12 text-soft">{x.length >= 2 && empty ? empty : 'Nothing is known of this time yet. Numbers are noted every 10 seconds, and a line needs two of them.'}</p>
  }
  const shown = span && axisOf(x, span)
  const since = shown?.since
  const note = since === undefined || !span ? undefined : `Known from ${span.until - since > 86_400_000 ? `${day(since, zone)} ` : ''}${clock(since, zone)} on, not of the whole range`
  return <Chart label={label} kind={kind} time x={x} series={lines} shown={shown} note={note} {...rest} />
}
