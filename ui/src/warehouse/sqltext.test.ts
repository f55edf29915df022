import { expect, test } from 'vitest'
import { isNumber, mistakeOf, name, sampleOf, shown, summaryOf } from './sqltext'

test('names are quoted where they have to be', () => {
  expect(['tracks', 'order', 'Order Completed', 'a"b', 'x1'].map(name)).toEqual(['tracks', '"order"', '"Order Completed"', '"a""b"', 'x1'])
  expect(sampleOf('web', 'tracks', [{ name: 'id' }, { name: 'received_at' }])).toBe('SELECT *\nFROM web.tracks\nORDER BY received_at DESC\nLIMIT 100')
})

test('errors point at the place', () => {
  const sql = 'SELECT x\nFROM web.track'
  expect(mistakeOf('Catalog Error: Table with name track does not exist!\n\nLINE 2: FROM web.track\n             ^', sql)).toEqual({ line: 2, column: 6, message: 'Catalog Error: Table with name track does not exist!' })
  expect(mistakeOf('syntax error at position 10', sql, 3)).toMatchObject({ line: 4, column: 1 })
  expect(mistakeOf('there is no table web.track: the nearest is web.tracks', sql)).toMatchObject({ line: 2, column: 6 })
  expect(mistakeOf('the warehouse is paused', sql)).toBeUndefined()
})

test('types of numbers', () => {
  expect(['bigint', 'DOUBLE', 'decimal(18,2)', 'UINTEGER', 'text', 'timestamp', 'interval'].map(isNumber)).toEqual([true, true, true, true, false, false, false])
})


test('cells are shown without noise', () => {
  expect(shown(62763.58999999998, 'double')).toBe('62763.59')
  expect(shown(1e21, 'double')).toBe('1e+21')
  expect(shown('9007199254740993', 'bigint')).toBe('9007199254740993')
  expect(shown('2026-01-31T10:15:00.5Z', 'timestamptz')).toBe('2026-01-31 10:15:00.5')
  expect(shown('2026-01-31T10:15:00Z', 'text')).toBe('2026-01-31T10:15:00Z')
  expect(shown(null, 'double')).toBe('null')
})

test('what an error says without its place', () => {
  expect(summaryOf('no column x (line 2, column 3)')).toBe('no column x')
  expect(summaryOf('no column x\n\nLINE 2: x\n        ^')).toBe('no column x')
})
