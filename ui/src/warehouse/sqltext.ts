import type { Mistake } from '@/design/Editor'

/** name quotes a name of SQL where it has to be. */
export function name(word: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(word) && !reserved.has(word) ? word : `"${word.replaceAll('"', '""')}"`
}

const reserved = new Set('all and any array as asc between both case cast check collate column constraint create cross current_date current_time current_timestamp default desc distinct do else end except false fetch for foreign from full group having in inner intersect into is join lateral leading left like limit not null offset on only or order outer primary references returning right select some table then to trailing true union unique user using when where window with'.split(' '))

/** sampleOf selects the newest rows of a table. */
export function sampleOf(schema: string, table: string, columns: { name: string }[], limit = 100): string {
  const newest = ['received_at', 'timestamp'].find((n) => columns.some((c) => c.name === n))
  return `SELECT *\nFROM ${name(schema)}.${name(table)}${newest ? `\nORDER BY ${newest} DESC` : ''}\nLIMIT ${limit}`
}

/** mistakeOf finds the place that an engine's error names: DuckDB's LINE with a caret, or a position. */
export function mistakeOf(detail: string, sql: string, firstLine = 1): Mistake | undefined {
  const caret = /LINE (\d+): ([^\n]*)\n( *)\^/.exec(detail)
  if (caret) {
    const line = Number(caret[1])
    const shown = caret[2] ?? ''
    const under = (caret[3] ?? '').length - `LINE ${caret[1]}: `.length
    const whole = sql.split('\n')[line - 1] ?? ''
    // A long line is shown in part, with … in front.
    const cut = shown.startsWith('...') ? whole.indexOf(shown.slice(3, 40)) - 3 : 0
    return { line: line + firstLine - 1, column: Math.max(1, under + 1 + Math.max(cut, cut === 0 ? 0 : -3)), message: summaryOf(detail) }
  }
  const place = /(?:position|character) (\d+)/i.exec(detail)
  if (place) {
    const before = sql.slice(0, Math.max(0, Number(place[1]) - 1)).split('\n')
    return { line: before.length + firstLine - 1, column: (before.at(-1)?.length ?? 0) + 1, message: summaryOf(detail) }
  }
  const named = /\bno (?:table|column|function|schema) "?([\w.]+)"?/i.exec(detail)?.[1]
  const found = named === undefined ? -1 : sql.toLowerCase().indexOf(named.toLowerCase())
  if (named !== undefined && found >= 0) {
    const before = sql.slice(0, found).split('\n')
    return { line: before.length + firstLine - 1, column: (before.at(-1)?.length ?? 0) + 1, message: summaryOf(detail) }
  }
  const line = /\bline (\d+)/i.exec(detail)
  return line ? { line: Number(line[1]) + firstLine - 1, column: 1, message: summaryOf(detail) } : undefined
}

/** summaryOf is what an engine's error says, without the place in the text. */
export function summaryOf(detail: string): string {
  return (detail.split(/\n\s*\nLINE |\nLINE /)[0] ?? detail).replace(/ \(line \d+, column \d+\)$/, '').trim()
}

/** isNumber says whether values of a type are numbers, which stand on the right. */
export function isNumber(type: string): boolean {
  return /^(tinyint|smallint|integer|int\d?\b|bigint|hugeint|u(tiny|small|big|huge)?int(eger)?|float\d?|double|real|decimal|numeric)/i.test(type)
}

/** written is how a cell is shown and copied; null is null. */
export function written(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}


/** shown is how a cell is read: a time with a blank in it, a double without the noise behind its 15th digit. What is copied is exact. */
export function shown(value: unknown, type = ''): string {
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(value) && (type === '' || /^timestamp/i.test(type))) return value.replace('T', ' ').replace(/Z$/, '')
  if (typeof value === 'number' && /^(double|float|real)/i.test(type) && !Number.isInteger(value)) return String(Number(value.toPrecision(15)))
  return written(value)
}
