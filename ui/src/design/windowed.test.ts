import { expect, test } from 'vitest'
import { scrollFor, windowOf } from './windowed'

test('only what is seen is drawn', () => {
  expect(windowOf(1000, 28, 2800, 560, 0)).toEqual({ from: 100, to: 120, height: 28_000, top: 2800 })
  expect(windowOf(3, 28, 0, 560)).toEqual({ from: 0, to: 3, height: 84, top: 0 })
  expect(windowOf(0, 28, 0, 560)).toEqual({ from: 0, to: 0, height: 0, top: 0 })
})

test('a million rows end at the last one', () => {
  const count = 1_000_000
  const all = windowOf(count, 28, 0, 560, 0)
  const end = windowOf(count, 28, all.height - 560, 560, 0)
  expect(end.to).toBe(count)
  expect(end.from).toBe(count - 20)
  for (const row of [0, 1, 77_777, 500_000, 999_999]) {
    const to = scrollFor(row, count, 28, row > 500_000 ? 0 : all.height, 560) ?? all.height
    const seen = windowOf(count, 28, to, 560, 0)
    expect(seen.from).toBeLessThanOrEqual(row)
    expect(seen.to).toBeGreaterThan(row)
  }
})
