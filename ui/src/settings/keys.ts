// What there is to say of API keys, and how a new one is asked for.
import type { APIKey, Operations } from '@/api/schema'
import type { Meaning } from '@/design/Badge'
import { permissions, type Permission, type Role } from '@/api/permissions'

export interface KeyState { word: string; meaning: Meaning; hollow?: boolean }

const soon = 7 * 86_400_000

/** stateOf says whether a key works, and whether that ends soon. */
export function stateOf(key: APIKey, now: number): KeyState {
  if (key.revoked) return { word: 'Revoked', meaning: 'neutral', hollow: true }
  const ends = key.expires ? Date.parse(key.expires) : Infinity
  if (ends <= now) return { word: 'Expired', meaning: 'bad' }
  if (key.tokens.length > 1) return { word: 'Being rotated', meaning: 'info' }
  if (ends - now < soon) return { word: 'Expires soon', meaning: 'warning' }
  return { word: 'Works', meaning: 'good' }
}

/** works says whether a key may still be used. */
export const works = (key: APIKey, now: number): boolean => !key.revoked && (!key.expires || Date.parse(key.expires) > now)

/** mayOf says in a few words what a key may do. */
export function mayOf(key: APIKey): string {
  if (key.role) return key.role
  if (key.permissions.length === 0) return 'nothing'
  return key.permissions.length <= 2 ? key.permissions.join(', ') : `${key.permissions[0] ?? ''} and ${key.permissions.length - 1} more`
}

/** whereOf says where a key works. */
export function whereOf(key: APIKey): string {
  if (key.server) return 'the server'
  return key.all_environments ? 'all environments' : key.environment_name ?? 'this environment'
}

/** isFound says whether a key is what is looked for: by name, id, or how a token of it begins. */
export function isFound(key: APIKey, typed: string): boolean {
  const wanted = typed.trim().toLowerCase()
  return [key.name, key.id, ...key.tokens.map((t) => t.begins)].some((text) => text.toLowerCase().includes(wanted))
}

/** makerOf says who made a key: by name, when called knows it. */
export function makerOf(maker: string, called: (id: string) => string | undefined = () => undefined): string {
  if (maker.startsWith('local')) return 'someone on the machine of millrace dev'
  const [kind = '', id = ''] = maker.split(' ')
  if (kind === 'person') return called(id) ?? 'someone who is no member any more'
  if (kind === 'key') return called(id) ? `the key ${called(id) ?? ''}` : 'another key'
  return maker.replace(/^system /, 'the ')
}

/** What is asked for when a key is made. */
export interface Wanted { name: string; role: Role | ''; picked: string[]; lasts: string; until: string; all: boolean; server: boolean }

/** How long keys last: days, for ever, or until a day. */
export const lasting = [{ value: '30', label: '30 days' }, { value: '90', label: '90 days' }, { value: '365', label: 'a year' }, { value: 'day', label: 'until a day' }, { value: 'ever', label: 'until it is revoked' }]

/** expiryOf is when a key ends, in milliseconds; undefined for never, NaN when the day is none. */
export function expiryOf({ lasts, until }: Pick<Wanted, 'lasts' | 'until'>, now: number): number | undefined {
  if (lasts === 'ever') return undefined
  if (lasts === 'day') return Date.parse(`${until}T23:59:59`)
  return now + Number(lasts) * 86_400_000
}

/** missingOf says what is still to be said before a key can be made. */
export function missingOf(wanted: Wanted, now: number): string | undefined {
  if (wanted.name.trim() === '') return 'Give it a name'
  if (wanted.role === '' && wanted.picked.length === 0) return 'Pick what it may do'
  const ends = expiryOf(wanted, now)
  if (ends !== undefined && Number.isNaN(ends)) return 'Pick a day'
  if (ends !== undefined && ends <= now) return 'That day has passed'
  return undefined
}

/** bodyOf is how the API is asked for it. */
export function bodyOf(wanted: Wanted, now: number): Operations['create-key']['body'] {
  const ends = expiryOf(wanted, now)
  return {
    name: wanted.name.trim(),
    ...(wanted.role ? { role: wanted.role } : { permissions: wanted.picked }),
    ...(ends === undefined ? {} : { expires: new Date(ends).toISOString() }),
    ...(wanted.all && !wanted.server ? { all_environments: true } : {}),
  }
}

/** grantable are the permissions that such a key can have. */
export function grantable(server: boolean, all: boolean): Permission[] {
  return permissions.filter((p) => server ? p.level === 'server' : p.level === 'environment' || (p.level === 'workspace' && (all || p.anywhere)))
}

/** roleGives are the permissions of a role there. */
export const roleGives = (role: Role, server: boolean, all: boolean): Permission[] => grantable(server, all).filter((p) => p.roles.includes(role))
