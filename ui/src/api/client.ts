// The one way in which the page asks the server: by operation of its API.
import { routes, type Operations, type Problem } from './schema'
import { inSpace } from './space'

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

/** Why one is out: the server wants a login, or there is no account any more. */
export type Out = 'ended' | 'removed'

const out = new Set<(why: Out) => void>()

/** onSignedOut is told whenever one is out. */
export function onSignedOut(told: (why: Out) => void): () => void {
  out.add(told)
  return () => out.delete(told)
}

/** tellSignedOut says that one is out. */
export function tellSignedOut(why: Out = 'ended'): void {
  for (const told of out) told(why)
}

// These are asked by whoever has the password or the link: that they are refused ends no session.
const atTheDoor = new Set<string>(['start-session', 'complete-setup', 'open-invitation', 'accept-invitation', 'request-password-reset', 'reset-password', 'confirm-email'] satisfies OperationId[])

// A session's changes carry a token that no other site can read.
let csrf = ''
const csrfHeader = 'Millrace-CSRF'

/** noteSession keeps what changes are sent with from now on. */
export function noteSession(session: { csrf?: string }): void {
  csrf = session.csrf ?? ''
}

// What the page asks by itself keeps no session from going idle.
const idleAfter = 60_000
let touched = Date.now()
if (typeof window !== 'undefined') for (const event of ['pointerdown', 'keydown', 'wheel']) window.addEventListener(event, () => { touched = Date.now() }, { passive: true, capture: true })

/** urlOf is where an operation is, with its parameters in path and query. */
export function urlOf<K extends OperationId>(id: K, params?: Params<K>): string {
  // Whoever signs in or out does so everywhere.
  let path: string = id === 'start-session' || id === 'end-session' ? routes[id][1] : inSpace(routes[id][1])
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

interface Init { signal?: AbortSignal; accept?: string }

/** send asks and returns the answer whole; what is no success is thrown as a ProblemError. */
export async function send<K extends OperationId>(id: K, input: Input<K>, init: Init = {}): Promise<Response> {
  const with_ = csrf
  const response = await ask(id, input, init)
  if (response.ok) return response
  const problem = await readProblem(response)
  // In another tab the session may have got another token meanwhile.
  if (problem.status === 403 && with_ !== '' && routes[id][0] !== 'GET' && await renewed(with_)) {
    const again = await ask(id, input, init)
    if (again.ok) return again
    throw await readProblem(again)
  }
  if (problem.status === 401 && !atTheDoor.has(id)) tellSignedOut()
  throw problem
}

async function ask<K extends OperationId>(id: K, input: Input<K>, init: Init): Promise<Response> {
  const headers: Record<string, string> = { Accept: init.accept ?? 'application/json' }
  if (input.body !== undefined) headers['Content-Type'] = 'application/json'
  if (csrf !== '' && routes[id][0] !== 'GET') headers[csrfHeader] = csrf
  if (Date.now() - touched > idleAfter) headers['Millrace-Background'] = '1'
  try {
    const response = await fetch(urlOf(id, input.params as Params<K>), { method: routes[id][0], headers, signal: init.signal, body: input.body === undefined ? undefined : JSON.stringify(input.body) })
    csrf = response.headers.get(csrfHeader) ?? csrf
    return response
  } catch (thrown) {
    if (init.signal?.aborted) throw thrown
    throw new ProblemError({ kind: 'unreachable', status: 0, title: 'The server does not answer', detail: 'Millrace was not reached: it may be stopped or restarting, or the network is down. The page tries again by itself.' })
  }
}

/** renewed says whether the session has another token than the one that was sent. */
async function renewed(before: string): Promise<boolean> {
  try {
    await call('get-session', {})
  } catch { return false }
  return csrf !== '' && csrf !== before
}

// What the words of HTTP mean to who reads them on a page.
const titles: Record<number, string> = {
  400: 'That is not right yet', 401: 'Sign in first', 403: 'You may not do this', 404: 'It is not there', 409: 'Something is in the way', 410: 'It is over', 413: 'That is too large',
  429: 'That was too much at once', 500: 'The server failed', 503: 'Not available just now',
}

async function readProblem(response: Response): Promise<ProblemError> {
  try {
    const told = await response.json() as Partial<Problem>
    if (typeof told.detail === 'string') {
      return new ProblemError({ ...told, kind: told.kind ?? 'internal', status: told.status ?? response.status, title: titles[response.status] ?? told.title ?? response.statusText, detail: told.detail, request_id: told.request_id ?? response.headers.get('X-Request-Id') ?? undefined })
    }
  } catch { /* it is no problem of ours: a proxy answered */ }
  return new ProblemError({ kind: response.status >= 500 ? 'unavailable' : 'invalid', status: response.status, title: `The answer was ${response.status} ${response.statusText}`.trim(), detail: 'Something between this page and Millrace answered in its place: look at the proxy, and try again.' })
}

/** call asks for an operation of the API. */
export async function call<K extends OperationId>(id: K, input: Input<K>, signal?: AbortSignal): Promise<Answer<K>> {
  const response = await send(id, input, { signal })
  const text = await response.text()
  const answer = (text === '' ? undefined : exact.has(id) ? parse(text) : JSON.parse(text)) as Answer<K>
  if (sessions.has(id)) noteSession(answer as Answer<'get-session'>)
  return answer
}

// These answer who is signed in.
const sessions = new Set<string>(['get-session', 'start-session', 'end-session', 'complete-setup', 'accept-invitation', 'reset-password', 'change-password', 'delete-account'] satisfies OperationId[])

// JSON.parse with what each value was written as, which not every browser gives.
const parseWith = JSON.parse as (text: string, revive: (name: string, value: unknown, context?: { source?: string }) => unknown) => unknown

// These answer values of the warehouse, of which no digit may be lost.
const exact = new Set<string>(['read-result', 'sample-table', 'describe-result-column', 'chart-result', 'get-record'] satisfies OperationId[])

/** parse reads JSON; a number that a double would write otherwise (too many digits, a zero at the end) stays as it is written, as text. */
export function parse(text: string): unknown {
  if (!/\d{16}|\.\d*0[,\]}\s]/.test(text)) return JSON.parse(text)
  return parseWith(text, (_, value, context) => typeof value === 'number' && context?.source !== undefined && /^-?\d+(\.\d+)?$/.test(context.source) && String(value) !== context.source ? context.source : value)
}

/** elsewhere is who asks, where no space is named. */
export async function elsewhere(signal?: AbortSignal): Promise<Answer<'get-session'>> {
  const response = await fetch(routes['get-session'][1], { headers: { Accept: 'application/json' }, signal })
  if (!response.ok) throw await readProblem(response)
  const answer = await response.json() as Answer<'get-session'>
  noteSession(answer)
  return answer
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

/** signOut ends the session. */
export async function signOut(): Promise<void> {
  await call('end-session', {})
  tellSignedOut()
}
