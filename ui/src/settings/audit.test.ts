import { expect, test } from 'vitest'
import type { AuditEntry } from '@/api/schema'
import { actorOf, commandOf, filterOf, objectOf, pretty, versionOf } from './audit'

const now = Date.parse('2026-03-01T12:00:30Z')

test('a range that ends now has no end', () => {
  const filter = filterOf({ q: 'ada', of: 'server' }, { from: now - 3600_000, until: now }, now)
  expect(filter).toEqual({ q: 'ada', server: true, from: '2026-03-01T11:00:00.000Z' })
  expect(filterOf({}, { from: now - 7200_000, until: now - 3600_000 }, now).until).toBe('2026-03-01T11:00:30.000Z')
})

test('the same is asked in a terminal, whatever the words are', () => {
  expect(commandOf({ q: "x'; rm", action: 'key', server: true })).toBe(`millrace audit list --text 'x'\\''; rm' --action key --of-server`)
})

test('fields are in order', () => {
  expect(pretty({ b: 1, a: [{ d: 1, c: 2 }] })).toBe(pretty({ a: [{ c: 2, d: 1 }], b: 1 }))
  expect(pretty(undefined)).toBe('')
})

test('people read names, not ids', () => {
  const entry = (more: Partial<AuditEntry>): AuditEntry => ({ action: 'release.deploy', actor: 'Ada', actor_kind: 'person', number: 1, time: '', ...more })
  expect(objectOf(entry({ object_kind: 'release', object_id: '7' }))).toBe('version 7')
  expect(objectOf(entry({ action: 'backup.take', object_kind: 'job', object_id: 'NLS2X' }))).toBe('a backup')
  expect(objectOf(entry({ object_kind: 'invitation', object_id: 'i_1', after: { email: 'ada@example.com' } }))).toBe('ada@example.com')
  expect(objectOf(entry({ object_kind: 'invitation', object_id: 'i_1', before: { role: 'viewer' } }))).toBe('an invitation')
  expect(objectOf(entry({ object: 'CI', object_kind: 'key', object_id: 'k_1' }))).toBe('CI')
  expect(actorOf(entry({ actor: '' }))).toBe('not signed in')
  expect(actorOf(entry({ erased: true }))).toBe('erased')
})

test('a deployment says which version', () => {
  expect(versionOf({ action: 'release.deploy', object_kind: 'release', object_id: '7' } as AuditEntry)).toBe(7)
  expect(versionOf({ action: 'file.save', object_kind: 'file', object_id: '7' } as AuditEntry)).toBeUndefined()
})
