import { useQueries } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { problemOf } from '@/api/client'
import { pageRows, resultPageQuery, type View } from '@/api/queries'
import type { ResultFilter, StoredResult } from '@/api/schema'
import { ErrorBox } from '@/design/ErrorBox'
import { Table, type Sorting } from '@/design/Table'
import { gridColumns } from './Grid'

interface Props {
  result: StoredResult
  filters: ResultFilter[]
  sort?: Sorting
  onSort: (sort: Sorting | undefined) => void
  onTotal: (total: number) => void
}

/** viewOf is how rows are asked for: those that the filters let through, in their order. */
export function viewOf(result: StoredResult, filters: ResultFilter[], sort: Sorting | undefined): View {
  return { filters, sort: sort ? [{ column: result.columns[Number.parseInt(sort.column, 10)]?.name ?? '', desc: sort.down }] : undefined }
}

/** The rows of a stored result, a page at a time as they are seen; sorted and filtered where they are stored. */
export function StoredGrid({ result, filters, sort, onSort, onTotal }: Props) {
  const [seen, setSeen] = useState({ from: 0, to: 60 })
  const view: View = useMemo(() => viewOf(result, filters, sort), [result, filters, sort])
  // The pages around what is seen come too, so that steady scrolling finds them there.
  const first = Math.max(0, Math.floor((seen.from - pageRows / 2) / pageRows))
  const last = Math.floor((Math.min(result.rows, seen.to + pageRows / 2) - 1) / pageRows)
  const wanted = Array.from({ length: Math.max(1, last - first + 1) }, (_, i) => first + i)
  const pages = useQueries({ queries: wanted.map((page) => resultPageQuery(result.id, view, page)) })
  const total = pages.find((p) => p.data)?.data?.total
  const [known, setKnown] = useState(result.rows)
  if (total !== undefined && total !== known) setKnown(total)
  const count = total ?? known
  const [told, setTold] = useState<number>()
  if (total !== undefined && told !== total) {
    setTold(total)
    queueMicrotask(() => { onTotal(total) })
  }
  const sample = pages[0]?.data?.rows
  const columns = useMemo(() => gridColumns(result.columns, sample ?? []), [result.columns, sample])
  const failed = pages.find((p) => p.error)
  return (
    <>
      {failed?.error && <div className="px-3 pb-2"><ErrorBox problem={problemOf(failed.error)} onRetry={() => void failed.refetch()} /></div>}
      <Table name={`result:${result.columns.map((c) => c.name).join(',').slice(0, 200)}`} label="Result" columns={columns} count={count} compact sort={sort} onSort={onSort}
        rowAt={(at) => pages[Math.floor(at / pageRows) - first]?.data?.rows[at % pageRows]} onSeen={(from, to) => { setSeen({ from, to }) }} empty={<p className="p-4 text-soft">No rows.</p>} />
    </>
  )
}
