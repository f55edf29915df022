// Loaded when a query is formatted first.
import { duckdb, formatDialect, postgresql } from 'sql-formatter'

/** format writes SQL as one reads it. It throws when the text is none. */
export function format(sql: string, engine: string | undefined): string {
  return formatDialect(sql, { dialect: engine === 'postgres' ? postgresql : duckdb, keywordCase: 'upper', tabWidth: 2, expressionWidth: 80, linesBetweenQueries: 1 })
}
