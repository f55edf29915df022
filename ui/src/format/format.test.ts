import { describe, expect, test } from 'vitest'
import { bytes, clock, compact, day, duration, exact, minute, number, percent, plural, position, rate, relative, sentence, shortId } from './format'
import { midnight, parseRange } from './range'

const at = Date.parse('2026-01-31T10:15:01.210Z')

describe('format', () => {
  test.each([[53628, '53,628'], [0, '0'], [0.12345, '0.123'], [-1234.5, '-1,234.5'], [undefined, '–'], [NaN, '–'], [12345678901234567890n, '12,345,678,901,234,567,890']])('number %s', (n, text) => {
    expect(number(n)).toBe(text)
  })
  test.each([[0, '0'], [7, '7'], [999, '999'], [999.9, '1k'], [1000, '1k'], [53628, '53.6k'], [999_999, '1M'], [-1500, '-1.5k'], [2.345e9, '2.35B']])('compact %s', (n, text) => {
    expect(compact(n)).toBe(text)
  })
  test.each([[0, '0 B'], [999, '999 B'], [1000, '0.98 KiB'], [1024, '1 KiB'], [1843200, '1.76 MiB'], [1023 * 1024, '1 MiB'], [5 * 2 ** 30, '5 GiB']])('bytes %s', (n, text) => {
    expect(bytes(n)).toBe(text)
  })
  test.each([[0, '0 s'], [0.42, '0.42 ms'], [12.3, '12 ms'], [1500, '1.5 s'], [61_000, '1 min 1 s'], [3_600_000, '1 h'], [90_061_000, '1 d 1 h'], [-5000, '-5 s']])('duration %s', (n, text) => {
    expect(duration(n)).toBe(text)
  })
  test.each([[0, '0 %'], [1, '100 %'], [0.1234, '12.3 %'], [0.00001, '<0.1 %'], [0.99999, '>99.9 %']])('percent %s', (n, text) => {
    expect(percent(n)).toBe(text)
  })
  test.each([[0, '0/s'], [0.25, '0.3/s'], [4999.6, '5k/s']])('rate %s', (n, text) => {
    expect(rate(n)).toBe(text)
  })
  test.each([[0, 'now'], [1000, 'now'], [12_000, '12 s ago'], [-12_000, 'in 12 s'], [3 * 3600_000, '3 h ago'], [400 * 86400_000, '1 y ago']])('relative %s', (ago, text) => {
    expect(relative(at - ago, at)).toBe(text)
  })
  test('times name their zone', () => {
    expect(exact(at, 'UTC')).toBe('2026-01-31 10:15:01.210 UTC')
    expect(exact(at, 'Asia/Kolkata')).toBe('2026-01-31 15:45:01.210 GMT+5:30')
    expect(minute(at, 'Asia/Kolkata')).toBe('2026-01-31 15:45 GMT+5:30')
    expect(minute(NaN, 'UTC')).toBe('–')
    expect(clock(at, 'UTC')).toBe('10:15:01')
    expect(clock(at, 'UTC', true)).toBe('10:15:01.210')
    expect(day(Date.parse('2026-01-31T23:30:00Z'), 'Europe/Berlin')).toBe('2026-02-01')
  })
  test('ids are shortened in the middle', () => {
    expect(shortId('order-1001')).toBe('order-1001')
    expect(shortId('0198c0de-7c1e-7000-8000-3f1d2a6b9c55')).toBe('0198c0d…6b9c55')
  })
  test('positions', () => {
    expect(position('1769846400000-840-2')).toBe('1769846400000-840-2')
    expect(position('1769846400000-840-2147483647')).toBe('1769846400000-840-end')
  })
  test('plural', () => {
    expect(plural(1, 'event')).toBe('1 event')
    expect(plural(1200, 'event')).toBe('1,200 events')
  })
})

describe('parseRange', () => {
  const iso = (text: string, zone = 'UTC') => {
    const range = parseRange(text, at, zone)
    return range && [new Date(range.from).toISOString(), new Date(range.until).toISOString()]
  }
  const now = '2026-01-31T10:15:01.210Z'
  test.each([
    ['last 3h', ['2026-01-31T07:15:01.210Z', now]],
    ['3 hours', ['2026-01-31T07:15:01.210Z', now]],
    ['Last hour', ['2026-01-31T09:15:01.210Z', now]],
    ['15m', ['2026-01-31T10:00:01.210Z', now]],
    ['today', ['2026-01-31T00:00:00.000Z', now]],
    ['yesterday', ['2026-01-30T00:00:00.000Z', '2026-01-31T00:00:00.000Z']],
    ['2026-01-02', ['2026-01-02T00:00:00.000Z', '2026-01-03T00:00:00.000Z']],
    ['2026-01-02 10:00 to 2026-01-03', ['2026-01-02T10:00:00.000Z', '2026-01-04T00:00:00.000Z']],
    ['since 09:30', ['2026-01-31T09:30:00.000Z', now]],
    ['2026-02-30', undefined],
    ['whenever', undefined],
    ['', undefined],
    ['hour', undefined],
    ['10:00', undefined],
    ['2026-01-03 to 2026-01-01', undefined],
  ])('%s', (text, want) => {
    expect(iso(text)).toEqual(want)
  })
  test('days begin at midnight in the zone, also when its clock changes', () => {
    expect(iso('yesterday', 'Asia/Kolkata')).toEqual(['2026-01-29T18:30:00.000Z', '2026-01-30T18:30:00.000Z'])
    // 29 March 2026 has 23 hours in Berlin.
    expect(iso('2026-03-29', 'Europe/Berlin')).toEqual(['2026-03-28T23:00:00.000Z', '2026-03-29T22:00:00.000Z'])
    expect(new Date(midnight(Date.parse('2026-03-29T12:00:00Z'), 'Europe/Berlin')).toISOString()).toBe('2026-03-28T23:00:00.000Z')
  })
})

test('a sentence begins with a capital, but not with one of a file or a name', () => {
  expect(sentence('this needs it')).toBe('This needs it')
  expect(sentence('sources/web.yaml: is wrong')).toBe('sources/web.yaml: is wrong')
})
