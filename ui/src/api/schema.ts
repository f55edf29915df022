// Generated from docs/reference/openapi.json by npm run api. DO NOT EDIT.

export interface Alive {
  status: string
}

export interface ArchiveStatus {
  files?: number
  location: string
  problem?: string
  size_bytes?: number
  /** Everything up to here is archived. */
  through: string
}

export interface DedupStatus {
  duplicates: number
  /** IDs in the index. */
  ids?: number
  size_bytes?: number
  /** Everything up to here is judged. */
  through: string
}

export interface DuplicateCounts {
  /** How many of them are duplicates. */
  duplicates: number
  /** Records of the ranges that are judged. Fewer than asked for when verdicts have left with the log. */
  judged: number
}

export interface DuplicateQuestion {
  /** From the answers of intake: each answer's Millrace-Position and how many records it took. */
  ranges: Range[]
}

export interface ErrorDetail {
  /** Where the error occurred, e.g. 'body.items[3].tags' or 'path.thing-id' */
  location?: string
  /** Error message text */
  message?: string
  /** The value at the given location */
  value?: unknown
}

export interface Health {
  parts: Part[]
  ready: boolean
}

export interface Job {
  /** How much is done, in units. */
  done: number
  /** Why it failed, and what to do. */
  error?: string
  /** When it ended; absent while it runs. */
  finished?: string
  /** The job's ID. */
  id: string
  /** What is done: warehouse.rebuild, archive.verify, log.verify. */
  kind: string
  /** What happens at this moment. */
  message?: string
  /** What came out, once it is done. Its fields depend on the kind. */
  result?: unknown
  /** When it began. */
  started: string
  /** How it stands. */
  state: 'running' | 'done' | 'failed' | 'canceled'
  /** How much there is to do, in units; 0 when that is not known. */
  total: number
  /** What done and total count. */
  unit?: string
}

export interface JobList {
  jobs: Job[]
}

export interface LogStatus {
  /** How far last_time is ahead of the machine's clock, when it is more than five minutes: the clock is wrong, or was. */
  ahead_seconds?: number
  backend: string
  first: string
  first_time?: string
  /** Of its disk. */
  free_bytes?: number
  last: string
  last_time?: string
  /** What an acknowledgement is worth. */
  promise: string
  /** Why intake is refused at this moment. */
  refusing?: string
  /** Free space below which intake is refused. */
  reserve_bytes?: number
  retention_seconds: number
  size_bytes: number
  /** Above it the oldest archived records leave earlier. */
  size_limit_bytes?: number
}

export interface Part {
  name: string
  ready: boolean
  /** Why it is not ready. */
  reason?: string
  /** Whether the server is not ready without it. */
  required: boolean
}

export interface Problem {
  /** What happened and what to do, for people. */
  detail: string
  /** What is wrong with the request, one by one. */
  errors?: ErrorDetail[]
  /** Of kind gone: where the log begins. */
  first?: string
  /** What sort of problem it is, for programs. */
  kind: 'internal' | 'invalid' | 'unauthorized' | 'forbidden' | 'not_found' | 'conflict' | 'too_large' | 'limited' | 'unavailable' | 'gone' | 'ahead' | 'canceled'
  /** Of kind ahead: where the log ends. */
  last?: string
  /** The request's ID, which the server's log has too. */
  request_id?: string
  /** The HTTP status. */
  status: number
  /** The status in words. */
  title: string
  /** Always about:blank: the kind says what sort of problem it is. */
  type?: string
}

export interface ProjectStatus {
  /** When the version that runs was read. */
  loaded: string
  /** Why a later edit does not run; the last good version goes on. */
  problems: string[]
}

export interface QueryBody {
  /** Wait until the tables hold everything up to this position, as intake's Millrace-Position gave it: read your own writes. */
  after?: string
  /** Most rows to return; 0 is the server's default. truncated says when there are more. */
  limit?: number
  /** Values for $1, $2 … or for ?: text, numbers, booleans and null. */
  params?: (string | number | boolean | null)[]
  /** One SELECT. It can only read. */
  sql: string
  /** When to give up, in milliseconds; 0 is the server's default. */
  timeout_ms?: number
}

export interface QueryColumn {
  name: string
  type: string
}

export interface QueryResult {
  columns: QueryColumn[]
  elapsed_ms: number
  /** What cut the result short: the rows before it are not all. The trailer Millrace-Error has its kind. */
  error?: Problem
  row_count: number
  /** Integers and decimals keep all their digits; times are RFC 3339 in UTC; blobs base64; floats that are no numbers "NaN", "Infinity" or "-Infinity". */
  rows: unknown[][]
  /** There were more rows than the limit. */
  truncated: boolean
}

