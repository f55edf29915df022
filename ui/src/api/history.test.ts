import { expect, test } from 'vitest'
import { linesOf } from './history'
import type { HistorySeries } from './schema'

const point = (second: number, value: number) => ({ at: new Date(second * 1000).toISOString(), value, last: value, min: value, max: value })
const series = (source: string, points: HistorySeries['points'], kind: HistorySeries['kind'] = 'counter'): HistorySeries => ({ name: 'events', kind, labels: { source }, step_seconds: 10, points })

test('counters become rates on one axis, and what has one name is summed', () => {
  const all = [series('web', [point(0, 100), point(10, 50)]), series('shop', [point(10, 20)]), series('web', [point(10, 10)])]
  const { x, lines } = linesOf(all, (s) => s.labels['source'])
  expect(x).toEqual([0, 10_000])
  expect(lines).toEqual([{ name: 'shop', values: [null, 2] }, { name: 'web', values: [10, 6] }])
  expect(linesOf(all, () => 'all').lines).toEqual([{ name: 'all', values: [10, 8] }])
  expect(linesOf([series('m', [point(0, 7)], 'gauge')], () => 'm').lines[0]?.values).toEqual([7])
})
