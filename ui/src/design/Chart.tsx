import { lazy, Suspense, type ReactNode } from 'react'
import { Skeleton } from './Skeleton'
import { number } from '@/format/format'
import { huesOf } from './hues'

export type ChartKind = 'line' | 'area' | 'bar'

export interface ChartSeries {
  name: string
  /** One for each x; null where nothing is known. */
  values: (number | null)[]
  /** A meaning takes the place of the name's hue. */
  meaning?: 'good' | 'warning' | 'bad'
}

export interface ChartMark { at: number; text: string }

export interface ChartProps {
  label: string
  kind: ChartKind
  /** Milliseconds since 1970, numbers, or words. */
  x: number[] | string[]
  time?: boolean
  series: ChartSeries[]
  stacked?: boolean
  /** How a value is written. */
  write?: (value: number) => string
  /** The values are bytes or seconds: the axis is divided as those are. */
  scale?: 'bytes' | 'seconds'
  marks?: ChartMark[]
  /** The part of time that the axis shows; otherwise that of x. */
  shown?: { from: number; until: number }
  /** Values above are not drawn: signs at the top tell of them. */
  cap?: number
  /** What is to be said of it. */
  note?: ReactNode
  height?: number
  onRange?: (from: number, until: number) => void
  /** One series needs no names. */
  legend?: boolean
  /** All names that share the hues, also of what is not shown: each keeps its own whatever is. */
  among?: string[]
}

const Plot = lazy(() => import('./Plot'))

/** A chart of points that the server has binned. What it shows is also said in words. */
export function Chart(props: ChartProps) {
  const { label, series, height = 180, legend = series.length > 1, write = number, note } = props
  const named = huesOf(props.among ?? series.map((s) => s.name))
  return (
    <figure className="flex min-w-0 flex-col gap-1">
      <div role="img" aria-label={`${label}. ${series.map((s) => said(s, write)).join('; ')}`} className="min-w-0" style={{ height }}>
        <Suspense fallback={<Skeleton className="h-full w-full" />}><Plot {...props} /></Suspense>
      </div>
      {(legend || note !== undefined) && (
        <figcaption className="flex flex-wrap gap-x-3 gap-y-0.5 text-12 text-soft">
          {legend && series.map((s) => <span key={s.name} className="inline-flex items-center gap-1.5"><span className="size-2 rounded-full" style={{ background: colourOf(s, named) }} />{s.name}</span>)}
          {note !== undefined && <span className="ml-auto">{note}</span>}
        </figcaption>
      )}
    </figure>
  )
}

/** colourOf is the colour of a series as CSS has it. */
export function colourOf(series: ChartSeries, named: Map<string, number>): string {
  return series.meaning ? `var(--${series.meaning}-solid)` : `var(--chart${named.get(series.name) ?? 1})`
}

function said(series: ChartSeries, write: (n: number) => string): string {
  const there = series.values.filter((v) => v !== null)
  const last = there.at(-1)
  if (last === undefined) return `${series.name}: nothing`
  let least = last
  let most = last
  for (const v of there) { least = Math.min(least, v); most = Math.max(most, v) }
  return `${series.name}: last ${write(last)}, least ${write(least)}, most ${write(most)}`
}
