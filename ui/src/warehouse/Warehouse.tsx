import { useQuery } from '@tanstack/react-query'
import { Link, Outlet, useMatchRoute, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { problemOf } from '@/api/client'
import { tablesQuery } from '@/api/queries'
import type { TableSummary } from '@/api/schema'
import { cx } from '@/design/cx'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { Input } from '@/design/Input'
import { useKeys } from '@/design/keys'
import { SkeletonRows } from '@/design/Skeleton'
import { compact } from '@/format/format'

/** What the warehouse holds on the left; a table or SQL beside it. */
export default function Warehouse() {
  const match = useMatchRoute()
  const table = match({ to: '/warehouse/$schema/$table' }) !== false
  return (
    <div className="flex h-full min-h-0 max-wide:flex-col">
      <aside aria-label="Tables" className={cx('flex w-60 shrink-0 flex-col border-r border-line max-wide:w-full max-wide:border-r-0 max-wide:border-b', table ? 'max-wide:hidden' : 'max-wide:max-h-44')}><Catalogue /></aside>
      <div className="min-h-0 min-w-0 grow"><Outlet /></div>
    </div>
  )
}

function Catalogue() {
  const { data, error, refetch } = useQuery(tablesQuery)
  const [typed, setTyped] = useState('')
  useKeys([{ keys: '/', label: 'Filter tables', group: 'Warehouse', run: () => { document.getElementById('tables-filter')?.focus() } }])
  const shown = (data ?? []).filter((t) => `${t.schema}.${t.table}`.includes(typed.trim().toLowerCase()))
  const schemas = [...new Set(shown.map((t) => t.schema))]
  return (
    <>
      <div className="flex flex-col gap-2 p-2">
        <Link to="/warehouse" activeOptions={{ exact: true, includeSearch: false }} className="flex h-8 items-center gap-2 rounded-outer px-2 font-medium hover:bg-hover aria-[current]:bg-accent-tint aria-[current]:text-accent-text"><Icon name="send" />SQL</Link>
        <Input id="tables-filter" label="Filter tables" hideLabel icon="search" placeholder="Filter tables" value={typed} onChange={(e) => { setTyped(e.target.value) }} />
      </div>
      {/* The list scrolls with the keyboard too. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div tabIndex={0} role="region" aria-label="List of tables" className="min-h-0 grow overflow-auto px-2 pb-3 -outline-offset-2">
        {error && !data ? <ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /> : !data ? <SkeletonRows /> : data.length === 0
          ? <p className="px-2 text-12 text-soft">There is no table yet: the first event makes one.</p>
          : schemas.map((schema) => <Schema key={schema} name={schema} tables={shown.filter((t) => t.schema === schema)} />)}
      </div>
    </>
  )
}

function Schema({ name, tables }: { name: string; tables: TableSummary[] }) {
  const [open, setOpen] = useState(true)
  const here = useParams({ strict: false })
  return (
    <section aria-label={name}>
      <button type="button" aria-expanded={open} onClick={() => { setOpen(!open) }} className="flex h-7 w-full items-center gap-1 rounded-inner px-1 text-12 text-soft hover:bg-hover">
        <Icon name="right" size={12} className={cx('transition-transform', open && 'rotate-90')} /><span className="grow truncate text-left font-medium">{name}</span><span>{tables.length}</span>
      </button>
      {open && (
        <ul>
          {tables.map((t) => (
            <li key={t.table}>
              <Link to="/warehouse/$schema/$table" params={{ schema: t.schema, table: t.table }} aria-current={here.schema === t.schema && here.table === t.table ? 'page' : undefined}
                className="flex h-7 items-center gap-2 rounded-inner pr-2 pl-5 hover:bg-hover aria-[current]:bg-accent-tint aria-[current]:text-accent-text" title={`${t.schema}.${t.table}`}>
                <Icon name="table" size={14} className="text-faint" /><span className="grow truncate">{t.table}</span>{t.rows !== undefined && <span className="text-11 text-soft">{compact(t.rows)}</span>}
              </Link>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}
