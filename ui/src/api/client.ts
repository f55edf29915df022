// The one way in which the page asks the server: by operation of its API.
import { routes, type Operations, type Problem } from './schema'

export type OperationId = keyof Operations
type Params<K extends OperationId> = Operations[K]['params']
type Body<K extends OperationId> = Operations[K]['body']

/** What an operation is given: its parameters, and its body when it has one. */
export type Input<K extends OperationId> = (unknown extends Params<K> ? { params?: undefined } : object extends Params<K> ? { params?: Params<K> } : { params: Params<K> })
  & (Body<K> extends undefined ? { body?: undefined } : { body: Body<K> })

/** What an operation answers. */
export type Answer<K extends OperationId> = Operations[K]['answer']

/** A problem as the API tells it, or that the server was not reached. */
export class ProblemError extends Error {
  readonly kind: Problem['kind'] | 'unreachable'
  readonly title: string
  readonly detail: string
  readonly status: number
  readonly request_id?: string
  readonly errors?: Problem['errors']
  readonly conflict?: Problem['conflict']
  /** Of a query that is wrong: where in its text, from 1. */
  readonly line?: number
  readonly column?: number
  constructor(p: Omit<Problem, 'kind'> & { kind: Problem['kind'] | 'unreachable' }) {
    super(p.detail)
    this.kind = p.kind
    this.title = p.title
    this.detail = p.detail
    this.status = p.status
    this.request_id = p.request_id
    this.errors = p.errors
    this.conflict = p.conflict
    this.line = p.line
    this.column = p.column
  }
}

/** problemOf makes a problem of whatever was thrown. */
export function problemOf(thrown: unknown): ProblemError {
  if (thrown instanceof ProblemError) return thrown
  if (thrown instanceof TypeError && thrown.message.includes('dynamically imported module')) return new ProblemError({ kind: 'unreachable', status: 0, title: 'A part of the page could not be loaded', detail: 'The server does not answer, or it is of another version than this page: reload the page when it is back.' })
  return new ProblemError({ kind: 'internal', status: 0, title: 'The page failed', detail: `${thrown instanceof Error ? thrown.message : String(thrown)}. Reload the page; if it happens again, it is a mistake in Millrace.` })
}

const out = new Set<() => void>()

/** onSignedOut is told whenever the server wants a login. */
export function onSignedOut(told: () => void): () => void {
  out.add(told)
  return () => out.delete(told)
}

/** urlOf is where an operation is, with its parameters in path and query. */
export function urlOf<K extends OperationId>(id: K, params?: Params<K>): string {
  let path: string = routes[id][1]
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries((params ?? {}) as Record<string, unknown>)) {
    if (value === undefined || value === null || value === '') continue
    const written = Array.isArray(value) ? value.join(',') : String(value)
    if (path.includes(`{${name}}`)) path = path.replace(`{${name}}`, encodeURIComponent(written))
    else query.set(name, written)
  }
  const asked = query.toString()
  return asked ? `${path}?${asked}` : path
}

/** send asks and returns the answer whole; what is no success is thrown as a ProblemError. */
export async function send<K extends OperationId>(id: K, input: Input<K>, init: { signal?: AbortSignal; accept?: string } = {}): Promise<Response> {
  const headers: Record<string, string> = { Accept: init.accept ?? 'application/json' }
  if (input.body !== undefined) headers['Content-Type'] = 'application/json'
  let response: Response
  try {
    response = await fetch(urlOf(id, input.params as Params<K>), { method: routes[id][0], headers, signal: init.signal, body: input.body === undefined ? undefined : JSON.stringify(input.body) })
  } catch (thrown) {
    if (init.signal?.aborted) throw thrown
    throw new ProblemError({ kind: 'unreachable', status: 0, title: 'The server does not answer', detail: 'Millrace was not reached: it may be stopped or restarting, or the network is down. The page tries again by itself.' })
  }
  if (response.ok) return response
  const problem = await readProblem(response)
  if (problem.status === 401 && id !== 'start-session') for (const told of out) told()
  throw problem
}

async function readProblem(response: Response): Promise<ProblemError> {
  try {
    const told = await response.json() as Partial<Problem>
    if (typeof told.detail === 'string') {
      return new ProblemError({ ...told, kind: told.kind ?? 'internal', status: told.status ?? response.status, title: told.title ?? response.statusText, detail: told.detail, request_id: told.request_id ?? response.headers.get('X-Request-Id') ?? undefined })
    }
  } catch { /* it is no problem of ours: a proxy answered */ }
  return new ProblemError({ kind: response.status >= 500 ? 'unavailable' : 'invalid', status: response.status, title: `The answer was ${response.status} ${response.statusText}`.trim(), detail: 'Something between this page and Millrace answered in its place: look at the proxy, and try again.' })
}

/** call asks for an operation of the API. */
export async function call<K extends OperationId>(id: K, input: Input<K>, signal?: AbortSignal): Promise<Answer<K>> {
  const response = await send(id, input, { signal })
  const text = await response.text()
  return (text === '' ? undefined : exact.has(id) ? parse(text) : JSON.parse(text)) as Answer<K>
}

// JSON.parse with what each value was written as, which not every browser gives.
const parseWith = JSON.parse as (text: string, revive: (name: string, value: unknown, context?: { source?: string }) => unknown) => unknown

// These answer values of the warehouse, of which no digit may be lost.
const exact = new Set<string>(['read-result', 'sample-table', 'describe-result-column', 'chart-result', 'get-record'] satisfies OperationId[])

/** parse reads JSON; a number that a double would write otherwise (too many digits, a zero at the end) stays as it is written, as text. */
export function parse(text: string): unknown {
  if (!/\d{16}|\.\d*0[,\]}\s]/.test(text)) return JSON.parse(text)
  return parseWith(text, (_, value, context) => typeof value === 'number' && context?.source !== undefined && /^-?\d+(\.\d+)?$/.test(context.source) && String(value) !== context.source ? context.source : value)
}

/** curlOf writes the same request for a terminal. */
export function curlOf<K extends OperationId>(id: K, input: Input<K>, origin: string): string {
  const method = routes[id][0]
  const parts = ['curl', method === 'GET' ? '' : `-X ${method}`, shell(origin + urlOf(id, input.params as Params<K>))]
  if (input.body !== undefined) parts.push(`-H 'Content-Type: application/json' -d ${shell(JSON.stringify(input.body))}`)
  return parts.filter(Boolean).join(' ')
}

/** shell quotes a word for a shell. */
export function shell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/** signIn gives the admin token for a session; the browser keeps its cookie. */
export async function signIn(token: string): Promise<void> {
  await call('start-session', { body: { token } })
}

/** signOut ends the session. */
export async function signOut(): Promise<void> {
  await call('end-session', {})
  for (const told of out) told()
}
