// The SQL that one has open, kept in the browser.
import { choice, type Choice } from '@/design/theme'

export interface SqlTab { id: string; title: string; sql: string }
export interface Tabs { open: SqlTab[]; chosen: string }
export interface Ran { sql: string; at: number; rows?: number; ms?: number; failed?: boolean }

function isTabs(value: unknown): value is Tabs {
  if (value === null || typeof value !== 'object' || !('open' in value) || !('chosen' in value) || !Array.isArray(value.open) || value.open.length === 0) return false
  return value.open.every((tab: unknown) => tab !== null && typeof tab === 'object' && 'id' in tab && 'sql' in tab && typeof tab.sql === 'string')
}

const isHistory = (value: unknown): value is Ran[] => Array.isArray(value) && value.every((one: unknown) => one !== null && typeof one === 'object' && 'sql' in one && typeof one.sql === 'string')

export const tabs: Choice<Tabs> = choice<Tabs>('sql', { open: [{ id: '1', title: 'Query 1', sql: '' }], chosen: '1' }, isTabs)
export const ran: Choice<Ran[]> = choice<Ran[]>('ran', [], isHistory)

const mostRan = 200
const mostKept = 20_000 // letters of one statement

/** remember keeps a statement in the history, once and newest first. */
export function remember(one: Ran): void {
  if (one.sql.length > mostKept) return
  ran.set([one, ...ran.get().filter((r) => r.sql !== one.sql)].slice(0, mostRan))
}

/** open opens a statement: in the tab that is empty, or that has it, or a new one. */
export function open(all: Tabs, sql: string): Tabs {
  const there = all.open.find((t) => t.sql.trim() === sql.trim()) ?? all.open.find((t) => t.sql.trim() === '')
  if (there) return { open: all.open.map((t) => t.id === there.id ? { ...t, sql } : t), chosen: there.id }
  return add(all, sql)
}

/** add opens a new tab. */
export function add(all: Tabs, sql = ''): Tabs {
  const number = Math.max(0, ...all.open.map((t) => Number(t.id) || 0)) + 1
  return { open: [...all.open, { id: String(number), title: `Query ${number}`, sql }], chosen: String(number) }
}

/** close closes a tab and goes to its neighbour; one always stays. */
export function close(all: Tabs, id: string): Tabs {
  const at = all.open.findIndex((t) => t.id === id)
  const left = all.open.filter((t) => t.id !== id)
  if (left.length === 0) return { open: [{ id: '1', title: 'Query 1', sql: '' }], chosen: '1' }
  return { open: left, chosen: all.chosen === id ? (left[Math.min(at, left.length - 1)]?.id ?? '1') : all.chosen }
}
