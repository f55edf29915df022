import { expect, test } from 'vitest'
import type { Workspace } from '@/api/schema'
import { apart, here, inSpace, noteSpace, pageOf, setHere, spaceIn } from '@/api/space'
import { urlOf } from '@/api/client'
import { found, linkTo, placesOf } from './spaces'

const environment = (name: string, main: boolean, state: 'active' | 'deleted' = 'active') => ({ name, address: main ? 'acme' : `acme@${name}`, space: `s${name}`, main, state, created: '2026-01-01T00:00:00Z' })
const workspace = (name: string, state: Workspace['state'] = 'active'): Workspace => ({ id: `w_${name}`, name, title: `The ${name}`, state, since: '', created: '', quotas: {}, old_names: [], environments: [environment('dev', false), environment('production', true), environment('gone', false, 'deleted')] })

test('the address of the page says in which space one is', () => {
  expect(['/w/acme@staging/live', '/w/acme', '/w/acme/', '/live', '/w/', '/warehouse', '/w/../live', '/w/a%2Fb/live', '/w/@staging/sources'].map(spaceIn)).toEqual(['acme@staging', 'acme', 'acme', '', '', '', '', '', '@staging'])
  expect([pageOf(''), pageOf('acme')]).toEqual(['', '/w/acme'])
})

test('the API is asked in it, but for what is about who asks', () => {
  setHere('acme@staging')
  expect(urlOf('get-source', { source: 'web' })).toBe('/api/v1/w/acme@staging/sources/web')
  expect(urlOf('list-workspaces')).toBe('/api/v1/workspaces')
  expect(urlOf('get-workspace', { workspace: 'x' })).toBe('/api/v1/workspaces/x')
  expect([urlOf('start-session'), urlOf('end-session'), urlOf('get-session')]).toEqual(['/api/v1/session', '/api/v1/session', '/api/v1/w/acme@staging/session'])
  expect([urlOf('get-profile'), urlOf('accept-invitation'), inSpace('/readyz')]).toEqual(['/api/v1/profile', '/api/v1/invitations/accept', '/readyz'])
  setHere('')
  expect([here(), urlOf('get-status')]).toEqual(['', '/api/v1/status'])
})

test('what the browser keeps of a space is found under its id', () => {
  expect(apart('drafts')).toBe('drafts')
  noteSpace('default')
  expect(apart('drafts')).toBe('drafts')
  noteSpace('1abc')
  expect(apart('drafts')).toBe('1abc.drafts')
  noteSpace('')
})

test('places to go to', () => {
  const places = placesOf([workspace('acme'), workspace('late', 'deleted'), workspace('owing', 'suspended')])
  expect(places.map((p) => `${p.workspace} ${p.environment} ${String(p.suspended)}`)).toEqual(['acme production false', 'acme dev false', 'owing production true', 'owing dev true'])
  expect(found(places, '').length).toBe(4)
  expect(found(places, 'owing dev')[0]).toMatchObject({ workspace: 'owing', environment: 'dev' })
  expect(found(places, 'zzz')).toEqual([])
})

test('one stays in the room, not at what was open in it', () => {
  const to = { space: 's1', address: 'acme@dev' }
  expect(['/', '/live', '/warehouse/web/tracks', '/settings/keys', '/sources/web/edit', '/setup'].map((path) => linkTo(to, path))).toEqual(['/w/acme@dev/', '/w/acme@dev/live', '/w/acme@dev/warehouse', '/w/acme@dev/settings/keys', '/w/acme@dev/sources', '/w/acme@dev/'])
  expect(linkTo({ space: 'default', address: 'default' }, '/live')).toBe('/live')
})
