/** statementAt returns the statement of a SQL text in which a place lies, and the line on which it begins. */
export function statementAt(sql: string, place: number): { text: string; line: number } {
  let found: { from: number; to: number } | undefined
  for (const part of statements(sql)) {
    if (sql.slice(part.from, part.to).trim() === '') continue
    if (found === undefined || part.from <= place) found = part
    if (place <= part.to) break
  }
  if (!found) return { text: sql.trim(), line: 1 }
  const raw = sql.slice(found.from, found.to)
  const from = found.from + (raw.length - raw.trimStart().length)
  return { text: raw.trim(), line: sql.slice(0, from).split('\n').length }
}

/** statements are the parts between semicolons that are in no text, name or comment. */
function statements(sql: string): { from: number; to: number }[] {
  const parts: { from: number; to: number }[] = []
  let from = 0
  const tokens = /'(?:[^']|'')*'?|"(?:[^"]|"")*"?|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|;/g
  for (const match of sql.matchAll(tokens)) {
    if (match[0] !== ';') continue
    parts.push({ from, to: match.index })
    from = match.index + 1
  }
  parts.push({ from, to: sql.length })
  return parts
}
