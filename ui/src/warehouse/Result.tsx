import { useState } from 'react'
import { urlOf } from '@/api/client'
import type { ResultFilter, StoredResult } from '@/api/schema'
import { Badge } from '@/design/Badge'
import { Button } from '@/design/Button'
import { Menu } from '@/design/Menu'
import { Bytes } from '@/design/NumberText'
import type { Sorting } from '@/design/Table'
import { Tabs } from '@/design/Tabs'
import { duration, number } from '@/format/format'
import { Filters } from './Filters'
import { ResultChart } from './ResultChart'
import { ResultColumns } from './ResultColumns'
import { StoredGrid, viewOf } from './StoredGrid'

const formats = [['csv', 'CSV'], ['json', 'JSON'], ['ndjson', 'JSON, one row a line'], ['parquet', 'Parquet']] as const

/** A stored result: its rows, a chart, its columns, and to take it along. */
export function Result({ result }: { result: StoredResult }) {
  const [tab, setTab] = useState('rows')
  const [filters, setFilters] = useState<ResultFilter[]>([])
  const [sort, setSort] = useState<Sorting>()
  const [total, setTotal] = useState(result.rows)
  const download = (format: (typeof formats)[number][0]) => { location.assign(urlOf('download-result', { id: result.id, format, view: filters.length > 0 || sort ? JSON.stringify(viewOf(result, filters, sort)) : undefined })) }
  return (
    <Tabs label="Views of the result" className="grow" tabs={[{ id: 'rows', label: 'Rows' }, { id: 'chart', label: 'Chart' }, { id: 'columns', label: 'Columns' }]} chosen={tab} onChoose={setTab} panelClassName="flex flex-col"
      trailing={<Menu label="Download" button={<Button small look="quiet" icon="download">Download</Button>} items={formats.map(([id, label]) => ({ label, onChoose: () => { download(id) } }))} />}>
      <div className="flex min-h-9 flex-wrap items-center gap-x-3 gap-y-1 px-4 py-1 text-12 text-soft">
        <span><strong className="font-semibold text-ink">{number(total)}</strong> {total === 1 ? 'row' : 'rows'}{filters.length > 0 && <> of {number(result.rows)}</>}</span><span>{duration(result.elapsed_ms)}</span><Bytes value={result.bytes} />
        {result.truncated && <Badge meaning="warning">Cut: there were more rows</Badge>}
        <span className="ml-auto flex flex-wrap gap-1"><Filters columns={result.columns} filters={filters} onChange={setFilters} /></span>
      </div>
      {tab === 'rows' ? <StoredGrid result={result} filters={filters} sort={sort} onSort={setSort} onTotal={setTotal} /> : tab === 'chart' ? <ResultChart result={result} filters={filters} /> : <ResultColumns result={result} filters={filters} onFilter={(f) => { setFilters([...filters, f]); setTab('rows') }} />}
    </Tabs>
  )
}
