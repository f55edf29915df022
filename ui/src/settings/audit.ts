// How the audit trail is asked for and written.
import type { AuditFilter } from '@/api/control'
import type { AuditEntry } from '@/api/schema'
import { shell } from '@/api/client'
import type { IconName } from '@/design/Icon'
import type { Range } from '@/format/range'

/** What stands in the address. */
export interface AuditSearch { q?: string; action?: string; actor?: string; object?: string; range?: string; of?: string; open?: string; verify?: string }

/** filterOf is what the API is asked for. The end of a range that ends now is left out: what happens meanwhile belongs to it. */
export function filterOf(search: AuditSearch, span: Range, now: number): AuditFilter {
  return {
    q: search.q, action: search.action, actor: search.actor, object: search.object, server: search.of === 'server' ? true : undefined,
    from: span.from > 0 ? new Date(Math.floor(span.from / 60_000) * 60_000).toISOString() : undefined,
    until: span.until < now - 30_000 ? new Date(span.until).toISOString() : undefined,
  }
}

/** commandOf asks the same in a terminal. */
export function commandOf(filter: AuditFilter): string {
  const flags: [string, string | undefined][] = [['text', filter.q], ['action', filter.action], ['actor', filter.actor], ['object', filter.object], ['from', filter.from], ['until', filter.until]]
  return ['millrace audit list', ...flags.flatMap(([flag, value]) => value ? [`--${flag} ${shell(value)}`] : []), ...(filter.server ? ['--of-server'] : [])].join(' ')
}

/** What entries are about: the first part of their action. */
export const kinds = ['archive', 'audit', 'email', 'environment', 'file', 'invitation', 'job', 'key', 'log', 'member', 'owner', 'password', 'person', 'reader', 'rejected', 'release', 'reset', 'secret', 'session', 'setup', 'warehouse', 'workspace']

/** pretty writes JSON with the names of fields in order, so that only what changed differs. */
export function pretty(value: unknown): string {
  return value === undefined ? '' : JSON.stringify(ordered(value), null, 2)
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [k, ordered(v)]))
}

export const actorIcons: Record<AuditEntry['actor_kind'], IconName> = { person: 'user', key: 'key', local: 'sql', system: 'status' }

export const actorWords: Record<AuditEntry['actor_kind'], string> = { person: 'a person', key: 'an API key', local: 'on the machine of millrace dev', system: 'the server itself' }

/** actorOf is who did it, by name. */
export const actorOf = (e: Pick<AuditEntry, 'actor' | 'erased'>): string => e.erased ? 'erased' : e.actor || 'not signed in'

/** objectOf is what something was done to: by name when it has one, and never an id that says nothing to people. */
export function objectOf(e: AuditEntry): string {
  if (e.object) return e.object
  switch (e.object_kind) {
    case 'release': return `version ${e.object_id ?? ''}`
    case 'job': return e.action.startsWith('backup.') ? 'a backup' : `a job: ${e.action.split('.')[0] ?? ''}`
    case 'invitation': return invited(e) ?? 'an invitation'
    default: return e.object_id ?? ''
  }
}

/** versionOf is the version that an entry says was deployed. */
export function versionOf(e: AuditEntry): number | undefined {
  const version = e.object_kind === 'release' && e.action === 'release.deploy' ? Number(e.object_id) : NaN
  return Number.isInteger(version) && version > 0 ? version : undefined
}

/** invited is for whom an invitation is, as far as the entry says it. */
function invited(e: AuditEntry): string | undefined {
  for (const value of [e.after, e.before]) {
    if (typeof value === 'object' && value !== null && 'email' in value && typeof value.email === 'string' && value.email !== '') return value.email
  }
  return undefined
}
