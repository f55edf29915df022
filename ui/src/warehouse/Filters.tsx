import { useState } from 'react'
import type { ResultColumn, ResultFilter } from '@/api/schema'
import { Button } from '@/design/Button'
import { Icon } from '@/design/Icon'
import { Input } from '@/design/Input'
import { Popover } from '@/design/Popover'
import { Select } from '@/design/Select'
import { isNumber, written } from './sqltext'

const words: Record<ResultFilter['op'], string> = { eq: 'is', ne: 'is not', lt: 'is less than', le: 'is at most', gt: 'is more than', ge: 'is at least', in: 'is one of', contains: 'contains', not_contains: 'does not contain', starts_with: 'begins with', ends_with: 'ends with', is_null: 'is null', not_null: 'is not null' }
const ops = (Object.keys(words) as ResultFilter['op'][]).filter((op) => op !== 'in')
const bare = (op: ResultFilter['op']) => op === 'is_null' || op === 'not_null'

/** Which rows of a result are shown. */
export function Filters({ columns, filters, onChange }: { columns: ResultColumn[]; filters: ResultFilter[]; onChange: (filters: ResultFilter[]) => void }) {
  return (
    <>
      {filters.map((f, i) => (
        <button key={i} type="button" title="Take this filter away" onClick={() => { onChange(filters.filter((_, j) => j !== i)) }} className="inline-flex h-7 max-w-70 items-center gap-1 rounded-outer bg-accent-tint px-2 text-12 text-accent-text hover:brightness-97">
          <span className="truncate">{f.column} {words[f.op]} {bare(f.op) ? '' : written(f.value)}</span><Icon name="cross" size={12} />
        </button>
      ))}
      <Popover label="Filter rows" button={<Button small look="quiet" icon="filter">Filter</Button>} align="end" className="w-72 p-3">{(close) => <Add columns={columns} onAdd={(f) => { onChange([...filters, f]); close() }} />}</Popover>
    </>
  )
}

function Add({ columns, onAdd }: { columns: ResultColumn[]; onAdd: (filter: ResultFilter) => void }) {
  const [column, setColumn] = useState(columns[0]?.name ?? '')
  const [op, setOp] = useState<ResultFilter['op']>('eq')
  const [value, setValue] = useState('')
  const type = columns.find((c) => c.name === column)?.type ?? ''
  const submit = () => {
    if (bare(op)) onAdd({ column, op })
    else onAdd({ column, op, value: isNumber(type) && value.trim() !== '' && !Number.isNaN(Number(value)) && Number.isSafeInteger(Math.trunc(Number(value))) ? Number(value) : type === 'bool' ? value.trim() === 'true' : value })
  }
  return (
    <form className="grid gap-3" onSubmit={(e) => { e.preventDefault(); submit() }}>
      <Select label="Column" value={column} onValue={setColumn} options={columns.map((c) => ({ value: c.name, label: c.name }))} />
      <Select label="Rule" value={op} onValue={(v) => { setOp(ops.find((o) => o === v) ?? 'eq') }} options={ops.map((o) => ({ value: o, label: words[o] }))} />
      {!bare(op) && <Input label="Value" value={value} onChange={(e) => { setValue(e.target.value) }} />}
      <Button look="main" type="submit">Show these rows</Button>
    </form>
  )
}
