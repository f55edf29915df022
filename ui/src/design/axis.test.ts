import { expect, test } from 'vitest'
import { axisOf, capOf, peaksOf, together } from './axis'

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

test('a burst is cut so that what is usual is seen, and nothing else is', () => {
  const usual = [40, 52, 47, 38, 60, 55, 41, 44, 50]
  expect(capOf([...usual, 34_000])).toBe(75)
  expect(capOf([0, 0, ...usual, 120, 3000, 34_000])).toBe(150)
  expect(capOf(usual)).toBeUndefined()
  expect(capOf([...usual, 400])).toBeUndefined()
  expect(capOf([5, 34_000])).toBeUndefined()
  expect(capOf([])).toBeUndefined()
  // Bursts that are a third of the time are what is usual.
  expect(capOf([...usual, 34_000, 33_000, 35_000, 36_000])).toBeUndefined()
})

test('a stretch above the cut is told of once, where it is highest', () => {
  expect(peaksOf([1, 80, 900, 100, 2, 70, 3], 60)).toEqual([{ at: 2, value: 900 }, { at: 5, value: 70 }])
  expect(peaksOf([1, 2], 60)).toEqual([])
})
