import { useMemo, useState } from 'react'
import type { QueryColumn } from '@/api/schema'
import { Table, type Column, type Sorting } from '@/design/Table'
import { isNumber, shown, written } from './sqltext'

/** The rows of a result: of the types of their columns, sorted on a click. */
export function Grid({ name, label, columns, rows }: { name: string; label: string; columns: QueryColumn[]; rows: unknown[][] }) {
  const [sort, setSort] = useState<Sorting>()
  const shown = useMemo(() => gridColumns(columns, rows), [columns, rows])
  const sorted = useMemo(() => {
    const at = sort ? Number.parseInt(sort.column, 10) : -1
    const type = columns[at]?.type
    return sort && type !== undefined ? [...rows].sort((a, b) => compare(a[at], b[at], isNumber(type)) * (sort.down ? -1 : 1)) : rows
  }, [rows, columns, sort])
  return <Table name={name} label={label} columns={shown} count={sorted.length} rowAt={(i) => sorted[i]} sort={sort} onSort={setSort} compact empty={<p className="p-4 text-soft">No rows.</p>} />
}

/** gridColumns shows values of any type; rows say how wide columns should be. */
export function gridColumns(columns: QueryColumn[], rows: unknown[][]): Column<unknown[]>[] {
  return columns.map((c, i): Column<unknown[]> => ({
    id: `${i}:${c.name}`, name: c.name, sortable: true, mono: true, align: isNumber(c.type) ? 'right' : undefined, width: widthOf(c, rows, i),
    title: <span title={`${c.name} ${c.type}`}>{c.name} <span className="font-normal text-faint">{c.type.toLowerCase()}</span></span>,
    cell: (row) => row[i] === null || row[i] === undefined ? <span className="text-faint italic">null</span> : <span title={exactly(row[i], c.type)}>{shown(row[i], c.type)}</span>,
    text: (row) => written(row[i]),
  }))
}

/** exactly is the whole value, where it is longer than what is shown, or shown otherwise. */
function exactly(value: unknown, type: string): string | undefined {
  const text = written(value)
  return text.length > 24 || text !== shown(value, type) ? text : undefined
}

/** widthOf fits a column to its name and first rows. */
function widthOf(column: QueryColumn, rows: unknown[][], at: number): number {
  let letters = column.name.length + column.type.length + 2
  for (const row of rows.slice(0, 50)) letters = Math.max(letters, Math.min(42, shown(row[at], column.type).length))
  return Math.min(360, 30 + letters * 7.3)
}

/** compare puts nulls last, numbers by size also when they are written as text. */
export function compare(a: unknown, b: unknown, numeric: boolean): number {
  if (a === null || a === undefined) return b === null || b === undefined ? 0 : 1
  if (b === null || b === undefined) return -1
  if (numeric) return Number(a) - Number(b)
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b)
  return written(a) < written(b) ? -1 : written(a) > written(b) ? 1 : 0
}