export interface Range {
  /** How many records, up to and including the last. */
  count: number
  /** Position of the last record, as Millrace-Position says it. */
  last: string
}

export interface Reader {
  /** What may be asked of it: pause, resume, reset. */
  actions: string[]
  /** How long the oldest record has waited that is not done yet; 0 at the end of the log. */
  lag_seconds: number
  name: string
  /** Everything up to here is done and durable. */
  position: string
  /** Why it does not go on. */
  problem?: string
  /** failing: the last attempt failed and it goes on trying. */
  state: 'running' | 'paused' | 'failing' | 'stopped'
}

export interface ReaderList {
  readers: Reader[]
}

export interface ReaderReset {
  /** Go on with what follows this position; the very beginning when absent. */
  after?: string
}

export interface Rebuild {
  /** Only records received at this time or later. */
  from?: string
  /** Only this source; all when absent. */
  source?: string
  /** Only records received before this time. */
  until?: string
  /** Swap the new tables in even when they have fewer rows. */
  yes?: boolean
}

export interface Rejected {
  /** The field that is wrong. */
  field?: string
  id: string
  /** What became of it when it was last sent again. */
  outcome?: 'accepted' | 'partly accepted' | 'rejected'
  position: string
  /** What was received, when it is text. */
  raw?: string
  /** What was received, when it is not. */
  raw_base64?: string
  /** Why it was refused. */
  reason: string
  received_at: string
  source: string
  /** It was too large to keep whole. */
  truncated?: boolean
  /** What the route or the event said it is. */
  type?: string
}

export interface RejectedPage {
  /** Give it as cursor for what follows; empty at the end. */
  cursor: string
  rejected: Rejected[]
}

export interface ResendBody {
  /** The event to send in place of what was received. */
  body?: unknown
}

export interface Resent {
  /** Records taken whose ID was there before, as far as that is known within two seconds. */
  duplicates?: number
  /** Of the new record; when it was rejected again, of the new rejected record. */
  id: string
  /** duplicate: it was taken, and an earlier record has its ID. Of a batch: all of it was taken, a part, nothing that is new, nothing. */
  outcome: 'accepted' | 'partly accepted' | 'duplicate' | 'rejected'
  /** Where it lies in the log. */
  position?: string
  /** Why it, or a part of it, was rejected again. */
  reason?: string
  rejected_id: string
}

export interface Source {
  /** Distinct records. */
  accepted: number
  /** How long an ID keeps later records with the same ID from being counted. */
  dedup: string
  /** Records dropped since their ID was there before. */
  duplicates: number
  kind: string
  /** When the last record came in. */
  last_received?: string
  name: string
  /** Where a webhook posts to. */
  path?: string
  /** Records refused and kept. */
  rejected: number
  /** It used to receive and fell silent. */
  silent: boolean
  /** Keys to send with. They are public. */
  write_keys: string[]
}

export interface SourceList {
  sources: Source[]
}

export interface Status {
  archive?: ArchiveStatus
  dedup?: DedupStatus
  /** Whose settings apply. */
  environment?: string
  log?: LogStatus
  mode: 'dev' | 'serve'
  /** The project's name. */
  name: string
  /** What an operator should know: a limit that was reached, a source that fell silent. */
  notices: string[]
  /** What is wrong at this moment, for people; empty when all is well. */
  problems: string[]
  project?: ProjectStatus
  readers: Reader[]
  /** As /readyz says. */
  ready: boolean
  sources: Source[]
  started: string
  /** Of Millrace. */
  version: string
  warehouse?: WarehouseStatus
  workspace: string
}

export interface TailLine {
  /** As it was received. */
  body: unknown
  /** Name of a track event. */
  event?: string
  id: string
  /** The user or anonymous ID. */
  key?: string
  /** What intake added. */
  meta?: unknown
  occurred_at: string
  op: string
  position: string
  received_at: string
  /** received: it is in the log and not judged yet. */
  result: 'accepted' | 'duplicate' | 'rejected' | 'received'
  source: string
  /** track:EVENT, identify, page, screen, group, alias, stream:NAME, rejected, resent. */
  stream: string
}

export interface WarehouseStatus {
  backend: string
  /** Every table holds everything up to here. */
  committed: string
  /** How long the oldest record has waited that is not in all of its tables. */
  lag_seconds: number
  problem?: string
  /** Running now. */
  queries: number
  /** Of its process since the start. */
  restarts: number
  /** Memory of its process. */
  rss_bytes?: number
  size_bytes?: number
}

