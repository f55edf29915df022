import { expect, test } from 'vitest'
import { browserOf, byPerson, levels } from './members'
import { sectionsOf } from './sections'

test('a person is one line, with all roles', () => {
  const line = { person: 'p_1', name: 'Ada', email: 'ada@example.com', since: '2026-01-02T00:00:00Z' }
  const [ada, ...rest] = byPerson([{ ...line, role: 'viewer' }, { ...line, role: 'editor', environment: 'e_1', since: '2026-01-01T00:00:00Z' }])
  expect(rest).toEqual([])
  expect(ada).toMatchObject({ since: '2026-01-01T00:00:00Z', roles: [{ role: 'viewer' }, { role: 'editor', environment: 'e_1' }] })
})

test('browsers are named', () => {
  expect(browserOf('Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36')).toBe('Chrome on Linux')
  expect(browserOf('curl/8.1')).toBe('curl')
  expect(browserOf(undefined)).toBe('unknown')
})

test('permissions are by what they are about', () => {
  expect(levels('server').flatMap((l) => l.permissions).every((p) => p.level === 'server')).toBe(true)
  expect(levels('workspace').some((l) => l.permissions.some((p) => p.level === 'server'))).toBe(false)
})

test('sections are those that one can use', () => {
  const session = { authenticated: true, login: 'password', mail: false, mode: 'serve', permissions: ['member:read'], server_permissions: [], roles: [], setup_needed: false, space: 'default', workspace: 'default' } as const
  const titles = (s: Parameters<typeof sectionsOf>[0]) => sectionsOf(s).map((x) => x.title)
  expect(titles({ ...session, permissions: [...session.permissions], server_permissions: [], roles: [] })).toEqual(['Members'])
  expect(titles(undefined)).toEqual([])
})
