// Generated from docs/reference/openapi.json by npm run api. DO NOT EDIT.

export interface APIKey {
  /** It works in all environments of the workspace. */
  all_environments?: boolean
  created: string
  /** In which environment it works, by id; absent: in all of them, or on the server. */
  environment?: string
  environment_name?: string
  /** When it stops to work; never when absent. */
  expires?: string
  /** Of the key, whatever its tokens are. */
  id: string
  /** From where it was used last. */
  last_address?: string
  /** To half a minute; absent when it never was. */
  last_used?: string
  /** Who made it. */
  maker?: string
  /** What they are called; absent when they are gone. */
  maker_name?: string
  /** What it is for. */
  name: string
  /** Without a role: what it may do. */
  permissions: string[]
  /** When it was revoked. */
  revoked?: string
  /** It may do what this role may. */
  role?: string
  /** It is about the server as a whole, not about a workspace. */
  server?: boolean
  /** One, or while it is rotated the old one too. */
  tokens: KeyToken[]
}

export interface AccountBody {
  /** Their sessions end. */
  email?: string
  name?: string
  /** Whether they may not sign in. Their sessions end, and their keys do nothing meanwhile. */
  suspended?: boolean
}

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

export interface Attention {
  /** More of it. */
  detail?: string
  /** What to do. */
  do: string
  /** What it is about, the same as long as it lasts. */
  id: string
  /** Where in the page. */
  room: 'home' | 'sources' | 'live' | 'rejected' | 'warehouse' | 'project' | 'status'
  /** bad: something does not work; warning: it will not, or something is lost to someone; info: to know. */
  severity: 'bad' | 'warning' | 'info'
  /** Since when. */
  since?: string
  /** The source that it is about. */
  source?: string
  /** What is the matter. */
  title: string
  /** When it will be too late, as it goes now: of a disk, when intake will be refused. */
  until?: string
}

export interface AttentionList {
  /** The gravest first; empty when all is well. */
  items: Attention[]
}

export interface AuditEntry {
  /** What was done: object.verb. */
  action: string
  /** Its name then. */
  actor: string
  /** Of the person or key. */
  actor_id?: string
  /** local: who sits at a machine on which millrace dev runs. system: the server itself, and commands on its machine. */
  actor_kind: 'person' | 'key' | 'local' | 'system'
  /** From where on the network. */
  address?: string
  /** What is since, without secrets. */
  after?: unknown
  /** What the client calls itself. */
  agent?: string
  /** What was, without secrets. */
  before?: unknown
  /** By id. */
  environment?: string
  /** What it is called now. */
  environment_name?: string
  /** It was erased with its workspace: only its number and hash are left. */
  erased?: boolean
  note?: string
  /** In the trail, from 1, without gaps. */
  number: number
  /** Its name then, when that is not its id. */
  object?: string
  object_id?: string
  object_kind?: string
  /** Under which the server's log knows the request. */
  request_id?: string
  time: string
}

export interface AuditPage {
  /** The newest first. */
  entries: AuditEntry[]
  /** Give it as cursor for what follows; empty at the end. */
  next: string
}

export interface Backup {
  /** Distinct records that were ever taken by then. */
  accepted: number
  /** Whether the archive's files are in it; not when the archive is in S3. */
  archive_included: boolean
  /** Records in the archive by then. */
  archive_rows: number
  files: number
  id: string
  /** The ids of the master keys that a restore needs: they are not in it. */
  master_keys?: string[]
  /** Why it cannot be read. */
  problem?: string
  /** The name of the project. */
  project?: string
  /** How long taking it took. */
  seconds: number
  /** Of all that it holds. */
  size_bytes: number
  /** Of what was new, as it is stored. */
  stored_bytes: number
  /** When it was whole. */
  taken: string
  /** Every record up to here is in it. */
  through: string
  /** When the last of them was stored. */
  time?: string
  /** Of the Millrace that took it. */
  version?: string
}

export interface BackupBody {
  /** What millrace backup left in the server's data folder, to choose another place than the project's. */
  request?: string
}

export interface BackupList {
  /** The newest first. */
  backups: Backup[]
  /** How often one is taken; 0 when only on demand. */
  every_seconds: number
  /** Which stay when a new one is taken; empty: all. */
  keep: string
  /** When the next is due. */
  next?: string
  /** Why the last one failed, or why the place cannot be read. */
  problem?: string
  /** Where they are, without anything secret; empty when the project names no place. */
  target: string
}

export interface Bin {
  /** How many values lie in it. */
  count: number
  /** Where it begins; of times, in seconds since 1970. */
  from: number
  /** Where it ends, which only the last one includes. */
  until: number
}

export interface CatalogAnswer {
  /** Names of the engine's functions. */
  functions: string[]
  /** By schema and name. */
  tables: CatalogTable[]
}

export interface CatalogColumn {
  /** As queries name it. */
  name: string
  /** As the table's columns say it. */
  type: string
}

export interface CatalogTable {
  /** In their order. */
  columns: CatalogColumn[]
  /** As the list of tables says it. */
  kind: 'event' | 'call' | 'latest' | 'stream' | 'discards' | 'system' | 'other'
  /** The source, or millrace. */
  schema: string
  /** Its name. */
  table: string
}

export interface ChangePage {
  /** Newest first. */
  changes: SchemaChange[]
  /** Give it as cursor for what follows; empty at the end. */
  next: string
}

export interface CheckBody {
  /** Texts that are not saved yet, by path; null: as if the file were removed. */
  texts?: Record<string, string | null>
}

export interface Checked {
  /** By file, line and column; empty when all is well. */
  problems: FileProblem[]
}

export interface ColumnProfile {
  /** How many different values there are. */
  distinct: number
  /** Rows that have a value. */
  filled: number
  /** How many values lie where, of numbers and times. */
  histogram: Bin[]
  /** The greatest value; of texts, the last. */
  max?: unknown
  /** The least value; of texts, the first. */
  min?: unknown
  /** Of the column. */
  name: string
  /** Why more is not known. */
  problem?: string
  /** The most frequent values of text and truth values. */
  top: ValueCount[]
  /** Of the column. */
  type: string
}

export interface CompleteBody {
  /** Where, in characters, from 1. */
  column: number
  /** Where, from 1. */
  line: number
  /** Of the file. */
  path: string
  /** As it is now. */
  text: string
}

export interface Completed {
  /** In place of the characters of the line from here, from 1. */
  from: number
  /** What may be written. */
  items: Completion[]
  /** Up to here, not including it. */
  to: number
}

export interface Completion {
  /** What it is, in a paragraph. */
  doc: string
  /** To be written; may have several lines. */
  insert: string
  /** What it is. */
  kind: 'field' | 'value' | 'resource' | 'secret'
  /** To be shown. */
  label: string
}

export interface DedupStatus {
  duplicates: number
  /** IDs in the index. */
  ids?: number
  size_bytes?: number
  /** Everything up to here is judged. */
  through: string
}

export interface DeployPage {
  /** The newest first, those that failed too. */
  deploys: Deployment[]
  /** Give it as cursor for what follows; empty at the end. */
  next: string
}

export interface Deployment {
  author: string
  author_id?: string
  author_kind: string
  /** The version that ran before; 0: none. */
  base: number
  begun: string
  /** When its state changed last. */
  changed: string
  /** It is not under way any more. */
  done: boolean
  ended?: string
  /** Why it does not run. */
  error?: string
  id: string
  message: string
  /** In the environment, from 1. */
  number: number
  origin: string
  source?: number
  /** healthy: it runs. refused: its files have mistakes. rolled_back: the version before runs. stuck: neither could be applied, restart the server. All others: it is under way. */
  state: 'proposed' | 'validated' | 'switching' | 'checking' | 'reverting' | 'healthy' | 'refused' | 'rolled_back' | 'stuck'
  /** It ran already: nothing was done. */
  unchanged?: boolean
  /** The version; 0: it was not made one. */
  version: number
}

export interface DiffFile {
  binary?: boolean
  hunks?: DiffHunk[]
  mode?: string
  new?: string
  old?: string
  op: string
  path: string
}

export interface DiffHunk {
  lines: DiffLine[]
  new_line: number
  new_lines: number
  old_line: number
  old_lines: number
}

export interface DiffLine {
  op: string
  open?: boolean
  text: string
}

export interface Differences {
  /** Those that differ, by path. */
  files: DiffFile[]
  /** The version compared with; 0: none. */
  from: number
  /** The version asked for. */
  to: number
}

