// Ranges of time as people type them.

export interface Range {
  /** Milliseconds since 1970. */
  from: number
  until: number
}

const sizes: Record<string, number> = {
  s: 1, sec: 1, second: 1, m: 60, min: 60, minute: 60, h: 3600, hr: 3600, hour: 3600,
  d: 86400, day: 86400, w: 604800, week: 604800, month: 2629800, mo: 2629800, y: 31557600, year: 31557600,
}

/**
 * parseRange understands "last 3h", "3 hours", "today", "yesterday",
 * "2026-01-31", "2026-01-31 10:00 to 2026-02-01" and "since 10:00". Days begin
 * at midnight in the zone. What it does not understand is undefined.
 */
export function parseRange(text: string, now: number, zone: string): Range | undefined {
  const typed = text.trim().toLowerCase()
  if (typed === 'today') return { from: midnight(now, zone), until: now }
  if (typed === 'yesterday') {
    const until = midnight(now, zone)
    return { from: midnight(until - 1, zone), until }
  }
  const last = /^(?:last\s+|past\s+)?(\d+(?:\.\d+)?)?\s*([a-z]+)$/.exec(typed)
  if (last) {
    const unit = last[2] ?? ''
    const size = sizes[unit] ?? sizes[unit.replace(/s$/, '')]
    if (size !== undefined && (last[1] !== undefined || typed.startsWith('last') || typed.startsWith('past'))) {
      return { from: now - Number(last[1] ?? 1) * size * 1000, until: now }
    }
  }
  const since = /^since\s+(.+)$/.exec(typed)
  if (since) {
    const from = moment(since[1] ?? '', now, zone)
    return from && from.at < now ? { from: from.at, until: now } : undefined
  }
  const between = typed.split(/\s+(?:to|until|–|—)\s+|\s+-\s+/)
  if (between.length === 2) {
    const from = moment(between[0] ?? '', now, zone)
    const until = moment(between[1] ?? '', now, zone)
    if (from && until && from.at < until.end) return { from: from.at, until: until.end }
    return undefined
  }
  const one = moment(typed, now, zone)
  return one?.wholeDay === true ? { from: one.at, until: one.end } : undefined
}

/** moment reads a date, a time of today, or both; end is the end of a whole day. */
function moment(text: string, now: number, zone: string): { at: number; end: number; wholeDay: boolean } | undefined {
  if (text === 'now') return { at: now, end: now, wholeDay: false }
  const match = /^(?:(\d{4})-(\d{2})-(\d{2}))?[t\s]*(?:(\d{1,2}):(\d{2})(?::(\d{2}))?)?$/.exec(text.trim())
  if (!match || text.trim() === '') return undefined
  const [, year, month, date, hour, minute, second] = match
  let start: number
  if (year !== undefined) {
    const utc = Date.UTC(Number(year), Number(month) - 1, Number(date))
    if (Number.isNaN(utc) || new Date(utc).getUTCDate() !== Number(date)) return undefined
    start = inZone(utc, zone)
  } else {
    start = midnight(now, zone)
  }
  if (hour === undefined) return { at: start, end: midnight(start + 26 * 3600_000, zone), wholeDay: true }
  if (Number(hour) > 23 || Number(minute) > 59) return undefined
  const at = start + ((Number(hour) * 60 + Number(minute)) * 60 + Number(second ?? 0)) * 1000
  return { at, end: at, wholeDay: false }
}

/** midnight is the beginning of the day of a time in a zone. */
export function midnight(at: number, zone: string): number {
  const local = at + offset(at, zone)
  return inZone(local - (((local % 86_400_000) + 86_400_000) % 86_400_000), zone)
}

/** inZone turns a wall clock, given as if it were UTC, into the time it is in the zone. */
function inZone(wall: number, zone: string): number {
  const first = wall - offset(wall, zone)
  return wall - offset(first, zone)
}

/** offset is how far the zone's clock is ahead of UTC at a time, in milliseconds. */
function offset(at: number, zone: string): number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' })
  const p: Record<string, number> = {}
  for (const part of format.formatToParts(at)) p[part.type] = Number(part.value)
  const wall = Date.UTC(p['year'] ?? 0, (p['month'] ?? 1) - 1, p['day'] ?? 1, p['hour'] ?? 0, p['minute'] ?? 0, p['second'] ?? 0)
  return wall - Math.floor(at / 1000) * 1000
}
