import { expect, test } from 'vitest'
import type { Usage } from '@/api/schema'
import { daysOf, earlierOf, placesOf, rangeOf, seriesOf, shortDay, standingOf, totalOf } from './usage'

const one = (day: string, environment: string, events: number, storage: number | null): Usage => ({ day, environment, events, rejected: 1, bytes: 10, query_seconds: 0.5, storage_bytes: storage, log_bytes: null, archive_bytes: null, warehouse_bytes: storage, event_tables: null, space: environment, workspace: 'w' })

test('days are those of UTC', () => {
  expect(rangeOf(3, Date.parse('2026-03-01T00:30:00Z'))).toEqual({ from: '2026-02-27', to: '2026-03-01' })
  expect(daysOf('2026-02-27', '2026-03-01')).toEqual(['2026-02-27', '2026-02-28', '2026-03-01'])
  expect(shortDay('2026-03-01')).toBe('Mar 1')
})

test('a day without usage is none; what is stored stays', () => {
  const days = daysOf('2026-11-01', '2026-11-04')
  const usage = [one('2026-11-01', 'production', 5, 100), one('2026-11-02', 'production', 7, null), one('2026-11-04', 'staging', 2, 30), one('2026-10-01', 'production', 9, 1)]
  const events = seriesOf(usage, days, 'events')
  expect(events).toEqual([{ name: 'production', values: [5, 7, 0, 0] }, { name: 'staging', values: [0, 0, 0, 2] }])
  expect(totalOf(events, 'events')).toBe(14)
  const stored = seriesOf(usage, days, 'storage_bytes')
  expect(stored).toEqual([{ name: 'production', values: [100, 100, 100, 100] }, { name: 'staging', values: [null, null, null, 30] }])
  expect(totalOf(stored, 'storage_bytes')).toBe(130)
})

test('how a quota stands', () => {
  const use = { quota: 'events_per_day', used: 1 }
  expect([{ percent: 10 }, { percent: 80 }, { percent: 100 }, { percent: 140 }].map((u) => standingOf({ ...use, ...u }).meaning)).toEqual(['good', 'warning', 'bad', 'bad'])
  // It was told, and then the quota was raised.
  expect(standingOf({ ...use, percent: 10, warned: 'x', used_up: 'y' })).toEqual({ meaning: 'good', word: 'Within it' })
  expect([standingOf({ ...use, percent: 85, warned: 'x', used_up: 'y' }).since, standingOf({ ...use, percent: 100, warned: 'x', used_up: 'y' }).since]).toEqual(['x', 'y'])
})

test('where what is stored is, as it was measured last', () => {
  const of = (day: string, environment: string, log: number | null, tables: number | null): Usage => ({ ...one(day, environment, 1, log), log_bytes: log, archive_bytes: log, warehouse_bytes: null, event_tables: tables })
  expect(placesOf([of('2026-11-01', 'production', null, null)])).toBeUndefined()
  expect(placesOf([of('2026-11-01', 'production', 9, 9), of('2026-11-02', 'production', 5, 3), of('2026-11-03', 'production', null, null), of('2026-11-02', 'staging', 1, 2)])).toEqual({ log: 6, archive: 6, warehouse: 0, tables: 5 })
})

test('a quota of a day before is told once', () => {
  const told = (day: string, percent: number, quota = 'events_per_day') => ({ day, percent, quota, told: `${day}T0${percent === 80 ? 8 : 9}:00:00Z` })
  expect(earlierOf([told('2026-11-03', 80), told('2026-11-02', 100), told('2026-11-02', 80), told('2026-11-02', 80, 'bytes_per_day')]).map((t) => `${t.day} ${t.quota} ${t.percent}`)).toEqual(['2026-11-03 events_per_day 80', '2026-11-02 events_per_day 100', '2026-11-02 bytes_per_day 80'])
  expect(earlierOf([])).toEqual([])
})