/** Every operation of the API, by its id. */
export interface Operations {
  /** Cancel a job */
  'cancel-job': {
    params: {
      /** The job's ID. */
      id: string
    }
    body: undefined
    answer: Job
  }
  /** Count the duplicates among records one has sent */
  'count-duplicates': {
    params: unknown
    body: DuplicateQuestion
    answer: DuplicateCounts
  }
  /** Get a job */
  'get-job': {
    params: {
      /** The job's ID. */
      id: string
    }
    body: undefined
    answer: Job
  }
  /** Get a rejected record */
  'get-rejected': {
    params: {
      /** The rejected record's ID. */
      id: string
    }
    body: undefined
    answer: Rejected
  }
  /** Get a source */
  'get-source': {
    params: {
      /** Name of the source. */
      source: string
    }
    body: undefined
    answer: Source
  }
  /** How the server is */
  'get-status': {
    params: unknown
    body: undefined
    answer: Status
  }
  /** List jobs, newest first */
  'list-jobs': {
    params: unknown
    body: undefined
    answer: JobList
  }
  /** List the readers of the log */
  'list-readers': {
    params: unknown
    body: undefined
    answer: ReaderList
  }
  /** List rejected records, newest first */
  'list-rejected': {
    params: {
      /** Only of this source. */
      source?: string
      /** Only whose reason contains this, in any case. */
      reason?: string
      /** Most records of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
      /** Wait, up to 5 seconds, until the list shows everything up to this position of the log, or with last everything that is in it now. */
      after?: string
    }
    body: undefined
    answer: RejectedPage
  }
  /** List the sources */
  'list-sources': {
    params: unknown
    body: undefined
    answer: SourceList
  }
  /** Pause a reader */
  'pause-reader': {
    params: {
      /** Name of the reader. */
      name: string
    }
    body: undefined
    answer: Reader
  }
  /** Ask the warehouse in SQL */
  'query': {
    params: unknown
    body: QueryBody
    answer: QueryResult
  }
  /** Whether the server can take work */
  'readyz': {
    params: unknown
    body: undefined
    answer: Health
  }
  /** Send a rejected record again */
  'resend-rejected': {
    params: {
      /** The rejected record's ID. */
      id: string
    }
    body: ResendBody
    answer: Resent
  }
  /** Make a reader begin again */
  'reset-reader': {
    params: {
      /** Name of the reader. */
      name: string
    }
    body: ReaderReset
    answer: Reader
  }
  /** Resume a paused reader */
  'resume-reader': {
    params: {
      /** Name of the reader. */
      name: string
    }
    body: undefined
    answer: Reader
  }
  /** Verify the archive */
  'start-archive-verification': {
    params: unknown
    body: undefined
    answer: Job
  }
  /** Verify the log */
  'start-log-verification': {
    params: unknown
    body: undefined
    answer: Job
  }
  /** Rebuild the warehouse from archive and log */
  'start-rebuild': {
    params: unknown
    body: Rebuild
    answer: Job
  }
  /** Follow records as they arrive */
  'tail': {
    params: {
      /** Only of this source. */
      source?: string
      /** Only track events of this name, or identify, page, screen, group, alias, rejected. */
      event?: string
      /** Only records whose body, ID or key contains this text, in any case. */
      grep?: string
      /** Begin with what follows this position, and miss nothing; when absent, with what arrives from now on. */
      after?: string
      /** End after so many records; 0 goes on until one of the two leaves. */
      limit?: number
    }
    body: undefined
    answer: TailLine
  }
}

/** Method and path of every operation. */
export const routes = {
  'cancel-job': ['DELETE', '/api/v1/jobs/{id}'],
  'count-duplicates': ['POST', '/api/v1/duplicates'],
  'get-job': ['GET', '/api/v1/jobs/{id}'],
  'get-rejected': ['GET', '/api/v1/rejected/{id}'],
  'get-source': ['GET', '/api/v1/sources/{source}'],
  'get-status': ['GET', '/api/v1/status'],
  'list-jobs': ['GET', '/api/v1/jobs'],
  'list-readers': ['GET', '/api/v1/readers'],
  'list-rejected': ['GET', '/api/v1/rejected'],
  'list-sources': ['GET', '/api/v1/sources'],
  'pause-reader': ['POST', '/api/v1/readers/{name}/pause'],
  'query': ['POST', '/api/v1/query'],
  'readyz': ['GET', '/readyz'],
  'resend-rejected': ['POST', '/api/v1/rejected/{id}/resend'],
  'reset-reader': ['POST', '/api/v1/readers/{name}/reset'],
  'resume-reader': ['POST', '/api/v1/readers/{name}/resume'],
  'start-archive-verification': ['POST', '/api/v1/archive/verifications'],
  'start-log-verification': ['POST', '/api/v1/log/verifications'],
  'start-rebuild': ['POST', '/api/v1/warehouse/rebuilds'],
  'tail': ['GET', '/api/v1/tail'],
} as const satisfies Record<keyof Operations, readonly [string, string]>
