import type { ReactNode } from 'react'
import { Chart, type ChartKind, type ChartMark } from './Chart'

interface Props {
  label: string
  x: number[]
  lines: { name: string; values: (number | null)[]; meaning?: 'good' | 'warning' | 'bad' }[]
  kind?: ChartKind
  stacked?: boolean
  write?: (value: number) => string
  scale?: 'bytes' | 'seconds'
  marks?: ChartMark[]
  height?: number
  empty?: ReactNode
  onRange?: (from: number, until: number) => void
}

/** Lines over time, or that there is nothing to draw yet. */
export function TimeChart({ label, x, lines, kind = 'line', empty = 'Nothing is known of this time yet.', ...rest }: Props) {
  if (x.length < 2 || lines.length === 0) return <p className="grid h-28 place-items-center rounded-outer bg-sunken text-12 text-soft">{empty}</p>
  return <Chart label={label} kind={kind} time x={x} series={lines} {...rest} />
}
