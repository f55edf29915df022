import { expect, test } from 'vitest'
import { at, changesOf, isWithin, merge, numberOf, pathOf, problemAt, put, same, type Values } from './edits'

const web: Values = { kind: 'http', write_keys: ['web_2026'], types: { 'order_completed.total': 'double' }, limits: { rate: 5 } }
const problem = (message: string) => ({ path: 'sources/web.yaml', line: 1, column: 1, message })

test('values are put and taken away, with the mapping that is empty then', () => {
  expect(put(web, ['limits', 'burst'], 9)).toEqual({ ...web, limits: { rate: 5, burst: 9 } })
  expect(put(web, ['limits', 'rate'], undefined)).toEqual({ kind: 'http', write_keys: ['web_2026'], types: web['types'] })
  expect(put({}, ['signature', 'header'], 'X')).toEqual({ signature: { header: 'X' } })
  expect(put(web, ['dedup'], undefined)).toEqual(web)
  expect(at(web, ['write_keys', 0])).toBe('web_2026')
  expect(at(web, ['constructor'])).toBeUndefined()
  expect(at(web, ['kind', 'length'])).toBeUndefined()
})

test('only what differs is changed', () => {
  expect(changesOf(web, web)).toEqual([])
  expect(changesOf(web, { ...web, dedup: '7d' })).toEqual([{ op: 'set', path: ['dedup'], value: '7d' }])
  expect(changesOf(web, put(web, ['types', 'a.b'], 'text'))).toEqual([{ op: 'set', path: ['types', 'a.b'], value: 'text' }])
  expect(changesOf(web, put(web, ['limits', 'rate'], undefined))).toEqual([{ op: 'remove', path: ['limits'] }])
  expect(changesOf(web, { ...web, write_keys: ['web_2026', 'b'] })).toEqual([{ op: 'set', path: ['write_keys'], value: ['web_2026', 'b'] }])
  // A number that JavaScript cannot hold is not touched by a change of something else.
  expect(changesOf({ limits: { rate: 2 ** 53 } }, { limits: { rate: 2 ** 53, burst: 1 } })).toEqual([{ op: 'set', path: ['limits', 'burst'], value: 1 }])
})

test('two people who change a file both have their way', () => {
  const mine = { ...web, write_keys: ['web_2026', 'mine'], limits: { rate: 5, burst: 7 } }
  const theirs: Values = { kind: 'http', write_keys: ['web_2026', 'theirs'], dedup: '7d', limits: { rate: 6 } }
  expect(merge(web, mine, theirs)).toEqual({ kind: 'http', write_keys: ['web_2026', 'theirs', 'mine'], dedup: '7d', limits: { rate: 6, burst: 7 } })
  expect(merge(web, put(web, ['limits', 'rate'], undefined), theirs)).toEqual({ kind: 'http', write_keys: ['web_2026', 'theirs'], dedup: '7d' })
  expect(merge(web, { ...web, write_keys: ['mine'] }, theirs)['write_keys']).toEqual(['theirs', 'mine'])
  expect(merge(web, web, theirs)).toEqual(theirs)
})

test('what is typed into a field of numbers', () => {
  expect(numberOf('')).toBeUndefined()
  expect(numberOf(' 12 ')).toBe(12)
  expect(numberOf('1.5')).toBe(1.5)
  expect(numberOf('1.')).toBe('1.')
  expect(numberOf('1e9')).toBe('1e9')
  expect(numberOf('9007199254740993')).toBe('9007199254740993')
})

test('a problem is found at its field', () => {
  const all = [problem('write_keys[1]: a write key has 4 to 128 letters'), problem('limits.rate: a rate cannot be negative'), problem('is nested deeper')]
  expect(pathOf(['types', 'a.b'])).toBe('types.a.b')
  expect(problemAt(all, ['write_keys', 1])).toBe('a write key has 4 to 128 letters')
  expect(problemAt(all, ['write_keys'])).toBeUndefined()
  expect(problemAt(all, ['limits', 'rate'])).toBe('a rate cannot be negative')
  expect(all.map((p) => isWithin(p, 'write_keys') || isWithin(p, 'limits'))).toEqual([true, true, false])
  expect(isWithin(problem('limitsx: no'), 'limits')).toBe(false)
})

test('what is the same', () => {
  expect(same({ a: [1, { b: null }] }, { a: [1, { b: null }] })).toBe(true)
  expect(same({ a: 1 }, { b: 1 })).toBe(false)
  expect(same([1], [1, 2])).toBe(false)
  expect(same('1', 1)).toBe(false)
})
