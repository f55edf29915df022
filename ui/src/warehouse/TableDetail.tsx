import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { problemOf } from '@/api/client'
import { sampleQuery, tableQuery } from '@/api/queries'
import type { TableColumn, TableDetail as TableDetailOf } from '@/api/schema'
import { Badge } from '@/design/Badge'
import { Button } from '@/design/Button'
import { ErrorBox } from '@/design/ErrorBox'
import { Bytes } from '@/design/NumberText'
import { SkeletonRows } from '@/design/Skeleton'
import { Table, type Column } from '@/design/Table'
import { Tabs } from '@/design/Tabs'
import { TimeText } from '@/design/TimeText'
import { View } from '@/design/View'
import { number, plural } from '@/format/format'
import { Grid } from './Grid'
import { Profile } from './Profile'
import { Retype } from './Retype'
import { whyNot } from './retype'
import { sampleOf } from './sqltext'
import { Why } from './Why'

const route = getRouteApi('/warehouse/$schema/$table')

const fieldsOf = (table: { kind: string; schema: string }, change: (column: TableColumn) => void): Column<TableColumn>[] => [
  { id: 'name', title: 'Column', mono: true, cell: (f) => f.name, text: (f) => f.name },
  { id: 'type', title: 'Type', width: 112, cell: (f) => <Badge mono>{f.type}</Badge>, text: (f) => f.type },
  { id: 'change', title: '', name: 'Change', width: 116, cell: (f) => {
    const fixed = whyNot(table.kind, table.schema, f) !== undefined
    return <Button small look="quiet" className={fixed ? 'text-faint' : undefined} aria-label={fixed ? `Fixed: why ${f.name} has its type` : `Change type of ${f.name}`} onClick={(e) => { e.stopPropagation(); change(f) }}>{fixed ? 'Fixed' : 'Change type'}</Button>
  } },
  { id: 'original', title: 'As it was sent', cell: (f) => f.original ?? (f.fixed ? <span className="text-faint">in every table of its kind</span> : f.name), text: (f) => f.original ?? '' },
]

export default function TableDetail() {
  const { schema, table } = route.useParams()
  const { tab = 'sample', range = 'last 7d' } = route.useSearch()
  const navigate = route.useNavigate()
  const { data, error, refetch } = useQuery(tableQuery(schema, table))
  const to = (search: Record<string, string | undefined>) => { void navigate({ search: (before) => ({ ...before, ...search }), replace: true }) }
  return (
    <View crumbs={[{ title: 'Warehouse', to: '/warehouse' }, { title: `${schema}.${table}` }]}
      state={data && <>{data.rows !== undefined && <span>{plural(data.rows, 'row')}</span>}{data.size_bytes !== undefined && <Bytes value={data.size_bytes} />}{data.last_received && <span>newest <TimeText at={data.last_received} /></span>}</>}
      actions={data && <Link to="/warehouse" search={{ sql: sampleOf(schema, table, data.column_list) }} className="inline-flex h-8 items-center rounded-outer bg-hover px-3 font-medium hover:bg-active">Query</Link>}>
      {error && !data ? <div className="p-4"><ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /></div> : !data ? <SkeletonRows /> : (
        <Tabs label="Views of the table" className="grow" chosen={tab} panelClassName={tab === 'sample' || tab === 'columns' ? 'flex flex-col' : 'overflow-auto'} onChoose={(id) => { to({ tab: id }) }}
          tabs={[{ id: 'sample', label: 'Newest rows' }, { id: 'columns', label: 'Columns', count: number(data.columns) }, { id: 'profile', label: 'Profile' }, ...(data.kind === 'system' || data.kind === 'other' ? [] : [{ id: 'why', label: 'Why is this number wrong?' }])]}>
          {tab === 'columns' ? <Columns table={data} />
            : tab === 'profile' ? <Profile key={`${schema}.${table}`} schema={schema} table={table} />
              : tab === 'why' ? <Why schema={schema} table={table} range={range} onRange={(r) => { to({ range: r }) }} />
                : <Sample schema={schema} table={table} />}
        </Tabs>
      )}
    </View>
  )
}

function Columns({ table }: { table: TableDetailOf }) {
  const [changing, change] = useState<TableColumn>()
  const columns = useMemo(() => fieldsOf({ kind: table.kind, schema: table.schema }, change), [table.kind, table.schema])
  return (
    <>
      <Table name="columns" label="Columns" columns={columns} count={table.column_list.length} rowAt={(i) => table.column_list[i]} />
      {changing && <Retype schema={table.schema} table={table.table} kind={table.kind} column={changing} onClose={() => { change(undefined) }} />}
    </>
  )
}

function Sample({ schema, table }: { schema: string; table: string }) {
  const { data, error, refetch } = useQuery(sampleQuery(schema, table))
  if (error && !data) return <div className="p-4"><ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /></div>
  if (!data) return <SkeletonRows />
  return <Grid name={`table:${schema}.${table}`} label={`Newest rows of ${schema}.${table}`} columns={data.columns} rows={data.rows} />
}
