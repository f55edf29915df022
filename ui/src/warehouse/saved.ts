// Saved queries: files of the project, in its folder queries.
import type { ProjectFile } from '@/api/schema'

const folder = 'queries/'
const ending = '.sql'

/** nameOf is what a saved query is called: its path in the folder. */
export const nameOf = (path: string): string => path.replace(/^queries\//, '').replace(/\.sql$/, '')

/** pathOf is the file of a saved query. */
export const pathOf = (name: string): string => folder + name.trim() + ending

/** savedOf lists the saved queries among the project's files, by name. */
export function savedOf(files: ProjectFile[] | undefined): ProjectFile[] {
  return (files ?? []).filter((f) => f.path.startsWith(folder) && f.path.endsWith(ending) && f.editable).sort((a, b) => a.path.localeCompare(b.path))
}

/** problemOfName says why a query cannot be called so, or nothing. */
export function problemOfName(name: string, taken: string[]): string | undefined {
  const trimmed = name.trim()
  if (trimmed === '') return 'A query needs a name.'
  if (!/^[\p{L}\p{N}_-][\p{L}\p{N}_ .-]*(\/[\p{L}\p{N}_-][\p{L}\p{N}_ .-]*)?$/u.test(trimmed) || /[ .](\/|$)/.test(trimmed)) return 'Use letters, digits, spaces, - and _, and at most one / for a folder.'
  if (taken.some((t) => t.toLowerCase() === trimmed.toLowerCase())) return 'There is a query of that name already.'
  return undefined
}

/** suggestedName makes a name of what a query reads. */
export function suggestedName(sql: string, taken: string[]): string {
  const table = /\bfrom\s+(?:"?\w+"?\.)?"?(\w+)"?/i.exec(sql)?.[1]?.toLowerCase() ?? 'query'
  for (let i = 1; ; i++) {
    const name = i === 1 ? table : `${table}_${i}`
    if (!taken.includes(name)) return name
  }
}

/** fileText is how a query stands in its file. */
export const fileText = (sql: string): string => `${sql.trimEnd()}\n`

/** A link says which query is open: a saved one by name, any other by its text. */
export interface QueryLink { query?: string; sql?: string }

// Longer addresses are cut by mail programs and proxies.
const longestLink = 6000

/** linkOf is the link to what a tab says; nothing when the text is too long for an address. */
export function linkOf(tab: { sql: string; file?: string; base?: string }): QueryLink {
  if (tab.file !== undefined && tab.sql.trimEnd() === (tab.base ?? '').trimEnd()) return { query: nameOf(tab.file) }
  const sql = tab.sql.trim()
  return sql === '' || encodeURIComponent(sql).length > longestLink ? {} : { sql }
}

/** sameLink is a text that is the same for the same link. */
export const sameLink = (link: QueryLink): string => link.query !== undefined ? `query ${link.query}` : link.sql !== undefined ? `sql ${link.sql.trim()}` : ''
