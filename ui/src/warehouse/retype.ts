// What can be said of changing a column's type without asking the server.
import type { TableColumn } from '@/api/schema'

/** wordsOf says what a type holds. */
export const wordsOf = {
  bool: 'true and false', bigint: 'whole numbers', double: 'numbers with a fraction', timestamptz: 'times with a zone', text: 'any text', json: 'anything, as JSON',
} as const

/** What was written into a source's file, and what it said before. */
export interface Edited { file: string; reloads: boolean; before: string; etag: string; from: string; to: string }

/** whyNot says why a column's type cannot be changed, or nothing. */
export function whyNot(kind: string, schema: string, column: TableColumn): string | undefined {
  if (kind === 'system') return `Millrace keeps ${schema} itself, with types of its own: they cannot be changed.`
  if (kind === 'discards') return 'In discards everything is kept as it was sent, whatever it was. Its columns have types of their own.'
  if (kind === 'other') return 'Millrace did not make this table and does not load it: change its columns where it was made.'
  if (column.fixed) return `${column.name} is in every table of its kind. Its type comes from the protocol and not from what events bring, and positions and times are compared by it.`
  return undefined
}

interface Rebuilt { records: number; tables: { table: string; rows_before: number; rows_after: number }[] }

/** rebuilt reads the result of a rebuild's job. */
export function rebuilt(result: unknown): Rebuilt | undefined {
  if (result === null || typeof result !== 'object' || !('records' in result) || !('tables' in result) || !Array.isArray(result.tables)) return undefined
  return result as Rebuilt
}
