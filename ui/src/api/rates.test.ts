import { expect, test } from 'vitest'
import { ratesOf, seriesOf } from './rates'

const sample = (at: number, accepted: number, rejected = 0) => ({ at, sources: new Map([['web', { accepted, duplicates: 0, rejected }]]) })

test('a rate is what came in the last seconds', () => {
  const all = [sample(0, 0), sample(2000, 10), sample(4000, 30), sample(10_000, 90, 6)]
  expect(ratesOf(all).get('web')).toEqual({ accepted: 10, duplicates: 0, rejected: 1 })
  expect(ratesOf(all, 1).get('web')?.accepted).toBe(5)
  // One look tells nothing yet.
  expect(ratesOf([sample(0, 5)]).size).toBe(0)
  expect(ratesOf([]).size).toBe(0)
})

test('series have a value for each look', () => {
  const { x, sources } = seriesOf([sample(0, 0), sample(2000, 10), sample(4000, 10)], 'all')
  expect(x).toEqual([2000, 4000])
  expect(sources.get('web')).toEqual([5, 2.5])
})
