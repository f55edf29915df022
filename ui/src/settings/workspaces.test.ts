import { expect, test } from 'vitest'
import type { KnownSession } from '@/api/queries'
import { deletedUntil, mayIn, nameProblem, quotas, quotaText, readQuota, writeQuota } from './workspaces'

test('what somebody may do elsewhere follows from their roles there', () => {
  const session: KnownSession = { authenticated: true, login: 'password', mail: false, mode: 'serve', setup_needed: false, space: 's1', workspace: 'w1', permissions: ['usage:read'], server_permissions: ['workspace:suspend'], roles: [{ workspace: 'w2', role: 'owner' }, { workspace: 'w3', role: 'admin', environment: 's3' }] }
  expect([mayIn(session, 'w1', 'usage:read'), mayIn(session, 'w1', 'workspace:update'), mayIn(session, 'w2', 'workspace:delete'), mayIn(session, 'w9', 'workspace:delete'), mayIn(session, 'w9', 'workspace:suspend')]).toEqual([true, false, true, false, true])
  expect([mayIn(session, 'w3', 'workspace:update'), mayIn(session, 'w3', 'usage:read'), mayIn(undefined, 'w1', 'usage:read')]).toEqual([false, true, false])
})

test('it is said until when what was deleted can be had back', () => {
  expect(deletedUntil('acme', '2026-03-09T09:00:30Z', 'UTC')).toBe('acme is deleted; it can be had back until 2026-03-09 09:00 UTC')
  expect(deletedUntil('acme', undefined, 'UTC')).toBe('acme is deleted')
})

test('names of workspaces', () => {
  expect(['', 'acme', 'Acme', '1st', 'a', 'x'.repeat(41), 'there'].map((n) => nameProblem(n, ['there'], 40) === undefined)).toEqual([true, true, false, false, false, false, false])
})

test('quotas are typed as people write them', () => {
  expect(readQuota('events_per_day', '1,000,000')).toBe(1_000_000)
  expect(readQuota('events_per_day', '2.5M')).toBe(2_500_000)
  expect(readQuota('bytes_per_day', '20 GiB')).toBe(20 * 1024 ** 3)
  expect(readQuota('query_seconds_per_day', '2 h')).toBe(7200)
  expect(readQuota('members', '')).toBeUndefined()
  expect([readQuota('members', 'many'), readQuota('events_per_day', '3 GiB'), readQuota('sources', '-1')]).toEqual([NaN, NaN, NaN])
  for (const { quota } of quotas) for (const value of [0, 7, 3600, 90, 1024 ** 3, 1_500_000]) expect(readQuota(quota, writeQuota(quota, value))).toBe(value)
  expect(quotaText({ events_per_day: 1000, storage_bytes: 1024 ** 3 })).toBe('1,000 events a day, 1 GiB stored')
})
