// The SQL that one has open, kept in the browser.
import { choice, type Choice } from '@/design/theme'
import { nameOf } from './saved'

/** A tab holds a text; of a saved query also its file, that file's version, and what it said. */
export interface SqlTab { id: string; title: string; sql: string; file?: string; etag?: string; base?: string }
export interface Tabs { open: SqlTab[]; chosen: string }
export interface Ran { sql: string; at: number; rows?: number; ms?: number; failed?: boolean }

function isTabs(value: unknown): value is Tabs {
  if (value === null || typeof value !== 'object' || !('open' in value) || !('chosen' in value) || !Array.isArray(value.open) || value.open.length === 0) return false
  return value.open.every((tab: unknown) => tab !== null && typeof tab === 'object' && 'id' in tab && 'sql' in tab && typeof tab.sql === 'string')
}

const isHistory = (value: unknown): value is Ran[] => Array.isArray(value) && value.every((one: unknown) => one !== null && typeof one === 'object' && 'sql' in one && typeof one.sql === 'string')

export const tabs: Choice<Tabs> = choice<Tabs>('sql', { open: [{ id: '1', title: 'Query 1', sql: '' }], chosen: '1' }, isTabs, true)
export const ran: Choice<Ran[]> = choice<Ran[]>('ran', [], isHistory, true)

const mostRan = 200
const mostKept = 20_000 // letters of one statement

/** remember keeps a statement in the history, once and newest first. */
export function remember(one: Ran): void {
  if (one.sql.length > mostKept) return
  ran.set([one, ...ran.get().filter((r) => r.sql !== one.sql)].slice(0, mostRan))
}

/** titleOf is what a tab is called: as its file, when it has one. */
export const titleOf = (tab: SqlTab): string => tab.file === undefined ? tab.title : nameOf(tab.file)

/** isChanged says whether a tab differs from its file; blanks at the end do not count. */
export const isChanged = (tab: SqlTab): boolean => tab.file !== undefined && tab.sql.trimEnd() !== (tab.base ?? '').trimEnd()

/** open opens a statement: in the tab that has it, in an empty one, or a new one. */
export function open(all: Tabs, sql: string): Tabs {
  const there = all.open.find((t) => t.sql.trim() === sql.trim()) ?? all.open.find((t) => t.file === undefined && t.sql.trim() === '')
  if (there) return { open: all.open.map((t) => t.id === there.id && t.sql.trim() === '' ? { ...t, sql } : t), chosen: there.id }
  return add(all, sql)
}

/** openFile opens a saved query: the tab that has it keeps what was typed into it. */
export function openFile(all: Tabs, file: string, text: string, etag: string): Tabs {
  const there = all.open.find((t) => t.file === file)
  if (there) return { open: all.open.map((t) => t.id === there.id ? refreshed(t, text, etag) : t), chosen: there.id }
  const empty = all.open.find((t) => t.file === undefined && t.sql.trim() === '')
  const put = (to: Tabs, id: string): Tabs => ({ open: to.open.map((t) => t.id === id ? { ...t, file, etag, base: text, sql: text } : t), chosen: id })
  if (empty) return put(all, empty.id)
  const more = add(all)
  return put(more, more.chosen)
}

/** refreshed takes over what a file says now, unless something was typed. */
export function refreshed(tab: SqlTab, text: string, etag: string): SqlTab {
  return isChanged(tab) ? tab : { ...tab, etag, base: text, sql: text }
}

/** change changes one tab. */
export function change(all: Tabs, id: string, next: Partial<SqlTab>): Tabs {
  return { ...all, open: all.open.map((t) => t.id === id ? { ...t, ...next } : t) }
}

/** moved follows a file that was renamed; undefined: it is gone, and its text is a draft. */
export function moved(all: Tabs, from: string, to: string | undefined): Tabs {
  return { ...all, open: all.open.map((t) => t.file !== from ? t : to === undefined ? { id: t.id, title: nameOf(from), sql: t.sql } : { ...t, file: to }) }
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
