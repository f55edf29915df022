import { expect, test } from 'vitest'
import { axisOf, together } from './axis'

const hour = 3600_000
const range = { from: 0, until: 6 * hour }

test('an axis is the range that was asked for, or says where what is known begins', () => {
  expect(axisOf([], range)).toEqual(range)
  expect(axisOf([hour, 6 * hour], range)).toEqual({ from: 0, until: 6 * hour })
  expect(axisOf([-10, 6 * hour], range)).toEqual({ from: -10, until: 6 * hour })
  expect(axisOf([0, 6 * hour - 10_000], range)).toEqual({ from: 0, until: 6 * hour - 10_000 })
  expect(axisOf([0, 3 * hour], range)).toEqual({ from: 0, until: 6 * hour })
  expect(axisOf([5.5 * hour, 6 * hour], range)).toEqual({ from: 5.5 * hour, until: 6 * hour, since: 5.5 * hour })
})

test('marks side by side are one', () => {
  const marks = [{ at: 30, text: 'reload' }, { at: 0, text: 'start' }, { at: 4, text: 'reload' }, { at: 6, text: 'reload' }]
  expect(together(marks, (at) => at, 10)).toEqual([{ x: 0, text: 'start, reload ×2' }, { x: 30, text: 'reload' }])
  expect(together([], (at) => at, 10)).toEqual([])
})
