// From the columns of a result to a chart of it.
import type { ResultChart, ResultMeasure } from '@/api/schema'
import { written } from './sqltext'

export const isTime = (type: string) => /^(timestamp|date|timestamptz)/i.test(type)

/** labelOf names a measure. */
export function labelOf(measure: ResultMeasure): string {
  return measure.fn === 'count' && !measure.column ? 'rows' : `${measure.fn} of ${measure.column ?? 'rows'}`
}

export interface Drawn { x: number[] | string[]; time: boolean; series: { name: string; values: (number | null)[] }[] }

/** drawn puts the points of a chart into series on one axis. */
export function drawn(chart: ResultChart, measures: ResultMeasure[], timeAxis: boolean): Drawn {
  const keyOf = (p: ResultChart['points'][number]) => p.other_x ? 'others' : p.x
  const keys = [...new Map(chart.points.map((p) => [written(keyOf(p)), keyOf(p)])).entries()]
  const time = timeAxis && keys.every(([, v]) => typeof v === 'string' && !Number.isNaN(Date.parse(v)))
  const numeric = !time && keys.length > 0 && keys.every(([, v]) => typeof v === 'number')
  if (time) keys.sort((a, b) => Date.parse(String(a[1])) - Date.parse(String(b[1])))
  if (numeric) keys.sort((a, b) => Number(a[1]) - Number(b[1]))
  const place = new Map(keys.map(([key], i) => [key, i]))
  const series = new Map<string, (number | null)[]>()
  for (const point of chart.points) {
    const group = point.other_group ? 'others' : point.group === undefined ? undefined : written(point.group)
    point.y.forEach((value, i) => {
      const measure = measures[i] ?? { fn: 'count' as const }
      const name = group === undefined ? labelOf(measure) : measures.length > 1 ? `${group}, ${labelOf(measure)}` : group
      let line = series.get(name)
      if (!line) series.set(name, line = keys.map(() => null))
      line[place.get(written(keyOf(point))) ?? 0] = value === null || value === undefined ? null : Number(value)
    })
  }
  const x = time ? keys.map(([, v]) => Date.parse(String(v))) : numeric ? keys.map(([, v]) => Number(v)) : keys.map(([key]) => key)
  return { x, time, series: [...series].map(([name, values]) => ({ name, values })) }
}
