// Follows the tail, keeps the last records, and tells the list what it shows:
// however much comes in, the page hears ten times a second of what is seen.
import { problemOf, send } from '@/api/client'
import type { Operations, TailLine } from '@/api/schema'
import { setHere } from '@/api/space'
import { Meter, Splitter } from './lines'
import type { Connection, Filter, News, Order, Told } from './messages'
import { Ring } from './ring'
import { summarise, type Summary } from './summary'

const capacity = 20_000
const tick = 100
const fast = 1000 // records a second
const backlog = 200

const ring = new Ring<TailLine>(capacity)
let meter = new Meter()
let filter: Filter = {}
let view: Extract<Order, { kind: 'view' }> = { kind: 'view', top: undefined, skip: 0, count: 60 }
let connection: Connection = 'connecting'
let problem: Told['problem']
let dropped = 0
let position = '' // of the last record that came
let changed = true
let reading: AbortController | undefined

const post = (news: News) => { self.postMessage(news) }

/** held says that the paused list would lose its place if more came. */
const full = () => view.top !== undefined && ring.last - view.top > capacity * 0.8

function rows(): Summary[] {
  const top = (view.top ?? ring.last) - view.skip
  const out: Summary[] = []
  for (let n = top; n > top - view.count && n >= ring.first; n--) {
    const line = ring.get(n)
    if (line) out.push(summarise(n, line))
  }
  return out
}

function tell(): void {
  changed = false
  post({ kind: 'told', told: { first: ring.first, last: ring.last, rate: meter.rate(Date.now()), dropped, connection, problem }, rows: rows() })
}

const results = ['accepted', 'duplicate', 'rejected', 'received'] as const

function params(): Operations['tail']['params'] {
  const after = position || undefined
  return { source: filter.source, event: filter.event, user: filter.user, result: results.find((r) => r === filter.result), grep: filter.text, after, backlog: after === undefined ? backlog : undefined }
}

function take(text: string): void {
  const line = JSON.parse(text) as TailLine & { dropped?: number; error?: Omit<NonNullable<Told['problem']>, 'since'> }
  if (line.error) { problem = { ...line.error, since: Date.now() }; return }
  if (line.dropped !== undefined) { dropped += line.dropped; return }
  position = line.position
  ring.push(line)
  meter.add(1, Date.now())
  changed = true
}

/** read follows until the end of the answer. */
async function read(signal: AbortSignal): Promise<void> {
  const response = await send('tail', { params: params() }, { signal, accept: 'application/x-ndjson' })
  if (!response.body) return
  connection = 'live'
  problem = undefined
  changed = true
  const splitter = new Splitter()
  const text = response.body.pipeThrough(new TextDecoderStream()).getReader()
  for (;;) {
    // An answer that breaks off has ended: why, the next one says.
    const { done, value } = await text.read().catch((thrown: unknown) => {
      if (signal.aborted) throw thrown
      return { done: true, value: undefined } as const
    })
    if (done) return
    for (const line of splitter.add(value)) take(line)
    if (full()) {
      connection = 'held'
      changed = true
      reading?.abort()
      return
    }
  }
}

/** follow reads, and begins again where it was when the answer ends. */
async function follow(): Promise<void> {
  reading?.abort()
  const mine = reading = new AbortController()
  for (let wait = 500; !mine.signal.aborted; wait = Math.min(8000, wait * 2)) {
    connection = 'connecting'
    changed = true
    const before = ring.last
    try {
      await read(mine.signal)
    } catch (thrown) {
      if (mine.signal.aborted) return
      const told = problemOf(thrown)
      problem = { title: told.title, detail: told.detail, request_id: told.request_id, kind: told.kind, since: problem?.kind === told.kind ? problem.since : Date.now() }
      if (told.kind === 'gone' || told.kind === 'ahead') position = '' // go on with what arrives
      if (['unauthorized', 'invalid', 'not_found'].includes(told.kind)) { connection = 'waiting'; changed = true; return }
    }
    if (mine.signal.aborted) return
    if (ring.last > before) wait = 500
    connection = 'waiting'
    changed = true
    await new Promise((resolve) => setTimeout(resolve, wait))
  }
}

function clear(): void {
  ring.clear()
  meter = new Meter()
  dropped = 0
  problem = undefined
}

self.onmessage = ({ data }: MessageEvent<Order>) => {
  switch (data.kind) {
    case 'open':
      setHere(data.space)
      filter = data.filter
      position = ''
      clear()
      view = { kind: 'view', top: undefined, skip: 0, count: view.count }
      void follow()
      break
    case 'view':
      view = data
      if (connection === 'held' && !full()) void follow()
      tell()
      break
    case 'get':
      post({ kind: 'record', number: data.number, line: ring.get(data.number) })
      break
    case 'clear':
      clear()
      tell()
      break
  }
}

let ticks = 0
setInterval(() => {
  ticks++
  // What comes faster than anybody reads is told half as often, and the rest of the page stays quick.
  if (changed && ticks % 2 === 1 && meter.rate(Date.now()) > fast) return
  // The rate falls also while nothing comes.
  if (changed || ticks % 10 === 0) tell()
}, tick)
