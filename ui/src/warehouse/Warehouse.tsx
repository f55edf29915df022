import { useQuery } from '@tanstack/react-query'
import { Link, Outlet, useMatchRoute, useParams } from '@tanstack/react-router'
import { useState, type ReactNode } from 'react'
import { problemOf } from '@/api/client'
import { filesQuery, tablesQuery } from '@/api/queries'
import type { ProjectFile, TableSummary } from '@/api/schema'
import { cx } from '@/design/cx'
import { Ends } from '@/design/Ends'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { IconButton } from '@/design/IconButton'
import { Input } from '@/design/Input'
import { useKeys } from '@/design/keys'
import { roving } from '@/design/roving'
import { SkeletonRows } from '@/design/Skeleton'
import { SplitPane } from '@/design/SplitPane'
import { useChoice } from '@/design/theme'
import { useMedia } from '@/design/useMedia'
import { bytes, compact, plural } from '@/format/format'
import { nameOf, savedOf } from './saved'
import { isChanged, tabs } from './tabs'

/** What the warehouse holds on the left; a table or SQL beside it. */
export default function Warehouse() {
  const match = useMatchRoute()
  const table = match({ to: '/warehouse/$schema/$table' }) !== false
  // Where there is room for both, names of any length get as much of it as one gives them.
  const roomy = useMedia('(min-width: 1100px)')
  if (roomy) return <SplitPane name="warehouse" label="Tables, and what is open" start={0.242} className="h-full" first={<aside aria-label="Tables" className="flex min-h-0 grow flex-col"><Catalogue /></aside>} second={<Outlet />} />
  return (
    <div className="flex h-full min-h-0 max-wide:flex-col">
      <aside aria-label="Tables" className={cx('flex w-66 shrink-0 flex-col border-r border-line max-wide:w-full max-wide:border-r-0 max-wide:border-b', table ? 'max-wide:hidden' : 'max-wide:max-h-80')}><Catalogue /></aside>
      <div className="min-h-0 min-w-0 grow"><Outlet /></div>
    </div>
  )
}

function Catalogue() {
  // On a narrow screen the list opens when it is asked for.
  const [wanted, want] = useState(false)
  const { data, error, refetch } = useQuery(tablesQuery)
  const [typed, setTyped] = useState('')
  useKeys([{ keys: '/', label: 'Filter tables and queries', group: 'Warehouse', run: () => { document.getElementById('tables-filter')?.focus() } }])
  const queries = savedOf(useQuery(filesQuery).data?.files).filter((f) => nameOf(f.path).toLowerCase().includes(typed.trim().toLowerCase()))
  const shown = (data ?? []).filter((t) => `${t.schema}.${t.table}`.includes(typed.trim().toLowerCase()))
  // What sources sent comes first, what Millrace keeps of it last.
  const schemas = [...new Set(shown.map((t) => t.schema))].sort((a, b) => Number(a === 'millrace') - Number(b === 'millrace') || a.localeCompare(b))
  return (
    <>
      <div className="flex flex-col gap-2 p-2 max-wide:flex-row max-wide:[&>*]:grow">
        <Link to="/warehouse" activeOptions={{ exact: true, includeSearch: false }} className="flex h-8 items-center gap-2 rounded-outer px-2 font-medium hover:bg-hover aria-[current]:bg-accent-tint aria-[current]:text-accent-text"><Icon name="sql" />SQL</Link>
        <Input id="tables-filter" label="Filter tables and queries" hideLabel icon="search" placeholder="Filter" value={typed} onFocus={() => { want(true) }} onChange={(e) => { setTyped(e.target.value) }} />
        <span className="max-w-8 wide:hidden"><IconButton icon={wanted ? 'up' : 'table'} label={wanted ? 'Hide tables and queries' : 'Tables and queries'} aria-expanded={wanted} onClick={() => { want(!wanted) }} /></span>
      </div>
      {/* One stop of the Tab key, however many tables there are: arrows move in it. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex, jsx-a11y/no-noninteractive-element-interactions */}
      <div tabIndex={0} role="region" aria-label="Saved queries and tables" onKeyDown={roving} className={cx('min-h-0 grow overflow-auto px-2 pb-3 -outline-offset-2', !wanted && 'max-wide:hidden')}>
        {queries.length > 0 && <Queries files={queries} />}
        {error && !data ? <ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /> : !data ? <SkeletonRows /> : data.length === 0
          ? <p className="px-2 text-12 text-soft">There is no table yet: the first event makes one.</p>
          : schemas.map((schema) => <Schema key={schema} name={schema} tables={shown.filter((t) => t.schema === schema)} />)}
      </div>
    </>
  )
}

