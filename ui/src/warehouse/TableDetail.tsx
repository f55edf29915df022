import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { problemOf } from '@/api/client'
import { sqlQuery, tablesQuery } from '@/api/queries'
import { Badge } from '@/design/Badge'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { SkeletonRows } from '@/design/Skeleton'
import { Table, type Column } from '@/design/Table'
import { Tabs } from '@/design/Tabs'
import { TimeText } from '@/design/TimeText'
import { View } from '@/design/View'
import { number, plural } from '@/format/format'
import { Grid } from './Grid'
import { name, sampleOf } from './sqltext'

const route = getRouteApi('/warehouse/$schema/$table')

interface Field { name: string; type: string }

const fields: Column<Field>[] = [
  { id: 'name', title: 'Column', width: 280, mono: true, cell: (f) => f.name, text: (f) => f.name },
  { id: 'type', title: 'Type', cell: (f) => <Badge mono>{f.type.toLowerCase()}</Badge>, text: (f) => f.type },
]

export default function TableDetail() {
  const { schema, table } = route.useParams()
  const { tab = 'sample' } = route.useSearch()
  const navigate = route.useNavigate()
  const tables = useQuery(tablesQuery)
  const found = tables.data?.find((t) => t.schema === schema && t.table === table)
  const received = found?.columns.some((c) => c.name === 'received_at')
  const counted = useQuery({ ...sqlQuery({ sql: `SELECT count(*) AS n${received ? ', max(received_at) AS last' : ''} FROM ${name(schema)}.${name(table)}` }), enabled: found !== undefined, staleTime: 10_000 })
  const [rows, last] = counted.data?.rows[0] ?? []
  const sample = sampleOf(schema, table, found?.columns ?? [])
  return (
    <View crumbs={[{ title: 'Warehouse', to: '/warehouse' }, { title: `${schema}.${table}` }]}
      state={rows !== undefined && <><span>{plural(Number(rows), 'row')}</span>{typeof last === 'string' && <span>newest <TimeText at={last} /></span>}</>}
      actions={<Link to="/warehouse" search={{ sql: sample }} className="inline-flex h-8 items-center rounded-outer bg-hover px-3 font-medium hover:bg-active">Query</Link>}>
      {tables.error && !tables.data ? <div className="p-4"><ErrorBox problem={problemOf(tables.error)} onRetry={() => void tables.refetch()} /></div>
        : !tables.data ? <SkeletonRows />
          : !found ? <Empty icon="table" title="There is no such table">It may have been renamed, or its first event has not come. The list on the left has what there is.</Empty>
            : (
              <Tabs label="The table" className="grow" tabs={[{ id: 'sample', label: 'Newest rows' }, { id: 'columns', label: 'Columns', count: number(found.columns.length) }]} chosen={tab} panelClassName="flex flex-col"
                onChoose={(id) => { void navigate({ search: { tab: id }, replace: true }) }}>
                {tab === 'columns' ? <Table name="columns" label="Columns" columns={fields} count={found.columns.length} rowAt={(i) => found.columns[i]} /> : <Sample sql={sample} table={`${schema}.${table}`} />}
              </Tabs>
            )}
    </View>
  )
}

function Sample({ sql, table }: { sql: string; table: string }) {
  const { data, error, refetch } = useQuery({ ...sqlQuery({ sql, limit: 100 }), staleTime: 10_000 })
  if (error && !data) return <div className="p-4"><ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /></div>
  if (!data) return <SkeletonRows />
  return <Grid name={`table:${table}`} label={`Newest rows of ${table}`} columns={data.columns} rows={data.rows} />
}
