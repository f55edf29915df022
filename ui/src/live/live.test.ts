import { describe, expect, test } from 'vitest'
import { Meter, Splitter } from './lines'
import { Ring } from './ring'
import { preview } from './summary'

describe('Ring', () => {
  test('keeps the last, under their numbers', () => {
    const ring = new Ring<string>(3)
    expect([ring.first, ring.last, ring.get(1)]).toEqual([1, 0, undefined])
    for (const value of ['a', 'b', 'c', 'd']) ring.push(value)
    expect([ring.first, ring.last]).toEqual([2, 4])
    expect([1, 2, 3, 4, 5].map((n) => ring.get(n))).toEqual([undefined, 'b', 'c', 'd', undefined])
    ring.clear()
    expect([ring.last, ring.get(4)]).toEqual([0, undefined])
  })
})

test('Splitter joins what was cut', () => {
  const splitter = new Splitter()
  expect(splitter.add('{"a":')).toEqual([])
  expect(splitter.add('1}\n\n{"b":2}\n{"c"')).toEqual(['{"a":1}', '{"b":2}'])
  expect(splitter.add(':3}\n')).toEqual(['{"c":3}'])
})

test('Meter tells events a second', () => {
  const meter = new Meter(4)
  meter.add(10, 1_000_000)
  expect(meter.rate(1_000_500)).toBe(10)
  for (let s = 1; s <= 6; s++) meter.add(100, 1_000_000 + s * 1000)
  expect(meter.rate(1_007_000)).toBe(100)
  expect(meter.rate(1_060_000)).toBe(0)
})

test('preview is one line of what matters', () => {
  expect(preview({ event: 'Order', userId: 'ada', properties: { total: 42.5, items: [1, 2], at: { a: 1 }, note: null } })).toBe('total 42.5 · items [2] · at {…} · note null')
  expect(preview({ messageId: 'x', sensor: 'hall', celsius: 21.5 })).toBe('sensor hall · celsius 21.5')
  expect(preview('text')).toBe('text')
  expect(preview(undefined)).toBe('')
})
