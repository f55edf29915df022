import { expect, test } from 'vitest'
import type { APIKey } from '@/api/schema'
import { bodyOf, expiryOf, grantable, isFound, makerOf, mayOf, missingOf, roleGives, stateOf, type Wanted } from './keys'

const now = Date.parse('2026-03-01T12:00:00Z')
const key = (more: Partial<APIKey> = {}): APIKey => ({ id: 'k_1', name: 'ci', created: '2026-01-01T00:00:00Z', permissions: [], tokens: [{ begins: 'mr_key_a', created: '2026-01-01T00:00:00Z' }], ...more })
const wanted: Wanted = { name: ' ci ', role: 'editor', picked: [], lasts: '90', until: '', all: false, server: false }

test('a key says how it is', () => {
  expect(stateOf(key(), now).word).toBe('Works')
  expect(stateOf(key({ revoked: '2026-02-01T00:00:00Z', expires: '2026-01-02T00:00:00Z' }), now).word).toBe('Revoked')
  expect(stateOf(key({ expires: '2026-03-01T12:00:00Z' }), now).word).toBe('Expired')
  expect(stateOf(key({ expires: '2026-03-05T12:00:00Z' }), now).word).toBe('Expires soon')
  expect(stateOf(key({ tokens: [...key().tokens, ...key().tokens] }), now).word).toBe('Being rotated')
})

test('a key is found by its name, its id, or how a token begins', () => {
  const one = key({ name: 'Deploys from CI', id: 'k_4fj2' })
  expect(['', ' deploys ', 'K_4F', 'mr_key_a'].map((typed) => isFound(one, typed))).toEqual([true, true, true, true])
  expect(isFound(one, 'grafana')).toBe(false)
})

test('what a key may do is said in a few words', () => {
  expect(mayOf(key({ role: 'admin' }))).toBe('admin')
  expect(mayOf(key({ permissions: ['a:b', 'c:d'] }))).toBe('a:b, c:d')
  expect(mayOf(key({ permissions: ['a:b', 'c:d', 'e:f'] }))).toBe('a:b and 2 more')
})

test('a new key is asked for as the API wants it', () => {
  expect(bodyOf(wanted, now)).toEqual({ name: 'ci', role: 'editor', expires: '2026-05-30T12:00:00.000Z' })
  expect(bodyOf({ ...wanted, role: '', picked: ['query:run'], lasts: 'ever', all: true }, now)).toEqual({ name: 'ci', permissions: ['query:run'], all_environments: true })
  expect(bodyOf({ ...wanted, lasts: 'ever', all: true, server: true }, now)).toEqual({ name: 'ci', role: 'editor' })
})

test('what is missing is said', () => {
  expect(missingOf(wanted, now)).toBeUndefined()
  expect(missingOf({ ...wanted, name: ' ' }, now)).toBe('Give it a name')
  expect(missingOf({ ...wanted, role: '' }, now)).toBe('Pick what it may do')
  expect(missingOf({ ...wanted, lasts: 'day' }, now)).toBe('Pick a day')
  expect(missingOf({ ...wanted, lasts: 'day', until: '2026-02-01' }, now)).toBe('That day has passed')
  expect(expiryOf({ lasts: 'ever', until: '' }, now)).toBeUndefined()
})

test('a key of one environment has nothing of the workspace', () => {
  expect(grantable(true, false).every((p) => p.level === 'server')).toBe(true)
  expect(grantable(false, false).some((p) => p.name === 'audit:read')).toBe(false)
  expect(roleGives('admin', false, true).some((p) => p.name === 'audit:read')).toBe(true)
  expect(roleGives('viewer', false, true).some((p) => p.name === 'query:run')).toBe(false)
})

test('who made a key has a name', () => {
  const called = (id: string) => ({ p_1: 'Ada', k_2: 'CI' })[id]
  expect(makerOf('person p_1', called)).toBe('Ada')
  expect(makerOf('person p_9', called)).toBe('someone who is no member any more')
  expect(makerOf('key k_2', called)).toBe('the key CI')
  expect(makerOf('key k_9', called)).toBe('another key')
  expect(makerOf('local', called)).toBe('someone on the machine of millrace dev')
})
