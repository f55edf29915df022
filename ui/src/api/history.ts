// Numbers over time, as the server keeps them.
import { keepPreviousData, queryOptions, useQuery } from '@tanstack/react-query'
import { call } from './client'
import type { HistorySeries } from './schema'

export interface Span { from: number; until: number }

/** historyQuery asks for series; a span ends now unless it says otherwise. */
export const historyQuery = (names: string[], span: Span, labels: string[] = []) => queryOptions({
  // To ten seconds, so that a range which ends now is asked for six times a minute.
  queryKey: ['history', names, labels, Math.floor(span.from / 10_000), Math.floor(span.until / 10_000)],
  queryFn: ({ signal }) => call('get-history', { params: { names, labels: labels.length > 0 ? labels : undefined, from: new Date(span.from).toISOString(), until: new Date(span.until).toISOString(), points: 240 } }, signal),
  placeholderData: keepPreviousData,
  staleTime: 9_000,
})

const quarter = 15 * 60_000

/**
 * useHistory asks for series, and once more, in finer steps, for the part of the
 * range of which something is known when that is small: of a server that was
 * started minutes ago a step of hours shows nothing.
 */
export function useHistory(names: string[], span: Span, labels: string[] = []) {
  const whole = useQuery(historyQuery(names, span, labels))
  const first = whole.data ? Math.min(...whole.data.series.flatMap((s) => s.points[0] ? [Date.parse(s.points[0].at)] : [])) : 0
  const from = Math.max(span.from, Math.min(first, span.until - quarter))
  const narrow = from - span.from > (span.until - span.from) * 0.75
  const fine = useQuery({ ...historyQuery(names, { from, until: span.until }, labels), enabled: narrow })
  return narrow ? { ...fine, refetch: whole.refetch } : whole
}

export const marksQuery = (span: Span) => queryOptions({
  queryKey: ['marks', Math.floor(span.from / 60_000), Math.floor(span.until / 60_000)],
  queryFn: ({ signal }) => call('list-marks', { params: { from: new Date(span.from).toISOString(), until: new Date(span.until).toISOString() } }, signal),
  placeholderData: keepPreviousData,
  staleTime: 30_000,
})

/** meaningOf is what a result of intake means, so that it has the same colour in every chart. */
export function meaningOf(result: string): 'good' | 'warning' | 'bad' | undefined {
  switch (result) {
    case 'accepted': return 'good'
    case 'dropped': return 'warning'
    case 'rejected': return 'bad'
    default: return undefined
  }
}

export interface Line { name: string; values: (number | null)[] }

/**
 * linesOf puts series on one axis of time: a line for each name that nameOf
 * gives, summed where several have the same. Counters become rates a second. A
 * step without samples is a gap; of a sum, only where none has one.
 */
export function linesOf(series: readonly HistorySeries[], nameOf: (series: HistorySeries) => string | undefined): { x: number[]; lines: Line[] } {
  const times = [...new Set(series.flatMap((s) => nameOf(s) === undefined ? [] : s.points.map((p) => Date.parse(p.at))))].sort((a, b) => a - b)
  const place = new Map(times.map((t, i) => [t, i]))
  const lines = new Map<string, (number | null)[]>()
  for (const one of series) {
    const name = nameOf(one)
    if (name === undefined) continue
    let line = lines.get(name)
    if (!line) lines.set(name, line = times.map(() => null))
    for (const point of one.points) {
      const at = place.get(Date.parse(point.at)) ?? 0
      const value = one.kind === 'counter' ? point.value / one.step_seconds : point.value
      line[at] = (line[at] ?? 0) + value
    }
  }
  return { x: times, lines: [...lines].map(([name, values]) => ({ name, values })).sort((a, b) => a.name.localeCompare(b.name)) }
}
