// What the list and its worker say to each other.
import type { TailLine } from '@/api/schema'
import type { Summary } from './summary'

export interface Filter { source?: string; event?: string; text?: string; result?: string; user?: string }

export type Order =
  /** Space is where the page is: the worker has no address. */
  | { kind: 'open'; filter: Filter; space: string }
  /** Rows to be told: count of them, down from top; top undefined follows the newest. */
  | { kind: 'view'; top: number | undefined; skip: number; count: number }
  | { kind: 'get'; number: number }
  | { kind: 'clear' }

export type Connection = 'connecting' | 'live' | 'held' | 'waiting'

export interface Told {
  first: number
  last: number
  /** Records a second. */
  rate: number
  /** Records that this tab was too slow for. */
  dropped: number
  connection: Connection
  /** Why it does not follow; since is when that was first so. */
  problem?: { title: string; detail: string; request_id?: string; kind?: string; since: number }
}

export type News =
  | { kind: 'told'; told: Told; rows: Summary[] }
  | { kind: 'record'; number: number; line: TailLine | undefined }
