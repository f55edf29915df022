// What a workspace used, by day, as charts have it.
import type { QuotaNotice, QuotaUse, Usage } from '@/api/schema'
import { bytes, duration, number } from '@/format/format'

export interface Measure { id: 'events' | 'rejected' | 'bytes' | 'query_seconds' | 'storage_bytes'; title: string; about: string; write: (n: number) => string; scale?: 'bytes' | 'seconds' }

/** measures are what is counted, in the order in which data travels. */
export const measures: readonly Measure[] = [
  { id: 'events', title: 'Events', about: 'taken in', write: number },
  { id: 'rejected', title: 'Rejected', about: 'kept aside', write: number },
  { id: 'bytes', title: 'Bytes taken in', about: 'with rejected records', write: bytes, scale: 'bytes' },
  { id: 'query_seconds', title: 'Query time', about: 'that queries ran', write: (n) => duration(n * 1000), scale: 'seconds' },
  { id: 'storage_bytes', title: 'Stored', about: 'in log, archive and warehouse', write: bytes, scale: 'bytes' },
]

const day = 86_400_000

/** dayText writes a day as the API has it. */
export const dayText = (at: number): string => new Date(at).toISOString().slice(0, 10)

/** daysOf are the days from one to another, both included. */
export function daysOf(from: string, to: string): string[] {
  const out: string[] = []
  for (let at = Date.parse(from); at <= Date.parse(to); at += day) out.push(dayText(at))
  return out
}

/** rangeOf is the last so many days, today included. Days begin at 0:00 UTC. */
export const rangeOf = (days: number, now: number): { from: string; to: string } => ({ from: dayText(now - (days - 1) * day), to: dayText(now) })

/** seriesOf are the values of a measure, a line for each environment; what is stored stays until it is measured again. */
export function seriesOf(usage: Usage[], days: string[], measure: Measure['id']): { name: string; values: (number | null)[] }[] {
  const at = new Map(days.map((d, i) => [d, i]))
  const lines = new Map<string, (number | null)[]>()
  for (const one of usage) {
    const i = at.get(one.day)
    if (i === undefined) continue
    let line = lines.get(one.environment)
    if (!line) lines.set(one.environment, line = days.map(() => measure === 'storage_bytes' ? null : 0))
    line[i] = one[measure]
  }
  if (measure === 'storage_bytes') {
    for (const line of lines.values()) for (let i = 1; i < line.length; i++) line[i] ??= line[i - 1] ?? null
  }
  return [...lines].map(([name, values]) => ({ name, values })).sort((a, b) => a.name.localeCompare(b.name))
}

/** totalOf is how much there was in all days; of what is stored, how much there is at the end. */
export function totalOf(series: { values: (number | null)[] }[], measure: Measure['id']): number {
  return series.reduce((sum, s) => sum + (measure === 'storage_bytes' ? s.values.findLast((v) => v !== null) ?? 0 : s.values.reduce<number>((n, v) => n + (v ?? 0), 0)), 0)
}

/** placesOf is where what is stored was when it was measured last, and in how many tables of events; undefined: it never was. */
export function placesOf(usage: Usage[]): { log: number; archive: number; warehouse: number; tables: number } | undefined {
  const last = new Map<string, Usage>()
  for (const one of usage) if (one.storage_bytes !== null && one.day >= (last.get(one.environment)?.day ?? '')) last.set(one.environment, one)
  if (last.size === 0) return undefined
  const sum = (of: (one: Usage) => number | null) => [...last.values()].reduce((n, one) => n + (of(one) ?? 0), 0)
  return { log: sum((u) => u.log_bytes), archive: sum((u) => u.archive_bytes), warehouse: sum((u) => u.warehouse_bytes), tables: sum((u) => u.event_tables) }
}

/** standingOf says how a quota stands now: it may have been raised since it was told. */
export function standingOf(use: QuotaUse): { meaning: 'good' | 'warning' | 'bad'; word: string; since?: string } {
  const percent = use.percent ?? 0
  if (percent >= 100) return { meaning: 'bad', word: 'Used up', since: use.used_up }
  if (percent >= 80) return { meaning: 'warning', word: 'Nearly used up', since: use.warned }
  return { meaning: 'good', word: 'Within it' }
}

/** earlierOf are the days on which quotas were nearly or wholly used up, each once with the most that was told. */
export function earlierOf(told: QuotaNotice[]): QuotaNotice[] {
  const most = new Map<string, QuotaNotice>()
  for (const one of told) if (one.percent > (most.get(`${one.day} ${one.quota}`)?.percent ?? 0)) most.set(`${one.day} ${one.quota}`, one)
  return [...most.values()].sort((a, b) => b.told.localeCompare(a.told))
}

/** shortDay writes 2026-11-03 as Nov 3. */
export function shortDay(text: string): string {
  return new Intl.DateTimeFormat('en-US', { month: 'short', day: 'numeric', timeZone: 'UTC' }).format(Date.parse(text))
}