export interface Discard {
  /** Whose value it is; absent: the whole row. */
  column?: string
  /** Of the record. */
  id: string
  /** Of the record in the log. */
  position: string
  /** Why it does not fit. */
  reason: string
  /** When the record came in. */
  received_at?: string
  /** The value as text; a long one is cut. */
  value: string
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

export interface EditBody {
  /** One after another. */
  changes: FileChange[]
  /** Only answer the text and what would be wrong; save nothing. */
  dry?: boolean
  /** Of its text, as reading it said; absent for a new file. */
  etag?: string
  /** Why; where changes are versions. */
  message?: string
  /** Of the file. */
  path: string
  /** Changed in place of what the file says, such as what is being written; with dry only. */
  text?: string
  /** The version whose file was changed, as reading it said: with it, a conflict comes with both sides merged. */
  version?: number
}

export interface EmailBody {
  email: string
  /** The one that the account has. */
  password: string
}

export interface Environment {
  /** In paths: /api/v1/w/ADDRESS/… */
  address: string
  created: string
  /** It is the default one: the workspace's name alone means it. */
  main: boolean
  name: string
  /** What keeps it from being deleted for good; it is tried again. */
  problem?: string
  /** When it is deleted for good. */
  purge_after?: string
  /** Its id, which never changes, and which its records carry. */
  space: string
  state: 'active' | 'deleted' | 'purging'
}

export interface EnvironmentChange {
  /** Make it the default one. */
  main?: boolean
  name?: string
}

export interface ErrorDetail {
  /** Where the error occurred, e.g. 'body.items[3].tags' or 'path.thing-id' */
  location?: string
  /** Error message text */
  message?: string
  /** The value at the given location */
  value?: unknown
}

export interface EventDetail {
  /** Distinct events. */
  count: number
  /** Name of the event or stream, as it was sent; of other calls, the kind. */
  event: string
  /** When the first one came in. */
  first_seen?: string
  /** What call it is. */
  kind: 'track' | 'identify' | 'page' | 'screen' | 'group' | 'alias' | 'stream'
  /** When the last one came in. */
  last_seen?: string
  /** What its events bring, in the order of the table's columns. */
  properties: Property[]
  /** Where its table is. */
  schema: string
  /** The table with its properties; tracks when the source has as many as it may. */
  table: string
}

export interface EventPage {
  /** Those that match. */
  events: SourceEvent[]
  /** Give it as cursor for what follows; empty at the end. */
  next: string
}

export interface FileChange {
  /** set gives a value; append adds to a list; remove takes a field or item away. */
  op: 'set' | 'append' | 'remove'
  /** Names of fields, and numbers of items from 0, down to the value. */
  path: unknown[]
  /** What is set or appended. */
  value?: unknown
}

export interface FileConflict {
  /** Where they do not; ours is what was to be saved, theirs what the file says now. */
  conflicts?: MergeConflict[]
  /** Of that; absent when the file is gone. */
  etag?: string
  /** Both changes between marks, when they do not. */
  marked?: string
  /** Both changes, when they go together: look at it, and save it with this etag. */
  merged?: string
  /** Of the file. */
  path: string
  /** What it says now. */
  text: string
}

export interface FileList {
  /** Those are all; a project shows 10,000 at most. */
  complete: boolean
  /** By path. */
  files: ProjectFile[]
  /** What is saved is served at once; otherwise when the server is started again. */
  reloads: boolean
  /** The version that runs, where each change is one; absent where the files are those of a folder. */
  version?: number
}

export interface FilePlace {
  /** In characters, from 1. */
  column: number
  /** From 1. */
  line: number
  /** Names of fields, and numbers of items from 0, down to the value. */
  path: unknown[]
  /** It is written once and repeated by an alias or merge: it is better changed in the text. */
  shared?: boolean
}

export interface FileProblem {
  /** In characters, from 1; 0 as line. */
  column: number
  /** From 1; 0: it is of the file as a whole. */
  line: number
  /** What is wrong, and what to do. */
  message: string
  /** Of the file or folder. */
  path: string
}

export interface FileText {
  /** Of its text: to be given when it is saved. */
  etag: string
  /** Within the project. */
  path: string
  /** Its text. */
  text: string
  /** The version that it is of, where changes are versions: to be given when it is saved. */
  version?: number
}

export interface FileValues {
  /** Where each value stands, in the order of the text. */
  places: FilePlace[]
  /** Why it cannot be read; empty when it can. What its values mean is not looked at: see check. */
  problems: FileProblem[]
  /** What it says, in its order, as it is written: references to secrets stay references. Empty when it cannot be read. */
  values: unknown
}

export interface GroupPage {
  /** The largest first. */
  groups: RejectedGroup[]
  /** Give it as cursor for what follows; empty at the end. */
  next: string
}

export interface Health {
  parts: Part[]
  ready: boolean
}

export interface HistoryMark {
  /** When it happened. */
  at: string
  /** start, stop, reload, rebuild, version. */
  kind: string
  /** For people. */
  text: string
}

export interface HistoryPoint {
  /** When the step begins. */
  at: string
  /** The last. */
  last: number
  /** The greatest. */
  max: number
  /** The least. */
  min: number
  /** The mean; of a counter, by how much it grew. */
  value: number
}

export interface HistorySeries {
  /** counter: each point is by how much it grew in the step. */
  kind: 'gauge' | 'counter'
  /** What it is of: source, result, reader, route, quantile … */
  labels: Record<string, string>
  /** The metric, as /metrics has it. */
  name: string
  /** Oldest first; a step without samples has none. */
  points: HistoryPoint[]
  /** How long a step is. */
  step_seconds: number
  /** Of the values. */
  unit?: string
}

export interface Imported {
  /** Of them: they were there already, within the dedup window of their source, and count once. Absent when that is not known yet. */
  duplicates?: number
  /** Of the last one. */
  position: string
  /** That were taken, all on disk. */
  records: number
}

export interface Invitation {
  created: string
  /** Whom it is for; absent: whoever has the link. */
  email?: string
  /** In which environment, by id; absent: in all of them. */
  environment?: string
  environment_name?: string
  expires: string
  id: string
  /** Who made it: the id of a person or key. */
  maker?: string
  /** What they are called; absent when they are gone. */
  maker_name?: string
  role: string
  state: 'open' | 'accepted' | 'revoked' | 'expired'
}

export interface InvitationPage {
  /** The newest first; those that are over stay for a month. */
  invitations: Invitation[]
  /** Give it as cursor for what follows; empty at the end. */
  next: string
}

export interface InviteBody {
  /** How long it holds; default 7. */
  days?: number
  /** Only who has this address may accept; absent: whoever has the link. */
  email?: string
  /** Send the link to that address, when the server sends mail. */
  mail?: boolean
  /** No more than one's own. */
  role: 'owner' | 'admin' | 'editor' | 'analyst' | 'viewer'
}

export interface Job {
  /** Of a query that is wrong: where in the line, in characters, from 1. */
  column?: number
  /** How much is done, in units. */
  done: number
  /** Why it failed, and what to do. */
  error?: string
  /** Of what sort the error is, as the kind of a problem. */
  error_kind?: string
  /** When it ended; absent while it runs. */
  finished?: string
  /** The job's ID. */
  id: string
  /** What is done: warehouse.rebuild, archive.verify, log.verify, backup.take, backup.verify, query, table.profile, rejected.resend. */
  kind: string
  /** Of a query that is wrong: where in its text, from 1. */
  line?: number
  /** What happens at this moment. */
  message?: string
  /** What came out, once it is done. Its fields depend on the kind. */
  result?: unknown
  /** When it began. */
  started: string
  /** How it stands. */
  state: 'running' | 'done' | 'failed' | 'canceled'
  /** How much there is to do, in units; of warehouse.rebuild about, from how much of the log is read. 0 when that is not known. */
  total: number
  /** What done and total count. */
  unit?: string
}

export interface JobList {
  jobs: Job[]
}

export interface Journey {
  /** As it was received, with the result. */
  record: TailLine
  /** What the tables have of it. */
  rows: LoadedRow[]
  /** What happened to it, in order. */
  steps: Step[]
}

export interface KeyBody {
  /** It works in all environments of the workspace, not in this one alone. */
  all_environments?: boolean
  /** When it stops to work; never when absent. */
  expires?: string
  /** What it is for. */
  name: string
  /** What it may do, such as query:run; else give a role. */
  permissions?: string[]
  /** It may do what this role may; else name permissions. */
  role?: 'owner' | 'admin' | 'editor' | 'analyst' | 'viewer'
}

export interface KeyPage {
  /** The newest first; those that were revoked stay for a month. */
  keys: APIKey[]
  /** Give it as cursor for what follows; empty at the end. */
  next: string
}

export interface KeyToken {
  /** How the token begins: enough to know it by. */
  begins: string
  created: string
  /** Until when it works, after a rotation. */
  until?: string
}

export interface KeyWork {
  /** When it stops to work; never when absent. */
  expires?: string
  /** What it is for. */
  name: string
  /** What it may do, such as query:run; else give a role. */
  permissions?: string[]
  /** It may do what this role may; else name permissions. */
  role?: 'owner' | 'admin' | 'editor' | 'analyst' | 'viewer'
}

export interface LeaseStatus {
  /** Where the lease, and all metadata, is kept. */
  catalog: string
  /** Who has it. */
  holder: string
  /** Grows each time that a server takes it. */
  token: number
}

export interface LinkBody {
  /** What stands behind the # of the link. */
  token: string
}

export interface LinkedPerson {
  email?: string
  name?: string
  /** At least 15 characters. */
  password?: string
  /** What stands behind the # of the link. */
  token: string
}

export interface LoadedRow {
  /** When the row was written; a rebuild writes it anew. */
  loaded_at?: string
  /** Of the table. */
  schema: string
  /** Its name. */
  table: string
  /** The row, without columns that are null. */
  values: Record<string, unknown>
}

export interface LogAttr {
  /** Name of the value. */
  name: string
  /** The value as text. */
  value: string
}

export interface LogLine {
  /** What goes with it. */
  attrs: LogAttr[]
  /** How grave it is. */
  level: 'debug' | 'info' | 'warn' | 'error'
  /** What happened. */
  message: string
  /** Who says it; empty: the server itself. */
  part: string
  /** Number of the line since the start. */
  seq: number
  /** When it was written. */
  time: string
}

export interface LogPage {
  /** Number of the last line that was looked at: give it as after for what follows. */
  last: number
  /** Oldest first. */
  lines: LogLine[]
}

export interface LogStatus {
  /** How far last_time is ahead of the machine's clock, when it is more than five minutes: the clock is wrong, or was. */
  ahead_seconds?: number
  backend: string
  first: string
  first_time?: string
  /** Of its disk. */
  free_bytes?: number
  /** How long until free_bytes is down to reserve_bytes, as it went in the last hours; absent when the disk does not fill up. */
  full_in_seconds?: number
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
  /** Of the backend. */
  version?: string
}

export interface MarkList {
  /** Oldest first; of more than 1,000 the newest. */
  marks: HistoryMark[]
}

export interface Member {
  email: string
  /** In which environment, by id; absent: in all of them. One person may have several roles. */
  environment?: string
  environment_name?: string
  name: string
  /** By id. */
  person: string
  role: string
  since: string
  /** They may not sign in. */
  suspended?: boolean
}

export interface MemberInvite {
  /** How long it holds; default 7. */
  days?: number
  /** Only who has this address may accept; absent: whoever has the link. */
  email?: string
  /** Send the link to that address, when the server sends mail. */
  mail?: boolean
  /** No more than one's own. */
  role: 'owner' | 'admin' | 'editor' | 'analyst' | 'viewer'
  /** To this environment alone, else to all of the workspace. */
  this_environment?: boolean
}

export interface MemberPage {
  /** By e-mail address; a line for each role. */
  members: Member[]
  /** Give it as cursor for what follows; empty at the end. */
  next: string
}

export interface MergeConflict {
  base: string | null
  field?: string
  line?: number
  ours: string | null
  path: string
  theirs: string | null
  why: string
}

export interface MergeFile {
  conflicts?: MergeConflict[]
  how: string
  marked?: string
  path: string
}

export interface NameBody {
  name: string
}

export interface NewAPIKey {
  key: APIKey
  /** What to send as Authorization: Bearer. It is told this once, and kept nowhere. */
  token: string
}

export interface NewEnvironment {
  name: string
}

export interface NewInvitation {
  expires: string
  id: string
  /** To be given to whom it is for: it is told this once, and works once. */
  link: string
  /** It is being sent to them, too. */
  sent: boolean
}

export interface NewPassword {
  /** At least 15 characters. */
  password: string
  /** What stands behind the # of the link. */
  token: string
}

export interface NewWorkspaceBody {
  /** The name of its first environment; production when absent. */
  environment?: string
  /** 2 to 40 of a-z, 0-9 and -, beginning with a letter. */
  name: string
  /** For people; the name when absent. */
  title?: string
}

export interface OldName {
  name: string
  until: string
}

export interface OpenInvitation {
  /** There is an account with that address: sign in, then accept. */
  account: boolean
  /** Whom it is for; absent: whoever has the link. */
  email?: string
  /** By id; absent: all of them. */
  environment?: string
  environment_name?: string
  expires: string
  role: string
  /** To run the server, not to a workspace. */
  server?: boolean
  /** By id. */
  workspace?: string
  workspace_name?: string
  /** For people. */
  workspace_title?: string
}

export interface OperatorBody {
  role: 'owner' | 'admin' | 'viewer'
}

export interface OwnerInvite {
  /** How long it holds; default 7. */
  days?: number
  /** Only who has this address may accept; absent: whoever has the link. */
  email?: string
  /** Send the link to that address, when the server sends mail. */
  mail?: boolean
}

export interface Part {
  name: string
  ready: boolean
  /** Why it is not ready; for those who may ask for the status. */
  reason?: string
  /** Whether the server is not ready without it. */
  required: boolean
}

export interface PasswordBody {
  /** The one that the account has. */
  current: string
  /** At least 15 characters. */
  new: string
}

export interface People {
  /** Give it as cursor for what follows; empty at the end. */
  next: string
  /** By e-mail address. */
  people: Person[]
}

export interface Person {
  created: string
  email: string
  id: string
  name: string
  /** When the password was set. */
  password_set?: string
  /** Since when they may not sign in. */
  suspended?: string
}

export interface Place {
  address: string
  environment: string
  /** Of the workspace. */
  name: string
  /** The id of the environment. */
  space: string
  /** The id of the workspace. */
  workspace: string
}

export interface Plan {
  effects: PlanEffect[]
  environment?: string
  files: PlanFileChange[]
  from: number
  from_tree?: string
  outcome: string
  resources: PlanResourceChange[]
  to?: number
  tree: string
}

export interface PlanEffect {
  do: string
  field?: string
  kind: string
  message: string
  resource?: string
  severity: string
}

export interface PlanFieldChange {
  new?: unknown
  old?: unknown
  op: string
  path: string
}

export interface PlanFileChange {
  op: string
  path: string
}

export interface PlanResourceChange {
  fields?: PlanFieldChange[]
  file: string
  folder?: string
  kind?: string
  name: string
  op: string
}

export interface Problem {
  /** Of a query that is wrong: where in the line, in characters, from 1. */
  column?: number
  /** Of saving a file that someone else has changed meanwhile: what it says now. */
  conflict?: FileConflict
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
  /** Of a query that is wrong: where in its text, from 1. */
  line?: number
  /** Of files that have mistakes: what is wrong with them. */
  problems?: FileProblem[]
  /** The request's ID, which the server's log has too. */
  request_id?: string
  /** Of a deployment that began from a version that does not run any more: what runs by now, and both merged. */
  stale?: StaleRelease
  /** The HTTP status. */
  status: number
  /** The status in words. */
  title: string
  /** Always about:blank: the kind says what sort of problem it is. */
  type?: string
}

export interface ProfileBody {
  /** Only these; all when absent. */
  columns?: string[]
}

export interface ProfileSession {
  /** From where it was used last. */
  address?: string
  /** What the browser calls itself. */
  agent?: string
  created: string
  /** It is the one that asks. */
  current?: boolean
  /** At the latest; earlier when it is not used. */
  expires: string
  /** Of the session; it is no secret. */
  id: string
  /** When it was used last. */
  seen: string
}

export interface ProjectFile {
  /** It is text that can be read and saved here. */
  editable: boolean
  /** Of its content. */
  etag?: string
  /** Its first folder; empty for the project's own files. */
  folder: string
  /** How its text is written; empty when it is not edited here. */
  kind: string
  /** Within the project. */
  path: string
  /** The JSON Schema of its content, by name. */
  schema?: string
  /** How large it is. */
  size_bytes: number
}

export interface ProjectStatus {
  /** How the folder that the server was started with differs from what runs; absent when it does not. */
  folder?: string
  /** When the version that runs was read. */
  loaded: string
  /** Why a later edit does not run; the last good version goes on. */
  problems: string[]
  /** Its number; absent where the folder runs as it is. */
  version?: number
}

export interface PromoteBody {
  /** Why. */
  message?: string
  /** The environment of the workspace; absent: the one that is asked. Deploying has to be allowed there. */
  to?: string
  /** The version, whose number stays. */
  version: number
}

export interface Property {
  /** In the table. */
  column: string
  /** Values of the newest events, each once; long ones are cut. */
  examples: unknown[]
  /** How many events have it. */
  filled: number
  /** When the first one that has it came in. */
  first_seen?: string
  /** Whether it is of the event, or of its context. */
  group: 'property' | 'context'
  /** As it was sent, with points between the objects that it lies in; absent when no event that is still in the log has it. */
  original?: string
  /** How many have it, of 1. */
  share: number
  /** Of the column. */
  type: string
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

export interface QuotaNotice {
  /** On which it was told: it is told anew each day. */
  day: string
  /** So much of it: 80 or 100. */
  percent: number
  quota: string
  told: string
}

export interface QuotaUse {
  /** Absent: there is none. */
  limit?: number
  percent?: number
  quota: string
  /** So far; of a day's quota, since 0:00 UTC, as of a second ago. */
  used: number
  /** When it was told today that all is used. */
  used_up?: string
  /** When it was told today that 80 per cent are used. */
  warned?: string
}

export interface Quotas {
  /** Bytes of events and rejected records stored in a day (UTC) */
  bytes_per_day?: number
  /** Tables of events, in all environments */
  event_tables?: number
  /** Events taken in a day (UTC) */
  events_per_day?: number
  /** People, with invitations */
  members?: number
  /** Seconds that queries run in a day (UTC) */
  query_seconds_per_day?: number
  /** Sources, in all environments */
  sources?: number
  /** Bytes kept in log, archive and warehouse; nothing is taken beyond it */
  storage_bytes?: number
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
  /** All workspaces have it in common: to ask that of it needs server:control. */
  shared?: boolean
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

export interface RecordList {
  /** Why records may be missing. */
  incomplete?: string
  /** Give it as cursor for what follows; empty at the end. */
  next: string
  /** Newest first. */
  records: RecordSummary[]
}

export interface RecordSummary {
  /** Of a track event; of a stream, its name. */
  event?: string
  /** Its messageId. */
  id: string
  /** track, identify, page, screen, group, alias, stream or rejected. */
  kind: string
  /** When it happened, corrected for the sender's clock. */
  occurred_at?: string
  /** Where it lies in the log. */
  position: string
  /** When it came in. */
  received_at: string
  /** What became of it; received: not judged yet. */
  result: 'accepted' | 'duplicate' | 'rejected' | 'received'
  /** Where it came in. */
  source: string
  /** The user's ID, or the anonymous one. */
  user?: string
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

export interface RejectedGroup {
  /** How many there are. */
  count: number
  /** IDs of some of the newest. */
  examples: string[]
  /** The field that is wrong. */
  field?: string
  /** When the first came in. */
  first: string
  /** The reason, without what is of the single record: name it to choose the group. */
  group: string
  /** When the last came in. */
  last: string
  /** How many of them were not sent again, or rejected again. */
  open: number
  /** Of one of them, in full. */
  reason: string
  /** Where they came in. */
  source: string
}

export interface RejectedPage {
  /** Give it as cursor for what follows; empty at the end. */
  cursor: string
  rejected: Rejected[]
}

export interface Rekeyed {
  /** The id of the one before; absent when an earlier change was finished. */
  before?: string
  /** Where it is, on the server; absent when it comes from the environment. */
  file?: string
  /** How many keys it wraps anew. */
  keys: number
  /** The id of the master key that wraps all others now. */
  master: string
  /** Ids of master keys that are in the environment and not needed there any more. */
  unneeded: string[]
}

export interface RekeyedValues {
  /** How many values were encrypted anew. */
  values: number
}

export interface Release {
  /** Who made it. */
  author: string
  author_id?: string
  author_kind: 'person' | 'key' | 'local' | 'system'
  created: string
  /** How many it has. */
  files: number
  /** Why. */
  message: string
  /** In the workspace, from 1. */
  number: number
  /** How it came to be: millrace deploy, an edit in the page, the folder of the server, another environment, an earlier version. */
  origin: 'deploy' | 'page' | 'folder' | 'promote' | 'rollback'
  /** The version that it was made of; 0: none. */
  parent: number
  /** The environments in which it runs now. */
  runs_in: string[]
  /** Of all of them. */
  size_bytes: number
  /** The one that was gone back to, or merged into it. */
  source?: number
  /** Names its files: versions with the same have the same files. */
  tree: string
}

export interface ReleasePage {
  /** Give it as cursor for what follows; empty at the end. */
  next: string
  /** The newest first. */
  releases: Release[]
  /** The version that runs here; 0: none. */
  running: number
}

export interface RemovalBody {
  /** The one that the account has. */
  password: string
}

export interface RenameBody {
  /** Of its text, as reading it said. */
  etag: string
  /** Its path. */
  from: string
  /** Why; where changes are versions. */
  message?: string
  /** Its new path, where there is none. */
  to: string
  /** The version whose file was changed, as reading it said: with it, a conflict comes with both sides merged. */
  version?: number
}

export interface ResendBody {
  /** The event to send in place of what was received. */
  body?: unknown
  /** A JSON merge patch (RFC 7396) for the body: a member replaces that of the event, null takes it away. */
  patch?: unknown
}

export interface ResendFilter {
  /** Whose wrong field is this. */
  field?: string
  /** Received at this time or later. */
  from?: string
  /** Of this group, as the list of groups names it. */
  group?: string
  /** Whose reason contains this, in any case. */
  reason?: string
  /** Of this source. */
  source?: string
  /** Received before this time. */
  until?: string
}

export interface ResendMany {
  /** All that match, as far as they were not sent again with success. */
  filter?: ResendFilter
  /** These; or a filter. */
  ids?: string[]
  /** A JSON merge patch (RFC 7396) that each is mended with: a member replaces that of the event, null takes it away. */
  patch?: unknown
}

export interface ResendResult {
  /** One by one, those that were not accepted first; at most 1,000. */
  list: ResentOutcome[]
  /** How many ended how: accepted, partly accepted, duplicate, rejected, failed. */
  outcomes: Record<string, number>
  /** How many were sent again. */
  records: number
  /** The list does not have all of them. */
  truncated: boolean
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

export interface ResentOutcome {
  /** accepted, partly accepted, duplicate, rejected or failed. */
  outcome: string
  /** Where the new record lies in the log. */
  position?: string
  /** Why it was not accepted. */
  reason?: string
  /** Of the rejected record. */
  rejected_id: string
}

export interface ResetLink {
  expires: string
  /** To be given to the person: it is told this once, and works once. */
  link: string
}

export interface ResetRequest {
  email: string
}

export interface ResultBin {
  count: number
  from: unknown
  until: unknown
}

export interface ResultBody {
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
  /** How long to wait for the result, in milliseconds, before the answer is the job alone; 0: not at all; two seconds when absent. */
  wait_ms?: number
}

export interface ResultChart {
  binned: boolean
  kind: string
  months?: number
  points: ResultPoint[]
  width?: number
}

export interface ResultChartQuery {
  bins?: number
  filters?: ResultFilter[]
  group?: string
  groups?: number
  kind: 'line' | 'area' | 'bar' | 'number'
  limit?: number
  x?: string
  y?: ResultMeasure[]
  zone?: string
}

export interface ResultColumn {
  name: string
  /** As the answers of queries name it. */
  type: string
}

export interface ResultColumnStats {
  column: ResultColumn
  distinct: number
  histogram?: ResultBin[]
  max: unknown
  mean?: number
  min: unknown
  nulls: number
  rows: number
  top?: ResultValueCount[]
}

export interface ResultFilter {
  column: string
  op: 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge' | 'in' | 'contains' | 'not_contains' | 'starts_with' | 'ends_with' | 'is_null' | 'not_null'
  value?: unknown
}

export interface ResultMeasure {
  column?: string
  fn: 'count' | 'distinct' | 'sum' | 'avg' | 'min' | 'max' | 'median' | 'p95'
}

export interface ResultOrJob {
  /** The query: how far it is, and to cancel it. */
  job: Job
  /** When it was there in time. */
  result?: StoredResult
}

export interface ResultPoint {
  group?: unknown
  /** It stands for all groups that have no points of their own. */
  other_group?: boolean
  /** It stands for all values of x that have no point of their own. */
  other_x?: boolean
  x: unknown
  y: unknown[]
}

export interface ResultRows {
  /** Names and types, in their order. */
  columns: ResultColumn[]
  /** As queries answer them: numbers keep all their digits, times are RFC 3339 in UTC. */
  rows: unknown[][]
  /** Rows that the filters leave. */
  total: number
}

export interface ResultSort {
  column: string
  desc?: boolean
}

export interface ResultValueCount {
  count: number
  value: unknown
}

export interface RevealBody {
  /** The one of all environments that have none of their own, not this environment's own. */
  all_environments?: boolean
  /** Of the secret: names of a-z, 0-9 and _ with / between them. */
  path: string
  /** This version; the current one when absent. */
  version?: number
}

export interface Revealed {
  /** The value. */
  value: string
}

export interface RevokedKey {
  /** Names of the keys that were made or rotated with it, or with one of those, and go on. When it was stolen, so are they: revoke it again with with_its_keys=true. */
  go_on: string[]
  /** Names of the keys that were made or rotated with it, and were revoked too. */
  revoked: string[]
}

export interface RoleBody {
  /** No more than one's own. */
  role: 'owner' | 'admin' | 'editor' | 'analyst' | 'viewer'
  /** In this environment alone, besides what they may do in all of them. */
  this_environment?: boolean
}

export interface RollbackBody {
  /** The version that you saw run; absent: whichever does. */
  base?: number
  /** Why. */
  message?: string
  /** The version to go back to; absent: the one that ran before. */
  to?: number
}

export interface RotateBody {
  /** How long the old token works on; 0: not at all; a day when absent. */
  overlap_seconds?: number
}

export interface Rows {
  /** Names and types, in their order. */
  columns: QueryColumn[]
  /** As queries answer them: numbers keep all their digits, times are RFC 3339 in UTC. */
  rows: unknown[][]
}

export interface RowsBody {
  /** Only these; all when absent. */
  columns?: string[]
  /** All have to hold. */
  filters?: ResultFilter[]
  /** Most rows. */
  limit?: number
  /** Rows to leave out. */
  offset?: number
  /** The first counts most; absent: as the query had them. */
  sort?: ResultSort[]
}

export interface Running {
  /** The one that ran before; 0: none. */
  previous: number
  /** The version that runs. */
  release?: Release
  since?: string
  /** 0: none. */
  version: number
}

export interface SaveBody {
  /** The text of that etag: with it, a conflict comes with both sides merged, also where files have no versions. */
  before?: string
  /** Of the text that it is in place of, as reading it said; absent for a new file. */
  etag?: string
  /** Why; where changes are versions. */
  message?: string
  /** The whole text. */
  text: string
  /** The version whose file was changed, as reading it said: with it, a conflict comes with both sides merged. */
  version?: number
}

export interface SavedFile {
  /** Of its text now; empty when it is gone. */
  etag: string
  /** Of the file. */
  path: string
  /** What is wrong with the whole project now; while there is something, the version before goes on. */
  problems: FileProblem[]
  /** Of edit: its text now. */
  text?: string
  /** The version that it made, where each change is one. */
  version?: number
}

export interface SchemaChange {
  /** When the first record came in that brought it. */
  at: string
  /** What a notice says, and what to do. */
  detail?: string
  /** What is new: an event, a stream, a column of a table; or what the warehouse did otherwise than one may think. */
  kind: 'event' | 'stream' | 'column' | 'notice'
  /** The event or stream as sent; the column; what sort of notice. */
  name: string
  /** The table that it is about. */
  table?: string
  /** Of a column. */
  type?: string
}

export interface SchemaList {
  /** Their names. */
  schemas: string[]
}

export interface SecretHistory {
  /** Who has used it, in this environment. */
  uses: SecretUse[]
  /** The newest first. */
  versions: SecretVersion[]
}

export interface SecretInfo {
  /** It is that of all environments that have none of their own under this path; else it is this environment's own. */
  all_environments: boolean
  changed: string
  created: string
  /** When it was deleted: it can be restored for 30 days. */
  deleted?: string
  /** Where it may be sent to: a host, with a port or any, or *.example.com for all below a domain. */
  hosts: string[]
  /** For people. */
  note?: string
  /** What references name: ${secret:stripe/live_key}. */
  path: string
  /** Who may use it: sources/github, sources/* for all sources, warehouse, archive, or * for all. */
  resources: string[]
  /** The current one. */
  version: number
  /** The last that was made. */
  versions: number
}

export interface SecretName {
  /** The one of all environments that have none of their own, not this environment's own. */
  all_environments?: boolean
  /** Of the secret: names of a-z, 0-9 and _ with / between them. */
  path: string
}

export interface SecretPage {
  /** Give it as cursor for what follows; empty at the end. A page may have fewer than asked for and go on. */
  next: string
  /** By path; those that were deleted are in it while they can be restored. */
  secrets: SecretInfo[]
}

export interface SecretSet {
  path: string
  /** The number of the new version, which is the current one. */
  version: number
}

export interface SecretUse {
  /** In which it was used. */
  environment: string
  first: string
  /** To which it was sent, as the pattern that allows it; empty when it did not leave the server. */
  host?: string
  last: string
  resource: string
  /** How often, up to an hour ago. */
  uses: number
}

export interface SecretVersion {
  /** Who set it. */
  actor: string
  actor_id?: string
  actor_kind: 'person' | 'key' | 'local' | 'system'
  created: string
  /** It is the one that is used. */
  current: boolean
  /** Its value is gone. */
  destroyed: boolean
  version: number
}

export interface SeriesList {
  /** By name and labels. */
  series: HistorySeries[]
}

export interface Session {
  /** Whether what this client sends is answered. */
  authenticated: boolean
  /** Send it as Millrace-CSRF with each request that changes something. When an answer has that header, it is another from then on. */
  csrf?: string
  /** Anything may be done, in every workspace. */
  everything?: boolean
  /** Of the session: when to sign in again at the latest. */
  expires?: string
  /** Who asks: a person who signed in, an API key, or whoever sits at the machine on which millrace dev runs. */
  kind?: 'person' | 'key' | 'local' | 'system'
  /** How to sign in: none is needed; with e-mail address and password; token: with these, or with the admin token. */
  login: 'none' | 'password' | 'token'
  /** Whether the server sends mail: a forgotten password can be reset by it. */
  mail: boolean
  /** How the server was started. */
  mode: 'dev' | 'serve'
  /** Of the person or key. */
  name?: string
  /** What may be done there. */
  permissions: string[]
  /** Who is signed in. */
  person?: SessionPerson
  /** Why nothing is answered. */
  reason?: string
  /** In which workspaces and environments, and on the server. */
  roles: SessionRole[]
  /** What may be done on the server as a whole. */
  server_permissions: string[]
  /** Nobody owns the server yet: open the link that it printed when it started. */
  setup_needed: boolean
  /** The environment that permissions is about: the one that the path names, or the first. */
  space: string
  /** Its workspace. */
  workspace: string
}

export interface SessionPerson {
  email: string
  id: string
  name: string
}

export interface SessionRole {
  /** By id; absent: all of them. */
  environment?: string
  environment_name?: string
  /** Of a key without a role. */
  permissions?: string[]
  /** owner, admin, editor, analyst or viewer. */
  role?: string
  /** On the server, not in a workspace. */
  server?: boolean
  /** By id. */
  workspace?: string
  workspace_name?: string
}

export interface Sessions {
  /** The one seen last first. */
  sessions: ProfileSession[]
}

export interface SetBody {
  /** The one of all environments that have none of their own, not this environment's own. */
  all_environments?: boolean
  /** Only when there is such a secret already: 404 when not. */
  existing?: boolean
  /** Where it may be sent to from now on; as it was when absent. */
  hosts?: string[]
  /** For people; as it was when absent. */
  note?: string
  /** Of the secret: names of a-z, 0-9 and _ with / between them. */
  path: string
  /** Who may use it from now on; as it was when absent. */
  resources?: string[]
  /** The new value, at most 64 KiB. */
  value: string
}

export interface SignInBody {
  /** With the password. */
  email?: string
  password?: string
  /** The admin token, instead of both. */
  token?: string
}

export interface Snippet {
  /** The code, with the source's key and the server's address. */
  code: string
  /** A file to put it into. */
  file?: string
  /** Where it sends from. */
  id: 'curl' | 'browser' | 'node' | 'go' | 'python' | 'ruby' | 'webhook'
  /** What it is written in. */
  language: 'sh' | 'html' | 'javascript' | 'go' | 'python' | 'ruby' | 'text'
  /** What goes on from here. */
  note?: string
  /** What runs that file. */
  run?: string
  /** For people. */
  title: string
}

export interface SnippetList {
  /** The address in them. */
  address: string
  /** The write key in them. */
  key?: string
  /** What sends a first event. */
  snippets: Snippet[]
}

export interface Source {
  /** Distinct records. */
  accepted: number
  /** How long an ID keeps later records with the same ID from being counted. */
  dedup: string
  /** Records dropped since their ID was there before. */
  duplicates: number
  /** Its file in the project. */
  file?: string
  /** Each of write_keys, and when it was last used. */
  keys: SourceKey[]
  kind: string
  /** When the last record came in. */
  last_received?: string
  /** Where it begins in that file, from 1. */
  line?: number
  name: string
  /** Where a webhook posts to. */
  path?: string
  /** Records refused and kept. */
  rejected: number
  /** Of a webhook: how deliveries are signed. */
  signature?: SourceSignature
  /** It used to receive and fell silent. */
  silent: boolean
  /** Keys to send with. They are public. */
  write_keys: string[]
  /** Where write_keys stand in the file, when this environment has keys of its own there: environments, its name, write_keys. Edits of them name this path. */
  write_keys_path?: string[]
}

export interface SourceEvent {
  /** Distinct events. */
  count: number
  /** Name of the event or stream, as it was sent; of other calls, the kind. */
  event: string
  /** When the first one came in. */
  first_seen?: string
  /** What call it is. */
  kind: 'track' | 'identify' | 'page' | 'screen' | 'group' | 'alias' | 'stream'
  /** When the last one came in. */
  last_seen?: string
  /** Where its table is. */
  schema: string
  /** The table with its properties; tracks when the source has as many as it may. */
  table: string
}

export interface SourceKey {
  /** The key. */
  key: string
  /** When a request last came with it, test events aside; absent when none is known of. */
  last_used?: string
  /** Whether it is taken here; keys that begin with dev_ work in millrace dev only. */
  works: boolean
}

export interface SourceList {
  sources: Source[]
}

export interface SourceSignature {
  /** Of the HMAC. */
  algorithm: string
  /** hex or base64. */
  encoding: string
  /** Where the signature is. */
  header: string
  /** What is before it. */
  prefix?: string
  /** A time is signed, too. */
  timestamped: boolean
}

export interface StaleRelease {
  /** The merged files as a tar.gz, in base64: look at them, and deploy them with running as their base. */
  archive?: string
  /** Who made that. */
  author: string
  /** It began from this version; 0: from none. */
  base: number
  /** What either side changed; ours is what was to be deployed, theirs is what runs. */
  files: MergeFile[]
  /** Both go together without a conflict. */
  merged: boolean
  /** And why. */
  message: string
  /** This one runs by now. */
  running: number
}

export interface StatsBody {
  /** Name of the column. */
  column: string
  /** Only rows for which all hold. */
  filters?: ResultFilter[]
}

export interface Status {
  archive?: ArchiveStatus
  dedup?: DedupStatus
  /** Whose settings apply. */
  environment?: string
  lease?: LeaseStatus
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

export interface Step {
  /** When. */
  at?: string
  /** For people. */
  detail: string
  /** Of a duplicate: the record that counts. */
  of?: string
  /** not: it does not happen to this record, such as archiving a duplicate. */
  state: 'done' | 'waiting' | 'not' | 'unknown'
  /** What happened. */
  step: 'received' | 'logged' | 'judged' | 'archived' | 'loaded'
  /** The source, the position, the file, the tables. */
  where?: string
}

export interface Stopped {
  /** Names of API keys that the person answered for: they do nothing until someone rotates them. */
  keys: string[]
}

export interface StoredResult {
  /** Size of its file. */
  bytes: number
  /** How it is best drawn at first sight. */
  chart: ResultChartQuery
  /** Names, each once, and types. */
  columns: ResultColumn[]
  /** When it was asked for. */
  created: string
  /** From asking until the last row was stored: the query and the storing. */
  elapsed_ms: number
  /** Of the result. */
  id: string
  /** How many there are. */
  rows: number
  /** The query. */
  sql: string
  /** The query had more rows. */
  truncated: boolean
}

export interface SuspendBody {
  /** Shown to its people and to senders. */
  reason?: string
}

export interface TableColumn {
  /** Every table of its kind has it; no event brings it. */
  fixed: boolean
  /** As queries name it. */
  name: string
  /** How it was sent, when the name does not say it. */
  original?: string
  /** bool, bigint, double, timestamptz, text, json or integer; another word for what Millrace has not made. */
  type: string
}

export interface TableDetail {
  /** The columns, in their order. */
  column_list: TableColumn[]
  /** How many it has. */
  columns: number
  /** event: of one track event; call: tracks, pages …; latest: users and accounts; stream: of a stream's values. */
  kind: 'event' | 'call' | 'latest' | 'stream' | 'discards' | 'system' | 'other'
  /** When its newest record came in: how fresh it is. */
  last_received?: string
  /** The event or stream, as it was sent. */
  original?: string
  /** How many it has; absent when counting took too long. */
  rows?: number
  /** The source, or millrace. */
  schema: string
  /** On disk, about, as of at most half a minute ago; absent when the engine does not say. */
  size_bytes?: number
  /** Its name. */
  table: string
}

export interface TablePage {
  /** Give it as cursor for what follows; empty at the end. */
  next: string
  /** By schema and name. */
  tables: TableSummary[]
}

export interface TableProfile {
  /** What is in each column. */
  columns: ColumnProfile[]
  /** How many it had. */
  rows: number
  /** The source, or millrace. */
  schema: string
  /** Name of the table. */
  table: string
}

export interface TableSummary {
  /** How many it has. */
  columns: number
  /** event: of one track event; call: tracks, pages …; latest: users and accounts; stream: of a stream's values. */
  kind: 'event' | 'call' | 'latest' | 'stream' | 'discards' | 'system' | 'other'
  /** When its newest record came in: how fresh it is. */
  last_received?: string
  /** The event or stream, as it was sent. */
  original?: string
  /** How many it has; absent when counting took too long. */
  rows?: number
  /** The source, or millrace. */
  schema: string
  /** On disk, about, as of at most half a minute ago; absent when the engine does not say. */
  size_bytes?: number
  /** Its name. */
  table: string
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

export interface TestBody {
  /** The event to send, with its type; default a track event called Test Event. Of a webhook: the body. */
  event?: unknown
}

export interface TestSent {
  /** Whether intake took it. */
  accepted: boolean
  /** Its ID. */
  id?: string
  /** Where it lies in the log; when it was rejected, where the rejected record does. */
  position?: string
  /** Why it was not taken. */
  reason?: string
  /** What was sent, for curl. Of a webhook that is signed, the secret has to be put in; empty when a time is signed too. */
  request: string
}

export interface TimeBin {
  /** When it begins. */
  at: string
  /** How often. */
  count: number
}

export interface TypeBody {
  /** The new type. */
  type: 'bool' | 'bigint' | 'double' | 'timestamptz' | 'text' | 'json'
}

export interface TypeEdit {
  /** Of the project. */
  file: string
  /** Keys down to the value. */
  path: string[]
  /** To be set there. */
  value: string
}

export interface TypePreview {
  /** What to change in the project; then rebuild the source's tables. */
  apply: TypeEdit
  /** Name of the column. */
  column: string
  /** Values of the column that are in discards now. */
  discarded: number
  /** Rows that have a value. */
  filled: number
  /** Its type now. */
  from: string
  /** Of them, those whose value fits the new type. */
  kept: number
  /** Of them, those whose value does not: it would go to discards. */
  lost: number
  /** The most frequent of those. */
  lost_examples: ValueCount[]
  /** Of them, those that would fit. */
  regained: number
  /** The most frequent of those. */
  regained_examples: ValueCount[]
  /** The source. */
  schema: string
  /** Name of the table. */
  table: string
  /** Its type then. */
  to: string
  /** There are more than a million different values, and the rest was not looked at. */
  truncated: boolean
}

export interface Usage {
  archive_bytes: number | null
  bytes: number
  day: string
  environment: string
  event_tables: number | null
  events: number
  log_bytes: number | null
  query_seconds: number
  rejected: number
  space: string
  storage_bytes: number | null
  warehouse_bytes: number | null
  workspace: string
}

export interface UsagePage {
  /** By day and environment, the oldest first. A day begins at 0:00 UTC. */
  days: Usage[]
  /** Give it as cursor for what follows; empty at the end. */
  next: string
  /** Of the quotas that are used up by the day, and what is kept. */
  today: QuotaUse[]
  /** Of which quotas 80 or 100 per cent were used on the 30 days before today, the newest first. */
  told: QuotaNotice[]
}

export interface UsesBody {
  /** Besides those that may already, not in their place. */
  add?: boolean
  /** The one of all environments that have none of their own, not this environment's own. */
  all_environments?: boolean
  /** Where it may be sent to. */
  hosts: string[]
  /** Of the secret: names of a-z, 0-9 and _ with / between them. */
  path: string
  /** Who may use it. */
  resources: string[]
}

export interface ValueCount {
  /** How often it is there. */
  count: number
  /** The value; a long text is cut. */
  value: unknown
}

export interface ValuesBody {
  /** Of a YAML file. */
  text: string
}

export interface VersionBody {
  /** The one of all environments that have none of their own, not this environment's own. */
  all_environments?: boolean
  /** Of the secret: names of a-z, 0-9 and _ with / between them. */
  path: string
  /** The number of the version. */
  version: number
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
  /** Of the engine; absent when it does not say. */
  version?: string
}

export interface Why {
  /** How long the pieces of time are. */
  bucket: 'minute' | 'hour' | 'day'
  /** How far duplicates are known. */
  duplicates: WhySearched
  /** What happened, by reason; the most frequent first. */
  reasons: WhyReason[]
  /** The source. */
  schema: string
  /** Name of the table. */
  table: string
}

export interface WhyReason {
  /** discarded: a value or row was set aside in discards; duplicate: the record repeats another; rejected: intake refused it; widened: the record made a column wider, from bigint to double; notice: the warehouse did something otherwise, such as reaching a limit. */
  category: 'discarded' | 'duplicate' | 'rejected' | 'widened' | 'notice'
  /** Of discarded and widened: the column. */
  column?: string
  /** How often. */
  count: number
  /** When first. */
  first: string
  /** When last. */
  last: string
  /** Of widened and notice: the record that caused it. */
  position?: string
  /** Why. Of rejected: the group, as the list of groups names it. */
  reason: string
  /** Whether it is of this table alone, or of its whole source: a rejected record has no table. */
  scope: 'table' | 'source'
  /** How often when. */
  series: TimeBin[]
}

export interface WhyRows {
  /** Of discarded: what was set aside, newest first. */
  discards: Discard[]
  /** Of duplicate: the records, newest first. */
  duplicates: RecordSummary[]
  /** Give it as cursor for what follows; empty at the end. */
  next: string
}

export interface WhySearched {
  /** Those of this table are known from here on: they are only in the log, whose newest part was searched. */
  since?: string
  /** Duplicates of the whole source, ever. */
  source: number
  /** The whole log was searched. */
  whole: boolean
}

export interface Workspace {
  created: string
  /** In order of their names. */
  environments: Environment[]
  /** Never changes. */
  id: string
  /** In addresses: acme, or acme@staging for another environment than the default one. */
  name: string
  /** Names that it had and that still lead here. */
  old_names: OldName[]
  /** When it is deleted for good. */
  purge_after?: string
  /** What it may use; what is absent has no limit. */
  quotas: Quotas
  /** Why it is suspended. */
  reason?: string
  /** When it came into its state. */
  since: string
  /** Of a deleted one everything is there until purge_after, and undelete has it back. Purging cannot be undone. */
  state: 'active' | 'suspended' | 'deleted' | 'purging'
  /** For people. */
  title: string
}

export interface WorkspaceChange {
  name?: string
  title?: string
}

export interface WorkspacePage {
  /** Where this was asked: what requests are about whose paths name no workspace, or the one that this path names. */
  here?: Place
  /** Give it as cursor for what follows; empty at the end. */
  next: string
  /** In order of their names. */
  workspaces: Workspace[]
}

/** Every operation of the API, by its id. */
export interface Operations {
  /** Accept an invitation */
  'accept-invitation': {
    params: unknown
    body: LinkedPerson
    answer: Session
  }
  /** Say who may use a secret */
  'allow-secret': {
    params: unknown
    body: UsesBody
    answer: undefined
  }
  /** Cancel a job */
  'cancel-job': {
    params: {
      /** The job's ID. */
      id: string
    }
    body: undefined
    answer: Job
  }
  /** Change one's own e-mail address */
  'change-email': {
    params: unknown
    body: EmailBody
    answer: undefined
  }
  /** Rename an environment, or make it the default one */
  'change-environment': {
    params: {
      /** Its name or id. */
      workspace: string
      /** Its name, or its id. */
      environment: string
    }
    body: EnvironmentChange
    answer: Workspace
  }
  /** Change one's own password */
  'change-password': {
    params: unknown
    body: PasswordBody
    answer: Session
  }
  /** Change, suspend or resume an account */
  'change-person': {
    params: {
      /** By id. */
      person: string
    }
    body: AccountBody
    answer: undefined
  }
  /** Change one's own name */
  'change-profile': {
    params: unknown
    body: NameBody
    answer: Person
  }
  /** Rename a workspace */
  'change-workspace': {
    params: {
      /** Its name or id. */
      workspace: string
    }
    body: WorkspaceChange
    answer: Workspace
  }
  /** Sum up a result for a chart */
  'chart-result': {
    params: {
      /** The result's ID. */
      id: string
    }
    body: ResultChartQuery
    answer: ResultChart
  }
  /** Check the project with texts that are not saved yet */
  'check-files': {
    params: unknown
    body: CheckBody
    answer: Checked
  }
  /** What may be written at a place of a file */
  'complete-file': {
    params: unknown
    body: CompleteBody
    answer: Completed
  }
  /** Make the first owner */
  'complete-setup': {
    params: unknown
    body: LinkedPerson
    answer: Session
  }
  /** Confirm a new e-mail address */
  'confirm-email': {
    params: unknown
    body: LinkBody
    answer: undefined
  }
  /** Count the duplicates among records one has sent */
  'count-duplicates': {
    params: unknown
    body: DuplicateQuestion
    answer: DuplicateCounts
  }
  /** Give a workspace another environment */
  'create-environment': {
    params: {
      /** Its name or id. */
      workspace: string
    }
    body: NewEnvironment
    answer: Workspace
  }
  /** Make an API key */
  'create-key': {
    params: unknown
    body: KeyBody
    answer: NewAPIKey
  }
  /** Make a link that sets a member's password */
  'create-member-reset': {
    params: {
      /** By id. */
      person: string
    }
    body: undefined
    answer: ResetLink
  }
  /** Make a link that sets someone's password */
  'create-person-reset': {
    params: {
      /** By id. */
      person: string
    }
    body: undefined
    answer: ResetLink
  }
  /** Ask in SQL and keep the result */
  'create-result': {
    params: unknown
    body: ResultBody
    answer: ResultOrJob
  }
  /** Make an API key of the server */
  'create-server-key': {
    params: unknown
    body: KeyWork
    answer: NewAPIKey
  }
  /** Make a workspace */
  'create-workspace': {
    params: unknown
    body: NewWorkspaceBody
    answer: Workspace
  }
  /** Remove one's own account */
  'delete-account': {
    params: unknown
    body: RemovalBody
    answer: Session
  }
  /** Delete a backup */
  'delete-backup': {
    params: {
      /** Of the backup. */
      id: string
    }
    body: undefined
    answer: undefined
  }
  /** Delete an environment */
  'delete-environment': {
    params: {
      /** Its name or id. */
      workspace: string
      /** Its name, or its id. */
      environment: string
    }
    body: undefined
    answer: Workspace
  }
  /** Remove an account */
  'delete-person': {
    params: {
      /** By id. */
      person: string
    }
    body: undefined
    answer: undefined
  }
  /** Forget a result */
  'delete-result': {
    params: {
      /** The result's ID. */
      id: string
    }
    body: undefined
    answer: undefined
  }
  /** Delete a secret */
  'delete-secret': {
    params: {
      /** Of the secret. */
      path: string
      /** The one of all environments, not this environment's own. */
      all_environments?: boolean
    }
    body: undefined
    answer: undefined
  }
  /** Delete a workspace */
  'delete-workspace': {
    params: {
      /** Its name or id. */
      workspace: string
    }
    body: undefined
    answer: Workspace
  }
  /** Deploy files as a new version */
  'deploy-release': {
    params: {
      /** The version that the files began from; 0: none ran. last: the one that who asks has deployed here last, for CI. */
      base: string
      /** Why. */
      message?: string
    }
    body: undefined
    answer: Deployment
  }
  /** What is in a column of a result */
  'describe-result-column': {
    params: {
      /** The result's ID. */
      id: string
    }
    body: StatsBody
    answer: ResultColumnStats
  }
  /** Destroy the value of a version of a secret */
  'destroy-secret-version': {
    params: unknown
    body: VersionBody
    answer: undefined
  }
  /** How a version differs from another */
  'diff-release': {
    params: {
      /** Of the version. */
      number: number
      /** The other version; 0: from nothing. Default the one that it was made of. */
      from?: number
    }
    body: undefined
    answer: Differences
  }
  /** Download a result */
  'download-result': {
    params: {
      /** The result's ID. */
      id: string
      /** Of the file. */
      format?: 'csv' | 'json' | 'ndjson' | 'parquet'
      /** JSON of columns, sort and filters, as for reading rows; all rows when absent. */
      view?: string
      /** Of the file, without its ending; default result. */
      name?: string
    }
    body: undefined
    answer: string
  }
  /** Change values in a YAML file of the project */
  'edit-file': {
    params: unknown
    body: EditBody
    answer: SavedFile
  }
  /** Sign out somewhere */
  'end-one-session': {
    params: {
      /** Of the session. */
      id: string
    }
    body: undefined
    answer: undefined
  }
  /** Sign out everywhere else */
  'end-other-sessions': {
    params: unknown
    body: undefined
    answer: undefined
  }
  /** Sign out */
  'end-session': {
    params: unknown
    body: undefined
    answer: Session
  }
  /** Why a number may be wrong */
  'explain-table': {
    params: {
      /** The source, or millrace. */
      schema: string
      /** Name of the table. */
      table: string
      /** Only received at this time or later. */
      from?: string
      /** Only received before this time. */
      until?: string
      /** How long the pieces of time are; default by the span. */
      bucket?: 'minute' | 'hour' | 'day'
    }
    body: undefined
    answer: Why
  }
  /** The rows behind why a number may be wrong */
  'explain-table-rows': {
    params: {
      /** The source, or millrace. */
      schema: string
      /** Name of the table. */
      table: string
      /** What is listed. Rejected records are listed by their own operation, with the reason as group. */
      category?: 'discarded' | 'duplicate'
      /** Of discarded: only with this reason. */
      reason?: string
      /** Of discarded: only of this column. */
      column?: string
      /** Only received at this time or later. */
      from?: string
      /** Only received before this time. */
      until?: string
      /** Most rows of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
    }
    body: undefined
    answer: WhyRows
  }
  /** Export who did what */
  'export-audit': {
    params: {
      /** Only at this time or later. */
      from?: string
      /** Only before this time. */
      until?: string
      /** Only by this person or key, by id. */
      actor?: string
      /** Only this action, such as key.create, or all that was done to such objects: key. */
      action?: string
      /** Only what was done to this object, by id. */
      object?: string
      /** Only entries with these words, or words that begin so. */
      q?: string
      /** In CSV no text is a formula. */
      format?: 'ndjson' | 'csv'
    }
    body: undefined
    answer: string
  }
  /** Export the project and what the server knows of the workspace */
  'export-files': {
    params: unknown
    body: undefined
    answer: undefined
  }
  /** Export every record of the environment */
  'export-records': {
    params: {
      /** Begin behind this position: that of the last line that came, when an export broke off. */
      after?: string
      /** End with this position; default the end of the log when the export begins. Give what the first one said in Millrace-Position, to go on with one that broke off. */
      until?: string
    }
    body: undefined
    answer: string
  }
  /** Export who did what on the whole server */
  'export-server-audit': {
    params: {
      /** Only at this time or later. */
      from?: string
      /** Only before this time. */
      until?: string
      /** Only by this person or key, by id. */
      actor?: string
      /** Only this action, such as key.create, or all that was done to such objects: key. */
      action?: string
      /** Only what was done to this object, by id. */
      object?: string
      /** Only entries with these words, or words that begin so. */
      q?: string
      /** In CSV no text is a formula. */
      format?: 'ndjson' | 'csv'
    }
    body: undefined
    answer: string
  }
  /** Export who did what in the workspace */
  'export-trail': {
    params: {
      /** In CSV no text is a formula. */
      format?: 'ndjson' | 'csv'
    }
    body: undefined
    answer: string
  }
  /** Download what a workspace used, by day */
  'export-usage': {
    params: {
      /** Its name or id. */
      workspace: string
      /** Only of this one. */
      environment?: string
      /** The first day; 29 days before the last when absent. */
      from?: string
      /** The last day; today when absent. */
      to?: string
      /** Lines of JSON, or CSV with a header. */
      format?: 'ndjson' | 'csv'
    }
    body: undefined
    answer: string
  }
  /** What needs attention */
  'get-attention': {
    params: unknown
    body: undefined
    answer: AttentionList
  }
  /** One entry of the trail */
  'get-audit-entry': {
    params: {
      /** Of the entry. */
      number: number
    }
    body: undefined
    answer: AuditEntry
  }
  /** What queries can name */
  'get-catalog': {
    params: unknown
    body: undefined
    answer: CatalogAnswer
  }
  /** Numbers over time */
  'get-history': {
    params: {
      /** Metrics, with commas between; all when absent. */
      names?: string[]
      /** Only series with these labels, as name:value. */
      labels?: string[]
      /** Default six hours ago. */
      from?: string
      /** Default now. */
      until?: string
      /** How long a step is; default so that a series has at most points points. */
      step_seconds?: number
      /** Most points of a series, where the step is not given. */
      points?: number
    }
    body: undefined
    answer: SeriesList
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
  /** The server's own log */
  'get-logs': {
    params: {
      /** Only of this part: collect, log, dedup, archive, warehouse, http, jobs. */
      part?: string
      /** Only of this level and graver ones. */
      level?: 'info' | 'warn' | 'error'
      /** Only lines that contain this, in any case. */
      q?: string
      /** Only lines behind the one of this number. */
      after?: number
      /** Most lines: the newest of those that match. */
      limit?: number
      /** Go on with lines as they are written, as server-sent events, until one of the two leaves. */
      follow?: boolean
    }
    body: undefined
    answer: LogPage
  }
  /** See one's own account */
  'get-profile': {
    params: unknown
    body: undefined
    answer: Person
  }
  /** A record and its journey */
  'get-record': {
    params: {
      /** Where it lies in the log. */
      position: string
    }
    body: undefined
    answer: Journey
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
  /** Get a version */
  'get-release': {
    params: {
      /** Of the version. */
      number: number
    }
    body: undefined
    answer: Release
  }
  /** Get the files of a version */
  'get-release-files': {
    params: {
      /** Of the version. */
      number: number
    }
    body: undefined
    answer: undefined
  }
  /** Get what is known of a result */
  'get-result': {
    params: {
      /** The result's ID. */
      id: string
    }
    body: undefined
    answer: StoredResult
  }
  /** Which version runs */
  'get-running-release': {
    params: unknown
    body: undefined
    answer: Running
  }
  /** Get the JSON Schema of files of the project */
  'get-schema': {
    params: {
      /** Of the schema. */
      name: string
    }
    body: undefined
    answer: unknown
  }
  /** The versions of a secret, and who has used it */
  'get-secret-history': {
    params: {
      /** Of the secret. */
      path: string
      /** The one of all environments, not this environment's own. */
      all_environments?: boolean
    }
    body: undefined
    answer: SecretHistory
  }
  /** One entry of the server's trail */
  'get-server-audit-entry': {
    params: {
      /** Of the entry. */
      number: number
    }
    body: undefined
    answer: AuditEntry
  }
  /** Who asks */
  'get-session': {
    params: unknown
    body: undefined
    answer: Session
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
  /** An event and its properties */
  'get-source-event': {
    params: {
      /** Name of the source. */
      source: string
      /** Name of the event or stream, as it was sent; of other calls, the kind. */
      event: string
      /** What call it is. */
      kind?: 'track' | 'identify' | 'page' | 'screen' | 'group' | 'alias' | 'stream'
    }
    body: undefined
    answer: EventDetail
  }
  /** How the server is */
  'get-status': {
    params: unknown
    body: undefined
    answer: Status
  }
  /** Files that help to find a fault */
  'get-support-bundle': {
    params: unknown
    body: undefined
    answer: undefined
  }
  /** Get a table and its columns */
  'get-table': {
    params: {
      /** The source, or millrace. */
      schema: string
      /** Name of the table. */
      table: string
    }
    body: undefined
    answer: TableDetail
  }
  /** What a workspace used, by day, and how much of its quotas */
  'get-usage': {
    params: {
      /** Its name or id. */
      workspace: string
      /** Only of this one. */
      environment?: string
      /** The first day; 29 days before the last when absent. */
      from?: string
      /** The last day; today when absent. */
      to?: string
      /** Most days of a page, each environment for itself. */
      limit?: number
      /** From the page before. */
      cursor?: string
    }
    body: undefined
    answer: UsagePage
  }
  /** One workspace */
  'get-workspace': {
    params: {
      /** Its name or id. */
      workspace: string
    }
    body: undefined
    answer: Workspace
  }
  /** Import records into the environment */
  'import-records': {
    params: unknown
    body: string
    answer: Imported
  }
  /** Invite someone to the workspace */
  'invite-member': {
    params: unknown
    body: MemberInvite
    answer: NewInvitation
  }
  /** Invite someone to run the server */
  'invite-operator': {
    params: unknown
    body: InviteBody
    answer: NewInvitation
  }
  /** Make a link for the first owner */
  'invite-owner': {
    params: {
      /** Its name or id. */
      workspace: string
    }
    body: OwnerInvite
    answer: NewInvitation
  }
  /** Who did what */
  'list-audit': {
    params: {
      /** Only at this time or later. */
      from?: string
      /** Only before this time. */
      until?: string
      /** Only by this person or key, by id. */
      actor?: string
      /** Only this action, such as key.create, or all that was done to such objects: key. */
      action?: string
      /** Only what was done to this object, by id. */
      object?: string
      /** Only entries with these words, or words that begin so. */
      q?: string
      /** Most entries of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
    }
    body: undefined
    answer: AuditPage
  }
  /** List the backups of the server */
  'list-backups': {
    params: unknown
    body: undefined
    answer: BackupList
  }
  /** List the deployments */
  'list-deploys': {
    params: {
      /** Most deployments of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
    }
    body: undefined
    answer: DeployPage
  }
  /** List the project's files */
  'list-files': {
    params: unknown
    body: undefined
    answer: FileList
  }
  /** List invitations to the workspace */
  'list-invitations': {
    params: {
      /** Most elements of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
    }
    body: undefined
    answer: InvitationPage
  }
  /** List jobs, newest first */
  'list-jobs': {
    params: unknown
    body: undefined
    answer: JobList
  }
  /** List the API keys */
  'list-keys': {
    params: {
      /** Most keys of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
    }
    body: undefined
    answer: KeyPage
  }
  /** What happened */
  'list-marks': {
    params: {
      /** Only at this time or later. */
      from?: string
      /** Only before this time. */
      until?: string
    }
    body: undefined
    answer: MarkList
  }
  /** List the members of the workspace */
  'list-members': {
    params: {
      /** Most elements of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
    }
    body: undefined
    answer: MemberPage
  }
  /** List invitations to run the server */
  'list-operator-invitations': {
    params: {
      /** Most elements of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
    }
    body: undefined
    answer: InvitationPage
  }
  /** List who runs the server */
  'list-operators': {
    params: {
      /** Most elements of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
    }
    body: undefined
    answer: MemberPage
  }
  /** List all accounts of the server */
  'list-people': {
    params: {
      /** Most people of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
    }
    body: undefined
    answer: People
  }
  /** List the readers of the log */
  'list-readers': {
    params: unknown
    body: undefined
    answer: ReaderList
  }
  /** Find records by ID or user */
  'list-records': {
    params: {
      /** The messageId; this or user. */
      id?: string
      /** A user's ID, or an anonymous one. */
      user?: string
      /** Only of this source. */
      source?: string
      /** Most records of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
    }
    body: undefined
    answer: RecordList
  }
  /** List rejected records, newest first */
  'list-rejected': {
    params: {
      /** Only of this source. */
      source?: string
      /** Only whose reason contains this, in any case. */
      reason?: string
      /** Only of this group, as the list of groups names it. */
      group?: string
      /** Only those that were not sent again, or rejected again. */
      open?: boolean
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
  /** Rejected records by reason */
  'list-rejected-groups': {
    params: {
      /** Only of this source. */
      source?: string
      /** Only received at this time or later. */
      from?: string
      /** Only received before this time. */
      until?: string
      /** Only those that were not sent again, or rejected again. */
      open?: boolean
      /** Most groups of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
      /** Wait, up to 5 seconds, until the groups show everything up to this position, or with last everything that is in the log now. */
      after?: string
    }
    body: undefined
    answer: GroupPage
  }
  /** List the versions of the project */
  'list-releases': {
    params: {
      /** Most versions of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
    }
    body: undefined
    answer: ReleasePage
  }
  /** List the JSON Schemas of the project's files */
  'list-schemas': {
    params: unknown
    body: undefined
    answer: SchemaList
  }
  /** List the secrets */
  'list-secrets': {
    params: {
      /** Most secrets of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
    }
    body: undefined
    answer: SecretPage
  }
  /** Who did what on the whole server */
  'list-server-audit': {
    params: {
      /** Only at this time or later. */
      from?: string
      /** Only before this time. */
      until?: string
      /** Only by this person or key, by id. */
      actor?: string
      /** Only this action, such as key.create, or all that was done to such objects: key. */
      action?: string
      /** Only what was done to this object, by id. */
      object?: string
      /** Only entries with these words, or words that begin so. */
      q?: string
      /** Most entries of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
    }
    body: undefined
    answer: AuditPage
  }
  /** List the API keys of the server */
  'list-server-keys': {
    params: {
      /** Most keys of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
    }
    body: undefined
    answer: KeyPage
  }
  /** List where one is signed in */
  'list-sessions': {
    params: unknown
    body: undefined
    answer: Sessions
  }
  /** Code that sends to a source */
  'list-snippets': {
    params: {
      /** Name of the source. */
      source: string
      /** Where senders reach this server; default collect.public_url, or how this request did. */
      address?: string
      /** One of the source's keys; default the first that works. */
      key?: string
    }
    body: undefined
    answer: SnippetList
  }
  /** How what a source sends has changed */
  'list-source-changes': {
    params: {
      /** Name of the source. */
      source: string
      /** Only of this table. */
      table?: string
      /** Most changes of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
    }
    body: undefined
    answer: ChangePage
  }
  /** What a source has received */
  'list-source-events': {
    params: {
      /** Name of the source. */
      source: string
      /** Only whose name contains this, in any case. */
      q?: string
      /** Which come first: the most frequent, the newest, or by name. */
      sort?: 'count' | 'last_seen' | 'name'
      /** Most events of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
    }
    body: undefined
    answer: EventPage
  }
  /** List the sources */
  'list-sources': {
    params: unknown
    body: undefined
    answer: SourceList
  }
  /** List the tables of the warehouse */
  'list-tables': {
    params: {
      /** Only of this schema: a source, or millrace. */
      schema?: string
      /** Only whose name contains this. */
      q?: string
      /** Most tables of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
      /** Wait, up to 5 seconds, until the tables hold everything up to this position, or with last everything that is in the log now. */
      after?: string
    }
    body: undefined
    answer: TablePage
  }
  /** List the workspaces */
  'list-workspaces': {
    params: {
      /** Only those in this state. */
      state?: 'active' | 'suspended' | 'deleted' | 'purging'
      /** Most workspaces of a page. */
      limit?: number
      /** From the page before. */
      cursor?: string
    }
    body: undefined
    answer: WorkspacePage
  }
  /** See what an invitation is for */
  'open-invitation': {
    params: unknown
    body: LinkBody
    answer: OpenInvitation
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
  /** What a version would change */
  'plan-release': {
    params: unknown
    body: undefined
    answer: Plan
  }
  /** What running a version would change */
  'plan-stored-release': {
    params: {
      /** Of the version. */
      number: number
    }
    body: undefined
    answer: Plan
  }
  /** What another type of a column would change */
  'preview-column-type': {
    params: {
      /** The source, or millrace. */
      schema: string
      /** Name of the table. */
      table: string
      /** Name of the column. */
      column: string
    }
    body: TypeBody
    answer: TypePreview
  }
  /** Find out what is in a table */
  'profile-table': {
    params: {
      /** The source, or millrace. */
      schema: string
      /** Name of the table. */
      table: string
    }
    body: ProfileBody
    answer: Job
  }
  /** Run a version in another environment */
  'promote-release': {
    params: unknown
    body: PromoteBody
    answer: Deployment
  }
  /** Ask the warehouse in SQL */
  'query': {
    params: unknown
    body: QueryBody
    answer: QueryResult
  }
  /** Read a file of the project */
  'read-file': {
    params: {
      /** Of the file within the project. */
      path: string
    }
    body: undefined
    answer: FileText
  }
  /** Read rows of a result */
  'read-result': {
    params: {
      /** The result's ID. */
      id: string
    }
    body: RowsBody
    answer: ResultRows
  }
  /** Read the values in a YAML text */
  'read-values': {
    params: unknown
    body: ValuesBody
    answer: FileValues
  }
  /** Whether the server can take work */
  'readyz': {
    params: unknown
    body: undefined
    answer: Health
  }
  /** Give the secrets of the workspace a new key */
  'rekey-secrets': {
    params: unknown
    body: undefined
    answer: RekeyedValues
  }
  /** Change the master key */
  'rekey-server': {
    params: unknown
    body: undefined
    answer: Rekeyed
  }
  /** Remove a file of the project */
  'remove-file': {
    params: {
      /** Of the file within the project. */
      path: string
      /** Why; where changes are versions. */
      message?: string
      /** The version whose file was changed, as reading it said: with it, a conflict comes with both sides merged. */
      version?: number
      /** Of its text, as reading it said. */
      etag: string
    }
    body: undefined
    answer: SavedFile
  }
  /** Remove a member, or leave */
  'remove-member': {
    params: {
      /** By id. */
      person: string
      /** Only the role in this environment; else all roles in the workspace. */
      this_environment?: boolean
    }
    body: undefined
    answer: Stopped
  }
  /** Take someone's role on the server */
  'remove-operator': {
    params: {
      /** By id. */
      person: string
    }
    body: undefined
    answer: Stopped
  }
  /** Rename a file of the project */
  'rename-file': {
    params: unknown
    body: RenameBody
    answer: SavedFile
  }
  /** Have a link sent that sets a new password */
  'request-password-reset': {
    params: unknown
    body: ResetRequest
    answer: undefined
  }
  /** Send many rejected records again */
  'resend-many': {
    params: unknown
    body: ResendMany
    answer: Job
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
  /** Set a new password by a link */
  'reset-password': {
    params: unknown
    body: NewPassword
    answer: Session
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
  /** Restore a secret that was deleted */
  'restore-secret': {
    params: unknown
    body: SecretName
    answer: undefined
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
  /** End a suspension */
  'resume-workspace': {
    params: {
      /** Its name or id. */
      workspace: string
    }
    body: undefined
    answer: Workspace
  }
  /** Read the value of a secret */
  'reveal-secret': {
    params: unknown
    body: RevealBody
    answer: Revealed
  }
  /** Take an invitation back */
  'revoke-invitation': {
    params: {
      /** Of the invitation. */
      id: string
    }
    body: undefined
    answer: undefined
  }
  /** Revoke an API key */
  'revoke-key': {
    params: {
      /** Of the key. */
      id: string
      /** Revoke the keys too that were made or rotated with it, and with those: when it was stolen. Also when it is revoked already. */
      with_its_keys?: boolean
    }
    body: undefined
    answer: RevokedKey
  }
  /** Take such an invitation back */
  'revoke-operator-invitation': {
    params: {
      /** Of the invitation. */
      id: string
    }
    body: undefined
    answer: undefined
  }
  /** Revoke an API key of the server */
  'revoke-server-key': {
    params: {
      /** Of the key. */
      id: string
      /** Revoke the keys too that were made or rotated with it, and with those: when it was stolen. Also when it is revoked already. */
      with_its_keys?: boolean
    }
    body: undefined
    answer: RevokedKey
  }
  /** Go back to an earlier version */
  'roll-back-release': {
    params: unknown
    body: RollbackBody
    answer: Deployment
  }
  /** Make an earlier version of a secret the current one */
  'rollback-secret': {
    params: unknown
    body: VersionBody
    answer: undefined
  }
  /** Give an API key a new token */
  'rotate-key': {
    params: {
      /** Of the key. */
      id: string
    }
    body: RotateBody
    answer: NewAPIKey
  }
  /** Give an API key of the server a new token */
  'rotate-server-key': {
    params: {
      /** Of the key. */
      id: string
    }
    body: RotateBody
    answer: NewAPIKey
  }
  /** The newest rows of a table */
  'sample-table': {
    params: {
      /** The source, or millrace. */
      schema: string
      /** Name of the table. */
      table: string
      /** How many rows. */
      limit?: number
    }
    body: undefined
    answer: Rows
  }
  /** Save a file of the project */
  'save-file': {
    params: {
      /** Of the file within the project. */
      path: string
    }
    body: SaveBody
    answer: SavedFile
  }
  /** Send a test event */
  'send-test-event': {
    params: {
      /** Name of the source. */
      source: string
    }
    body: TestBody
    answer: TestSent
  }
  /** Set a member's role */
  'set-member': {
    params: {
      /** By id. */
      person: string
    }
    body: RoleBody
    answer: undefined
  }
  /** Say who runs the server */
  'set-operator': {
    params: {
      /** By id. */
      person: string
    }
    body: OperatorBody
    answer: undefined
  }
  /** Say what a workspace may use */
  'set-quotas': {
    params: {
      /** Its name or id. */
      workspace: string
    }
    body: Quotas
    answer: Workspace
  }
  /** Set a secret */
  'set-secret': {
    params: unknown
    body: SetBody
    answer: SecretSet
  }
  /** Verify the archive */
  'start-archive-verification': {
    params: unknown
    body: undefined
    answer: Job
  }
  /** Verify the audit trail */
  'start-audit-verification': {
    params: unknown
    body: undefined
    answer: Job
  }
  /** Take a backup */
  'start-backup': {
    params: unknown
    body: BackupBody
    answer: Job
  }
  /** Verify a backup */
  'start-backup-verification': {
    params: {
      /** Of the backup. */
      id: string
    }
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
  /** Sign in */
  'start-session': {
    params: unknown
    body: SignInBody
    answer: Session
  }
  /** Suspend a workspace */
  'suspend-workspace': {
    params: {
      /** Its name or id. */
      workspace: string
    }
    body: SuspendBody
    answer: Workspace
  }
  /** Follow records as they arrive */
  'tail': {
    params: {
      /** Only of this source. */
      source?: string
      /** Only track events of this name, or identify, page, screen, group, alias, rejected. */
      event?: string
      /** Only records of the user with this ID or anonymous ID. */
      user?: string
      /** Only records that ended so. What is not judged within two seconds is received. */
      result?: 'accepted' | 'duplicate' | 'rejected' | 'received'
      /** Only records whose body, ID or key contains this text, in any case. */
      grep?: string
      /** Begin with what follows this position, and miss nothing; when absent, with what arrives from now on. */
      after?: string
      /** Without after: begin with so many of the last records that are in the log already, as far as they are found within two seconds and are not over 16 MiB together. */
      backlog?: number
      /** End after so many records; 0 goes on until one of the two leaves. */
      limit?: number
    }
    body: undefined
    answer: TailLine
  }
  /** Have a deleted environment back */
  'undelete-environment': {
    params: {
      /** Its name or id. */
      workspace: string
      /** Its name, or its id. */
      environment: string
    }
    body: undefined
    answer: Workspace
  }
  /** Have a deleted workspace back */
  'undelete-workspace': {
    params: {
      /** Its name or id. */
      workspace: string
    }
    body: undefined
    answer: Workspace
  }
}

/** Method and path of every operation. */
export const routes = {
  'accept-invitation': ['POST', '/api/v1/invitations/accept'],
  'allow-secret': ['POST', '/api/v1/secrets/uses'],
  'cancel-job': ['DELETE', '/api/v1/jobs/{id}'],
  'change-email': ['POST', '/api/v1/profile/email'],
  'change-environment': ['PATCH', '/api/v1/workspaces/{workspace}/environments/{environment}'],
  'change-password': ['POST', '/api/v1/profile/password'],
  'change-person': ['PATCH', '/api/v1/people/{person}'],
  'change-profile': ['PATCH', '/api/v1/profile'],
  'change-workspace': ['PATCH', '/api/v1/workspaces/{workspace}'],
  'chart-result': ['POST', '/api/v1/results/{id}/chart'],
  'check-files': ['POST', '/api/v1/files/check'],
  'complete-file': ['POST', '/api/v1/files/complete'],
  'complete-setup': ['POST', '/api/v1/setup'],
  'confirm-email': ['POST', '/api/v1/email/confirm'],
  'count-duplicates': ['POST', '/api/v1/duplicates'],
  'create-environment': ['POST', '/api/v1/workspaces/{workspace}/environments'],
  'create-key': ['POST', '/api/v1/keys'],
  'create-member-reset': ['POST', '/api/v1/members/{person}/reset'],
  'create-person-reset': ['POST', '/api/v1/people/{person}/reset'],
  'create-result': ['POST', '/api/v1/results'],
  'create-server-key': ['POST', '/api/v1/server/keys'],
  'create-workspace': ['POST', '/api/v1/workspaces'],
  'delete-account': ['POST', '/api/v1/profile/removal'],
  'delete-backup': ['DELETE', '/api/v1/backups/{id}'],
  'delete-environment': ['DELETE', '/api/v1/workspaces/{workspace}/environments/{environment}'],
  'delete-person': ['DELETE', '/api/v1/people/{person}'],
  'delete-result': ['DELETE', '/api/v1/results/{id}'],
  'delete-secret': ['DELETE', '/api/v1/secrets'],
  'delete-workspace': ['DELETE', '/api/v1/workspaces/{workspace}'],
  'deploy-release': ['POST', '/api/v1/releases'],
  'describe-result-column': ['POST', '/api/v1/results/{id}/stats'],
  'destroy-secret-version': ['POST', '/api/v1/secrets/destroy-version'],
  'diff-release': ['GET', '/api/v1/releases/{number}/diff'],
  'download-result': ['GET', '/api/v1/results/{id}/download'],
  'edit-file': ['POST', '/api/v1/files/edit'],
  'end-one-session': ['DELETE', '/api/v1/profile/sessions/{id}'],
  'end-other-sessions': ['DELETE', '/api/v1/profile/sessions'],
  'end-session': ['DELETE', '/api/v1/session'],
  'explain-table': ['GET', '/api/v1/tables/{schema}/{table}/why'],
  'explain-table-rows': ['GET', '/api/v1/tables/{schema}/{table}/why/rows'],
  'export-audit': ['GET', '/api/v1/audit/export'],
  'export-files': ['GET', '/api/v1/export/files'],
  'export-records': ['GET', '/api/v1/export/records'],
  'export-server-audit': ['GET', '/api/v1/server/audit/export'],
  'export-trail': ['GET', '/api/v1/export/audit'],
  'export-usage': ['GET', '/api/v1/workspaces/{workspace}/usage/export'],
  'get-attention': ['GET', '/api/v1/attention'],
  'get-audit-entry': ['GET', '/api/v1/audit/{number}'],
  'get-catalog': ['GET', '/api/v1/catalog'],
  'get-history': ['GET', '/api/v1/history'],
  'get-job': ['GET', '/api/v1/jobs/{id}'],
  'get-logs': ['GET', '/api/v1/logs'],
  'get-profile': ['GET', '/api/v1/profile'],
  'get-record': ['GET', '/api/v1/records/{position}'],
  'get-rejected': ['GET', '/api/v1/rejected/{id}'],
  'get-release': ['GET', '/api/v1/releases/{number}'],
  'get-release-files': ['GET', '/api/v1/releases/{number}/files'],
  'get-result': ['GET', '/api/v1/results/{id}'],
  'get-running-release': ['GET', '/api/v1/releases/running'],
  'get-schema': ['GET', '/api/v1/schemas/{name}'],
  'get-secret-history': ['GET', '/api/v1/secrets/history'],
  'get-server-audit-entry': ['GET', '/api/v1/server/audit/{number}'],
  'get-session': ['GET', '/api/v1/session'],
  'get-source': ['GET', '/api/v1/sources/{source}'],
  'get-source-event': ['GET', '/api/v1/sources/{source}/events/{event}'],
  'get-status': ['GET', '/api/v1/status'],
  'get-support-bundle': ['GET', '/api/v1/support-bundle'],
  'get-table': ['GET', '/api/v1/tables/{schema}/{table}'],
  'get-usage': ['GET', '/api/v1/workspaces/{workspace}/usage'],
  'get-workspace': ['GET', '/api/v1/workspaces/{workspace}'],
  'import-records': ['POST', '/api/v1/import/records'],
  'invite-member': ['POST', '/api/v1/members/invitations'],
  'invite-operator': ['POST', '/api/v1/operators/invitations'],
  'invite-owner': ['POST', '/api/v1/workspaces/{workspace}/owner'],
  'list-audit': ['GET', '/api/v1/audit'],
  'list-backups': ['GET', '/api/v1/backups'],
  'list-deploys': ['GET', '/api/v1/deploys'],
  'list-files': ['GET', '/api/v1/files'],
  'list-invitations': ['GET', '/api/v1/members/invitations'],
  'list-jobs': ['GET', '/api/v1/jobs'],
  'list-keys': ['GET', '/api/v1/keys'],
  'list-marks': ['GET', '/api/v1/marks'],
  'list-members': ['GET', '/api/v1/members'],
  'list-operator-invitations': ['GET', '/api/v1/operators/invitations'],
  'list-operators': ['GET', '/api/v1/operators'],
  'list-people': ['GET', '/api/v1/people'],
  'list-readers': ['GET', '/api/v1/readers'],
  'list-records': ['GET', '/api/v1/records'],
  'list-rejected': ['GET', '/api/v1/rejected'],
  'list-rejected-groups': ['GET', '/api/v1/rejected/groups'],
  'list-releases': ['GET', '/api/v1/releases'],
  'list-schemas': ['GET', '/api/v1/schemas'],
  'list-secrets': ['GET', '/api/v1/secrets'],
  'list-server-audit': ['GET', '/api/v1/server/audit'],
  'list-server-keys': ['GET', '/api/v1/server/keys'],
  'list-sessions': ['GET', '/api/v1/profile/sessions'],
  'list-snippets': ['GET', '/api/v1/sources/{source}/snippets'],
  'list-source-changes': ['GET', '/api/v1/sources/{source}/changes'],
  'list-source-events': ['GET', '/api/v1/sources/{source}/events'],
  'list-sources': ['GET', '/api/v1/sources'],
  'list-tables': ['GET', '/api/v1/tables'],
  'list-workspaces': ['GET', '/api/v1/workspaces'],
  'open-invitation': ['POST', '/api/v1/invitations/open'],
  'pause-reader': ['POST', '/api/v1/readers/{name}/pause'],
  'plan-release': ['POST', '/api/v1/releases/plan'],
  'plan-stored-release': ['GET', '/api/v1/releases/{number}/plan'],
  'preview-column-type': ['POST', '/api/v1/tables/{schema}/{table}/columns/{column}/type'],
  'profile-table': ['POST', '/api/v1/tables/{schema}/{table}/profile'],
  'promote-release': ['POST', '/api/v1/releases/promote'],
  'query': ['POST', '/api/v1/query'],
  'read-file': ['GET', '/api/v1/files/text'],
  'read-result': ['POST', '/api/v1/results/{id}/rows'],
  'read-values': ['POST', '/api/v1/files/values'],
  'readyz': ['GET', '/readyz'],
  'rekey-secrets': ['POST', '/api/v1/secrets/rekey'],
  'rekey-server': ['POST', '/api/v1/master-key/rekey'],
  'remove-file': ['DELETE', '/api/v1/files/text'],
  'remove-member': ['DELETE', '/api/v1/members/{person}'],
  'remove-operator': ['DELETE', '/api/v1/operators/{person}'],
  'rename-file': ['POST', '/api/v1/files/rename'],
  'request-password-reset': ['POST', '/api/v1/password/reset-requests'],
  'resend-many': ['POST', '/api/v1/rejected/resend'],
  'resend-rejected': ['POST', '/api/v1/rejected/{id}/resend'],
  'reset-password': ['POST', '/api/v1/password/reset'],
  'reset-reader': ['POST', '/api/v1/readers/{name}/reset'],
  'restore-secret': ['POST', '/api/v1/secrets/restore'],
  'resume-reader': ['POST', '/api/v1/readers/{name}/resume'],
  'resume-workspace': ['POST', '/api/v1/workspaces/{workspace}/resume'],
  'reveal-secret': ['POST', '/api/v1/secrets/reveal'],
  'revoke-invitation': ['DELETE', '/api/v1/members/invitations/{id}'],
  'revoke-key': ['DELETE', '/api/v1/keys/{id}'],
  'revoke-operator-invitation': ['DELETE', '/api/v1/operators/invitations/{id}'],
  'revoke-server-key': ['DELETE', '/api/v1/server/keys/{id}'],
  'roll-back-release': ['POST', '/api/v1/releases/rollback'],
  'rollback-secret': ['POST', '/api/v1/secrets/rollback'],
  'rotate-key': ['POST', '/api/v1/keys/{id}/rotate'],
  'rotate-server-key': ['POST', '/api/v1/server/keys/{id}/rotate'],
  'sample-table': ['GET', '/api/v1/tables/{schema}/{table}/sample'],
  'save-file': ['PUT', '/api/v1/files/text'],
  'send-test-event': ['POST', '/api/v1/sources/{source}/test'],
  'set-member': ['PUT', '/api/v1/members/{person}'],
  'set-operator': ['PUT', '/api/v1/operators/{person}'],
  'set-quotas': ['PUT', '/api/v1/workspaces/{workspace}/quotas'],
  'set-secret': ['PUT', '/api/v1/secrets'],
  'start-archive-verification': ['POST', '/api/v1/archive/verifications'],
  'start-audit-verification': ['POST', '/api/v1/audit/verifications'],
  'start-backup': ['POST', '/api/v1/backups'],
  'start-backup-verification': ['POST', '/api/v1/backups/{id}/verifications'],
  'start-log-verification': ['POST', '/api/v1/log/verifications'],
  'start-rebuild': ['POST', '/api/v1/warehouse/rebuilds'],
  'start-session': ['POST', '/api/v1/session'],
  'suspend-workspace': ['POST', '/api/v1/workspaces/{workspace}/suspend'],
  'tail': ['GET', '/api/v1/tail'],
  'undelete-environment': ['POST', '/api/v1/workspaces/{workspace}/environments/{environment}/undelete'],
  'undelete-workspace': ['POST', '/api/v1/workspaces/{workspace}/undelete'],
} as const satisfies Record<keyof Operations, readonly [string, string]>
