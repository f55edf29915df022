// What the form of a source shows, read from the JSON Schema of its file: a field
// that the server learns is in the form without a change here.
import { sentence } from '@/format/format'

export type Control = 'text' | 'secret' | 'number' | 'flag' | 'choice' | 'list' | 'map' | 'group'

export interface Field {
  path: string[]
  /** As the file and its problems name it: "limits.rate". */
  id: string
  label: string
  hint: string
  control: Control
  /** What holds when the file says nothing. */
  fallback?: string
  /** All that it may be, or that the values of a map may be. */
  options: string[]
  /** Some of what it may be. */
  offers: string[]
  required: boolean
  /** Of a group. */
  fields: Field[]
}

export interface Section { title: string; about?: string; fields: Field[] }

/** A Node is what the form reads of a JSON Schema. */
interface Node {
  type?: string
  description?: string
  default?: unknown
  const?: unknown
  enum?: unknown[]
  examples?: unknown[]
  pattern?: string
  properties?: Record<string, Node>
  additionalProperties?: Node | boolean
  items?: Node
  required?: string[]
  oneOf?: Node[]
}

const isNode = (value: unknown): value is Node => value !== null && typeof value === 'object' && !Array.isArray(value)
const variants = (schema: unknown): Node[] => isNode(schema) ? schema.oneOf ?? [schema] : []
const kindOf = (node: Node) => String(node.properties?.['kind']?.const ?? '')

/** kindsOf lists the kinds that a file may be of, with what each is. */
export function kindsOf(schema: unknown): { kind: string; about: string }[] {
  return variants(schema).map((v) => ({ kind: kindOf(v), about: sentence((v.properties?.['kind']?.description ?? '').replace(/^\w+: /, '')) })).filter((k) => k.kind !== '')
}

/** fieldsOf lists the fields of a file of that kind, but for the kind itself and what differs by environment. */
export function fieldsOf(schema: unknown, kind: string): Field[] {
  const variant = variants(schema).find((v) => kindOf(v) === kind)
  return variant ? fieldsIn(variant, []).filter((f) => f.id !== 'kind' && f.id !== 'environments') : []
}

/** order is which fields of a group are asked for first; the others follow by name. */
const order = ['header', 'secret', 'prefix', 'encoding', 'algorithm', 'timestamp_header', 'tolerance', 'payload', 'rate', 'burst', 'event_size', 'batch_size', 'batch_events', 'properties', 'depth', 'key_length', 'event_tables', 'columns', 'rejected_rate']

function rank(name: string): number {
  const at = order.indexOf(name)
  return at < 0 ? order.length : at
}

function fieldsIn(node: Node, path: string[]): Field[] {
  return Object.entries(node.properties ?? {}).sort(([a], [b]) => rank(a) - rank(b)).map(([name, n]) => {
    const inner = isNode(n.additionalProperties) ? n.additionalProperties : n.items ?? n
    const at = [...path, name]
    const control = controlOf(n)
    return {
      path: at, id: at.join('.'), label: labelOf(name), hint: n.description ?? '', control,
      fallback: n.default === undefined ? undefined : String(n.default),
      options: (inner.enum ?? []).map(String), offers: control === 'secret' ? [] : (inner.examples ?? []).map(String),
      required: node.required?.includes(name) ?? false, fields: control === 'group' ? fieldsIn(n, at) : [],
    }
  })
}

function controlOf(node: Node): Control {
  if (node.properties) return 'group'
  if (node.enum) return 'choice'
  if (node.pattern?.includes('secret:')) return 'secret'
  switch (node.type) {
    case 'array': return 'list'
    case 'object': return 'map'
    case 'boolean': return 'flag'
    case 'integer': case 'number': return 'number'
    default: return 'text'
  }
}

const labels: Record<string, string> = {
  id: 'ID', cors_origins: 'Web origins', dedup: 'Duplicates', types: 'Column types', addresses: 'Store addresses of clients', browser: 'Comes from users’ devices',
  user: 'User ID', rate: 'Events a second', rejected_rate: 'Rejected records a second', timestamp_header: 'Header with the time',
}

/** labelOf writes batch_size as Batch size. */
export const labelOf = (name: string): string => labels[name] ?? sentence(name.replaceAll('_', ' '))

/** layout is the order in which fields are asked for; those that it does not name follow. */
const layout: { title: string; about?: string; names: string[] }[] = [
  { title: 'Who may send', names: ['write_keys', 'signature', 'cors_origins'] },
  { title: 'What a delivery says', about: 'Expressions over body and headers, such as body.type or headers["x-github-event"].', names: ['event', 'id', 'user', 'time'] },
  { title: 'What is kept', names: ['dedup', 'types', 'browser', 'addresses'] },
  { title: 'Limits', about: 'Where nothing is said, those of millrace.yaml hold.', names: ['limits'] },
]

/** sectionsOf puts fields under headings. */
export function sectionsOf(fields: Field[]): Section[] {
  const left = new Map(fields.map((f) => [f.id, f]))
  const out: Section[] = []
  for (const { title, about, names } of layout) {
    const own = names.flatMap((name) => left.get(name) ?? [])
    for (const f of own) left.delete(f.id)
    if (own.length > 0) out.push({ title, about, fields: own })
  }
  if (left.size > 0) out.push({ title: 'More', fields: [...left.values()] })
  return out
}

/** A vendor signs its deliveries in a way of its own. */
export interface Vendor { id: string; title: string; signature: Record<string, string>; event?: string; eventID?: string }

export const vendors: Vendor[] = [
  { id: 'github', title: 'GitHub', signature: { header: 'X-Hub-Signature-256', prefix: 'sha256=' }, event: 'headers["x-github-event"]', eventID: 'headers["x-github-delivery"]' },
  { id: 'stripe', title: 'Stripe', signature: { header: 'Stripe-Signature', timestamp_header: 'Stripe-Signature', prefix: 'v1=' }, event: 'body.type', eventID: 'body.id' },
  { id: 'shopify', title: 'Shopify', signature: { header: 'X-Shopify-Hmac-Sha256', encoding: 'base64' }, event: 'headers["x-shopify-topic"]', eventID: 'headers["x-shopify-webhook-id"]' },
  { id: 'slack', title: 'Slack', signature: { header: 'X-Slack-Signature', timestamp_header: 'X-Slack-Request-Timestamp', prefix: 'v0=', payload: 'v0:{timestamp}:{body}' }, event: 'body.event.type', eventID: 'body.event_id' },
]

/** fileOf is where the file of a source is. */
export const fileOf = (name: string): string => `sources/${name}.yaml`

/** startOf is the text of a new source. */
export const startOf = (kind: string, key: string): string => `# yaml-language-server: $schema=../.millrace/schema/sources.json\nkind: ${kind}\nwrite_keys: [${key}]\n`

/** nameProblem says why a source may not have that name, as the server does. */
export function nameProblem(name: string, taken: string[]): string | undefined {
  if (name === '') return undefined
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(name)) return 'Use a–z, 0–9 and _, beginning with a letter, at most 63'
  if (taken.includes(fileOf(name))) return `There is a source ${name} already`
  return undefined
}
