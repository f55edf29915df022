// How numbers, sizes, durations and times are written, everywhere in the page.

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const fine = new Intl.NumberFormat('en-US', { maximumFractionDigits: 3 })

/** What is written where there is nothing. */
export const nothing = '–'

/** number writes 53628 as 53,628 and 0.12345 as 0.123. */
export function number(n: number | bigint | undefined | null): string {
  if (n === undefined || n === null || (typeof n === 'number' && Number.isNaN(n))) return nothing
  if (typeof n === 'bigint' || Number.isInteger(n)) return whole.format(n)
  return fine.format(n)
}

const steps: [number, string][] = [[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e3, 'k']]

/** compact writes 53628 as 53.6k: at most three digits. */
export function compact(n: number | undefined): string {
  if (n === undefined || Number.isNaN(n)) return nothing
  const size = Math.abs(n)
  for (const [step, letter] of steps) {
    if (size >= step * 0.9995) return digits(n / step) + letter
  }
  return size === 0 || size >= 100 ? whole.format(n) : digits(n)
}

/** digits keeps three significant digits and no zeros behind them. */
function digits(n: number): string {
  const size = Math.abs(n)
  const places = size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2
  return String(Number(n.toFixed(places)))
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** bytes writes 1843200 as 1.76 MiB. */
export function bytes(n: number | undefined): string {
  if (n === undefined || Number.isNaN(n)) return nothing
  let value = n
  let unit = 0
  while (Math.abs(value) >= 1000 && unit < units.length - 1) { value /= 1024; unit++ }
  return `${unit === 0 ? whole.format(value) : digits(value)} ${units[unit] ?? ''}`
}

/** rate writes events a second. */
export function rate(perSecond: number | undefined): string {
  if (perSecond === undefined) return nothing
  return `${compact(perSecond < 10 ? Math.round(perSecond * 10) / 10 : Math.round(perSecond))}/s`
}

/** percent writes 0.1234 as 12.3 %; what is not none or all never looks like it. */
export function percent(share: number | undefined): string {
  if (share === undefined || Number.isNaN(share)) return nothing
  if (share > 0 && share < 0.001) return '<0.1 %'
  if (share < 1 && share > 0.999) return '>99.9 %'
  return `${digits(share * 100)} %`
}

/** duration writes a time span of milliseconds in its two largest units. */
export function duration(ms: number | undefined): string {
  if (ms === undefined || Number.isNaN(ms)) return nothing
  if (ms < 0) return `-${duration(-ms)}`
  if (ms < 1) return ms === 0 ? '0 s' : `${digits(ms)} ms`
  if (ms < 1000) return `${Math.round(ms)} ms`
  const seconds = ms / 1000
  if (seconds < 60) return `${digits(seconds)} s`
  return pair(Math.round(seconds))
}

const spans: [number, string][] = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']]

function pair(seconds: number): string {
  for (const [i, [size, unit]] of spans.entries()) {
    if (seconds < size) continue
    const next = spans[i + 1]
    const rest = next ? Math.floor((seconds % size) / next[0]) : 0
    return `${whole.format(Math.floor(seconds / size))} ${unit}${next && rest > 0 ? ` ${rest} ${next[1]}` : ''}`
  }
  return '0 s'
}

/** relative writes how long ago, or ahead, a time is: "now", "12 s ago", "in 3 h". */
export function relative(at: number, now: number): string {
  const seconds = Math.round((now - at) / 1000)
  const size = Math.abs(seconds)
  if (size < 2) return 'now'
  const steps: [number, string][] = [[31557600, 'y'], [2629800, 'mo'], [86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']]
  for (const [span, unit] of steps) {
    if (size >= span) {
      const text = `${Math.floor(size / span)} ${unit}`
      return seconds > 0 ? `${text} ago` : `in ${text}`
    }
  }
  return 'now'
}

const formats = new Map<string, Intl.DateTimeFormat>()

function parts(at: number, zone: string): Record<string, string> {
  let format = formats.get(zone)
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit',
      hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, timeZoneName: 'short' })
    formats.set(zone, format)
  }
  const out: Record<string, string> = {}
  for (const part of format.formatToParts(at)) out[part.type] = part.value
  return out
}

/** exact writes a time to the millisecond with its zone: 2026-01-31 10:15:01.210 UTC. */
export function exact(at: number, zone: string): string {
  if (Number.isNaN(at)) return nothing
  const p = parts(at, zone)
  return `${p['year']}-${p['month']}-${p['day']} ${p['hour']}:${p['minute']}:${p['second']}.${p['fractionalSecond']} ${p['timeZoneName']}`
}

/** minute writes a time to the minute with its zone: 2026-01-31 10:15 UTC. */
export function minute(at: number, zone: string): string {
  if (Number.isNaN(at)) return nothing
  const p = parts(at, zone)
  return `${p['year']}-${p['month']}-${p['day']} ${p['hour']}:${p['minute']} ${p['timeZoneName']}`
}

/** clock writes the time of day: 10:15:01, with milliseconds where they matter. */
export function clock(at: number, zone: string, milliseconds = false): string {
  if (Number.isNaN(at)) return nothing
  const p = parts(at, zone)
  return `${p['hour']}:${p['minute']}:${p['second']}${milliseconds ? `.${p['fractionalSecond']}` : ''}`
}

/** day writes the date: 2026-01-31. */
export function day(at: number, zone: string): string {
  const p = parts(at, zone)
  return `${p['year']}-${p['month']}-${p['day']}`
}

/** zoneName is how a zone calls itself at a time: UTC, GMT+1. */
export function zoneName(zone: string, at: number): string {
  return parts(at, zone)['timeZoneName'] ?? zone
}

/** shortId keeps the two ends of a long id, which tell ids apart. */
export function shortId(id: string, length = 14): string {
  if (id.length <= length) return id
  const tail = Math.floor((length - 1) / 2)
  return `${id.slice(0, length - 1 - tail)}…${id.slice(id.length - tail)}`
}

/** position writes where a record is in the log; one at the end of a frame says so. */
export function position(text: string): string {
  return text.replace(/-2147483647$/, '-end')
}

/** plural writes "1 event", "2 events". */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${number(n)} ${n === 1 ? one : many}`
}

/** sentence makes the first letter large, but not of a name such as userId. */
export function sentence(text: string): string {
  if (/^[a-z]+([A-Z_./]|\d)/.test(text)) return text
  return text.charAt(0).toUpperCase() + text.slice(1)
}
