import { expect, test } from 'vitest'
import { drawn } from './chart'

test('points become series', () => {
  const chart = { kind: 'line', binned: false, points: [
    { x: '2026-01-02T00:00:00Z', y: ['7'], group: 'b' }, { x: '2026-01-01T00:00:00Z', y: [3], group: 'a' }, { x: '2026-01-02T00:00:00Z', y: [null], group: 'a' }] }
  expect(drawn(chart, [{ fn: 'count' }], true)).toEqual({ time: true, x: [Date.parse('2026-01-01'), Date.parse('2026-01-02')], series: [{ name: 'b', values: [null, 7] }, { name: 'a', values: [3, null] }] })
  expect(drawn({ kind: 'bar', binned: false, points: [{ x: 'GB', y: [1] }, { x: null, y: [2] }, { x: null, y: [9], other_x: true }] }, [{ fn: 'count' }], false)).toEqual({ time: false, x: ['GB', 'null', 'others'], series: [{ name: 'rows', values: [1, 2, 9] }] })
})
