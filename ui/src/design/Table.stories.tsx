import { useState } from 'react'
import { Badge } from './Badge'
import { Empty } from './Empty'
import { NumberText } from './NumberText'
import { Table, type Column, type Sorting } from './Table'

interface Row { name: string; n: number; kind: string }

const columns: Column<Row>[] = [
  { id: 'name', title: 'Name', cell: (r) => r.name, text: (r) => r.name, sortable: true },
  { id: 'kind', title: 'Kind', width: 120, cell: (r) => <Badge>{r.kind}</Badge>, text: (r) => r.kind },
  { id: 'n', title: 'Records', width: 140, align: 'right', cell: (r) => <NumberText value={r.n} />, text: (r) => String(r.n), sortable: true },
]

function Million() {
  const [sort, setSort] = useState<Sorting>()
  return <div className="flex h-80"><Table name="story" label="A million rows" columns={columns} count={1_000_000} sort={sort} onSort={setSort} onOpen={() => {}} chosen={3}
    rowAt={(i) => i % 17 === 16 ? undefined : { name: `row ${i}`, n: i * 977, kind: i % 3 ? 'track' : 'page' }} /></div>
}

export const title = 'Table'
export const stories = {
  million: () => <Million />,
  empty: () => <div className="flex h-60"><Table<Row> name="story" label="Nothing" columns={columns} count={0} rowAt={() => undefined} empty={<Empty title="Nothing yet">Rows come here.</Empty>} /></div>,
}
