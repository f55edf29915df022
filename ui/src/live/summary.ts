import type { TailLine } from '@/api/schema'

/** What a row of the list shows of a record. */
export interface Summary {
  number: number
  position: string
  result: TailLine['result']
  source: string
  name: string
  id: string
  key: string
  receivedAt: number
  preview: string
}

/** summarise makes a row of a record. */
export function summarise(number: number, line: TailLine): Summary {
  return { number, position: line.position, result: line.result, source: line.source, name: nameOf(line), id: line.id, key: line.result === 'rejected' ? '' : line.key ?? '', receivedAt: Date.parse(line.received_at), preview: reasonOf(line) ?? preview(line.body) }
}

/** nameOf is what a record is called: its event, or its kind and the name of the page. */
export function nameOf(line: TailLine): string {
  if (line.event) return line.event
  const name = line.body !== null && typeof line.body === 'object' && 'name' in line.body ? line.body.name : undefined
  return typeof name === 'string' && name !== '' ? `${line.stream} · ${name}` : line.stream
}

/** reasonOf says why a rejected record was. */
function reasonOf(line: TailLine): string | undefined {
  if (line.result !== 'rejected' || line.body === null || typeof line.body !== 'object' || !('reason' in line.body)) return undefined
  return String(line.body.reason)
}

const most = 240

/** preview writes the properties of an event in one line: total 42.5 · currency GBP. */
export function preview(body: unknown): string {
  if (body === null || typeof body !== 'object') return String(body ?? '').slice(0, most)
  const event = body as Record<string, unknown>
  const inner = [event['properties'], event['traits']].find((v) => v !== null && typeof v === 'object')
  const parts: string[] = []
  let length = 0
  for (const [key, value] of Object.entries(inner ?? event)) {
    if (inner === undefined && envelope.has(key)) continue
    const text = `${key} ${short(value)}`
    parts.push(text)
    length += text.length
    if (length > most) break
  }
  return parts.join(' · ').slice(0, most)
}

// What the other columns show already.
const envelope = new Set(['event', 'type', 'userId', 'anonymousId', 'messageId', 'name', 'timestamp', 'sentAt', 'originalTimestamp', 'context', 'integrations', 'writeKey', 'receivedAt'])

function short(value: unknown): string {
  if (Array.isArray(value)) return `[${value.length}]`
  if (value !== null && typeof value === 'object') return '{…}'
  return String(value)
}
