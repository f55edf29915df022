import { expect, test } from 'vitest'
import { inUse, stateOf, unserved } from './state'

const source = { name: 'web', kind: 'http', write_keys: [], keys: [], dedup: '24h', accepted: 1, duplicates: 0, rejected: 0, silent: false }
const now = Date.parse('2026-01-31T10:15:00Z')

test('a word for how a source is', () => {
  expect(stateOf(source, now).word).toBe('Nothing yet')
  expect(stateOf({ ...source, last_received: '2026-01-31T10:14:50Z' }, now).word).toBe('Receiving')
  expect(stateOf({ ...source, last_received: '2026-01-31T09:00:00Z' }, now).word).toBe('Quiet')
  expect(stateOf({ ...source, last_received: '2026-01-31T09:00:00Z', silent: true }, now)).toMatchObject({ word: 'Fell silent', meaning: 'warning' })
})

test('files that are not served are told of', () => {
  const file = (path: string) => ({ path, folder: 'sources', kind: 'yaml', size_bytes: 1, editable: true })
  expect(unserved([file('sources/web.yaml'), file('sources/new.yaml'), file('sources/x/y.yaml'), file('models/z.yaml')], [source])).toEqual(['new'])
})

test('a key is in use for a day', () => {
  expect(inUse({ key: 'a', works: true }, now)).toBe(false)
  expect(inUse({ key: 'a', works: true, last_used: '2026-01-31T09:00:00Z' }, now)).toBe(true)
  expect(inUse({ key: 'a', works: true, last_used: '2026-01-29T09:00:00Z' }, now)).toBe(false)
})