function Queries({ files }: { files: ProjectFile[] }) {
  const [all] = useChoice(tabs)
  const match = useMatchRoute()
  const chosen = match({ to: '/warehouse' }) !== false ? all.open.find((t) => t.id === all.chosen)?.file : undefined
  return (
    <Group name="Saved queries" count={files.length}>
      {files.map((f) => {
        const open = all.open.find((t) => t.file === f.path)
        return (
          <li key={f.path}>
            <Link tabIndex={-1} to="/warehouse" search={{ query: nameOf(f.path) }} aria-current={chosen === f.path ? 'page' : undefined} className={entry} title={f.path}>
              <Icon name="file" size={14} className="text-faint" /><span className="flex min-w-0 grow"><Ends text={nameOf(f.path)} /></span>{open && isChanged(open) && <><span aria-hidden="true" className="size-1.5 rounded-full bg-warning" /><span className="sr-only">changed, not saved</span></>}
            </Link>
          </li>
        )
      })}
    </Group>
  )
}

const entry = 'flex h-7 items-center gap-2 rounded-inner pr-2 pl-5 hover:bg-hover aria-[current]:bg-accent-tint aria-[current]:text-accent-text'

function Schema({ name, tables }: { name: string; tables: TableSummary[] }) {
  const here = useParams({ strict: false })
  const size = tables.reduce((n, t) => n + (t.size_bytes ?? 0), 0)
  return (
    <Group name={name} count={tables.length} about={size > 0 ? bytes(size) : ''}>
      {tables.map((t) => (
        <li key={t.table}>
          <Link tabIndex={-1} to="/warehouse/$schema/$table" params={{ schema: t.schema, table: t.table }} aria-current={here.schema === t.schema && here.table === t.table ? 'page' : undefined} className={entry} title={aboutOf(t)}>
            <Icon name="table" size={14} className="text-faint" /><span className="flex min-w-0 grow"><Ends text={t.table} /></span>{t.rows !== undefined && <span className="text-11 text-soft tabular-nums">{compact(t.rows)}</span>}
            <span className="w-14 shrink-0 text-right text-11 text-soft tabular-nums">{(t.size_bytes ?? 0) > 0 && bytes(t.size_bytes)}</span>
          </Link>
        </li>
      ))}
    </Group>
  )
}

const aboutOf = (t: TableSummary) => [`${t.schema}.${t.table}`, t.rows !== undefined && plural(t.rows, 'row'), t.size_bytes !== undefined && `${bytes(t.size_bytes)} on disk`].filter(Boolean).join(', ')

/** A part of the list that folds. */
function Group({ name, count, about, children }: { name: string; count: number; about?: string; children: ReactNode }) {
  const [open, setOpen] = useState(true)
  return (
    <section aria-label={name} className="mb-1">
      <button type="button" tabIndex={-1} aria-expanded={open} onClick={() => { setOpen(!open) }} className="flex h-7 w-full items-center gap-1 rounded-inner pr-2 pl-1 text-12 text-soft hover:bg-hover">
        <Icon name="right" size={12} className={cx('transition-transform', open && 'rotate-90')} /><span className="grow truncate text-left font-medium">{name}</span><span className="text-11 tabular-nums">{count}</span>{about !== undefined && <span className="ml-1 w-14 shrink-0 text-right text-11 tabular-nums">{about}</span>}
      </button>
      {open && <ul>{children}</ul>}
    </section>
  )
}
