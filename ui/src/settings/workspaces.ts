// Workspaces and their quotas, as the page shows them.
import { permissions } from '@/api/permissions'
import type { KnownSession } from '@/api/queries'
import type { Quotas, Workspace } from '@/api/schema'
import type { Meaning } from '@/design/Badge'
import { bytes, duration, minute, number } from '@/format/format'

/** mayIn says whether somebody may do something with a workspace. The server decides; this only leaves out what it would refuse. */
export function mayIn(session: KnownSession | undefined, workspace: string, permission: string): boolean {
  if (!session) return false
  if (session.everything === true || session.server_permissions.includes(permission)) return true
  if (session.workspace === workspace && session.permissions.includes(permission)) return true
  const known = permissions.find((p) => p.name === permission)
  return session.roles.some((r) => r.workspace === workspace && (r.environment === undefined || known?.anywhere === true) && (known?.roles.some((role) => role === r.role) === true || r.permissions?.includes(permission) === true))
}

/** nameProblem says why a workspace or an environment cannot be called so. */
export function nameProblem(name: string, taken: string[], most: number): string | undefined {
  if (name === '') return undefined
  if (!/^[a-z][a-z0-9-]*$/.test(name)) return 'Small letters, digits and -, beginning with a letter'
  if (name.length < 2) return 'At least two characters'
  if (name.length > most) return `At most ${most} characters`
  if (taken.includes(name)) return 'There is one of that name already'
  return undefined
}

/** stateOf is how a workspace is, in a word and a colour. */
export function stateOf(w: Pick<Workspace, 'state'>): { meaning: Meaning; word: string; hollow?: boolean } {
  switch (w.state) {
    case 'active': return { meaning: 'good', word: 'Active' }
    case 'suspended': return { meaning: 'warning', word: 'Suspended' }
    case 'deleted': return { meaning: 'bad', word: 'Deleted' }
    case 'purging': return { meaning: 'neutral', word: 'Goes for good', hollow: true }
  }
}

/** deletedUntil says that something was deleted, and until when it can be had back. */
export const deletedUntil = (name: string, purgeAfter: string | undefined, zone: string): string => purgeAfter === undefined ? `${name} is deleted` : `${name} is deleted; it can be had back until ${minute(Date.parse(purgeAfter), zone)}`

export type Quota = keyof Quotas

interface QuotaWords { quota: Quota; title: string; unit: string; daily: boolean; write: (n: number) => string; about: string }

const seconds = (n: number) => duration(n * 1000)

/** quotas are what can be limited, in the order in which data travels. */
export const quotas: readonly QuotaWords[] = [
  { quota: 'events_per_day', title: 'Events', unit: 'events a day', daily: true, write: number, about: 'Beyond it senders are told to come back when the next day begins.' },
  { quota: 'bytes_per_day', title: 'Taken in', unit: 'a day', daily: true, write: bytes, about: 'Bytes of events and rejected records. Beyond it senders are told to come back.' },
  { quota: 'query_seconds_per_day', title: 'Query time', unit: 'a day', daily: true, write: seconds, about: 'Beyond it queries are refused until the next day begins.' },
  { quota: 'storage_bytes', title: 'Stored', unit: '', daily: false, write: bytes, about: 'In log, archive and warehouse. Beyond it nothing is taken in.' },
  { quota: 'sources', title: 'Sources', unit: 'sources', daily: false, write: number, about: 'In all environments.' },
  { quota: 'event_tables', title: 'Event tables', unit: 'tables', daily: false, write: number, about: 'In all environments.' },
  { quota: 'members', title: 'Members', unit: 'people', daily: false, write: number, about: 'People, with invitations.' },
]

/** quotaText says what a workspace may use, in few words. */
export function quotaText(of: Quotas): string {
  return quotas.flatMap((q) => of[q.quota] === undefined ? [] : [`${q.write(of[q.quota] ?? 0)}${q.unit ? ` ${q.unit}` : ' stored'}`]).join(', ')
}

const sizes: Record<string, number> = { '': 1, b: 1, k: 1e3, kb: 1e3, kib: 1024, m: 1e6, mb: 1e6, mib: 1024 ** 2, g: 1e9, gb: 1e9, gib: 1024 ** 3, t: 1e12, tb: 1e12, tib: 1024 ** 4 }
const times: Record<string, number> = { '': 1, s: 1, min: 60, m: 60, h: 3600 }

/** readQuota reads what somebody typed: 1,000,000 or 1M, 20 GiB, 2 h. Nothing is no limit; NaN is what cannot be read. */
export function readQuota(quota: Quota, text: string): number | undefined {
  const typed = text.trim().replaceAll(',', '').replaceAll('_', '').toLowerCase()
  if (typed === '') return undefined
  const parts = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/.exec(typed)
  if (!parts) return NaN
  const unit = parts[2] ?? ''
  const size = quota === 'query_seconds_per_day' ? times[unit] : quota.includes('bytes') ? sizes[unit] : ['', 'k', 'm', 'g'].includes(unit) ? sizes[unit] : undefined
  return size === undefined ? NaN : Math.round(Number(parts[1]) * size)
}

/** writeQuota writes a quota so that readQuota reads the same. */
export function writeQuota(quota: Quota, value: number | undefined): string {
  if (value === undefined) return ''
  if (quota.includes('bytes')) {
    for (const [unit, size] of [['TiB', 1024 ** 4], ['GiB', 1024 ** 3], ['MiB', 1024 ** 2], ['KiB', 1024]] as const) if (value >= size && value % size === 0) return `${value / size} ${unit}`
  }
  if (quota === 'query_seconds_per_day' && value >= 60) {
    if (value % 3600 === 0) return `${value / 3600} h`
    if (value % 60 === 0) return `${value / 60} min`
  }
  return number(value)
}
