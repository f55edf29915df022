import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, Outlet, useMatchRoute, useNavigate, useParams } from '@tanstack/react-router'
import { lazy, Suspense, useMemo, useState, type ReactNode } from 'react'
import { problemOf } from '@/api/client'
import { linesOf, useHistory } from '@/api/history'
import { useMay } from '@/api/may'
import { filesQuery, statusQuery } from '@/api/queries'
import { ratesOf, useSamples } from '@/api/rates'
import type { Source } from '@/api/schema'
import { StateDot } from '@/design/Badge'
import { Button } from '@/design/Button'
import { CodeBlock } from '@/design/CodeBlock'
import { cx } from '@/design/cx'
import { Empty } from '@/design/Empty'
import { Ends } from '@/design/Ends'
import { ErrorBox } from '@/design/ErrorBox'
import { Input } from '@/design/Input'
import { useKeys } from '@/design/keys'
import { useNow } from '@/design/now'
import { NumberText } from '@/design/NumberText'
import { SkeletonRows } from '@/design/Skeleton'
import { Spark } from '@/design/Spark'
import { TimeText } from '@/design/TimeText'
import { useSpan } from '@/design/useSpan'
import { View } from '@/design/View'
import { plural, rate } from '@/format/format'
import { stateOf, unserved } from './state'

const route = getRouteApi('/sources')
const NewSource = lazy(() => import('./NewSource'))

/** The list of sources, and beside it the one that is open. */
export default function Sources() {
  const { new: making } = route.useSearch()
  const { data, error, refetch } = useQuery(statusQuery)
  const match = useMatchRoute()
  const navigate = useNavigate()
  const open = match({ to: '/sources/$source' }) !== false
  const editing = match({ to: '/sources/$source/edit' }) !== false
  const make = (kind = 'http') => { void navigate({ to: '/sources', search: { new: kind } }) }
  const may = useMay()
  useKeys(making || editing || !may('file:write') ? [] : [{ keys: 'n', label: 'New source', group: 'Sources', run: make }])
  if (editing) return <Outlet />
  if (making && !open) return <Suspense fallback={<SkeletonRows />}><NewSource kind={making} onKind={(kind) => { void navigate({ to: '/sources', search: { new: kind }, replace: true, ignoreBlocker: true }) }} /></Suspense>
  return (
    <div className="flex h-full min-h-0">
      <div className={cx('h-full min-w-0', open ? 'w-80 shrink-0 border-r border-line max-panes:hidden' : 'grow')}>
        <View crumbs={[{ title: 'Sources' }]} scroll state={data && plural(data.sources.length, 'source')} actions={may('file:write') && <Button icon="plus" small={open} onClick={() => { make() }}>New source</Button>}>
          {error && !data ? <div className="p-4"><ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /></div> : data ? <List sources={data.sources} narrow={open} onNew={make} /> : <SkeletonRows />}
        </View>
      </div>
      {open && <div className="min-w-0 grow"><Outlet /></div>}
    </div>
  )
}

// So many are found without a filter.
const most = 6

const example = `kind: http
write_keys: [web_2026]`

function List({ sources, narrow, onNew }: { sources: Source[]; narrow: boolean; onNew: (kind?: string) => void }) {
  const [typed, setTyped] = useState('')
  const may = useMay()
  const files = useQuery(filesQuery)
  const waiting = unserved(files.data?.files ?? [], sources)
  const past = usePast()
  useKeys(sources.length <= most ? [] : [{ keys: '/', label: 'Filter sources', group: 'Sources', run: () => { document.getElementById('sources-filter')?.focus() } }])
  if (sources.length === 0 && waiting.length === 0) {
    return (
      <Empty icon="source" title="There is no source yet" action={may('file:write') && <><Button look="main" icon="plus" onClick={() => { onNew() }}>New source</Button><Button onClick={() => { onNew('webhook') }}>New webhook</Button></>}>
        <p className="mb-3">A source is where events come from: a site, an app, a vendor’s webhook. Make one here, or save this as sources/web.yaml in the project:</p><CodeBlock label="sources/web.yaml" code={example} />
      </Empty>
    )
  }
  const wanted = typed.trim().toLowerCase()
  const shown = sources.filter((s) => s.name.includes(wanted))
  return (
    <>
      {sources.length > most && <div className="p-3"><Input className="max-w-90" id="sources-filter" label="Filter sources" hideLabel icon="search" placeholder="Filter sources" value={typed} onChange={(e) => { setTyped(e.target.value) }} /></div>}
      {!narrow && sources.length > 0 && (
        <div aria-hidden="true" className={cx('grid items-center gap-x-4 border-b border-line px-4 py-1.5 text-12 font-medium text-soft max-wide:hidden', columns)}>
          <span>Source</span><span>State</span><span className="max-panes:hidden">Last hour</span><span className="text-right">Now</span><span className="text-right">Accepted</span><span className="text-right">Rejected</span><span className="text-right">Last</span>
        </div>
      )}
      <ul className="grid">
        {shown.map((source) => <li key={source.name} className="border-b border-line/60"><Row source={source} narrow={narrow} past={past.get(source.name)} /></li>)}
        {waiting.filter((name) => name.includes(wanted)).map((name) => (
          <li key={name} className="border-b border-line/60">
            <RowLink narrow={narrow} edit name={name}><StateDot meaning="warning">Not served</StateDot><span className={cx('text-12 text-soft', !narrow && 'wide:col-span-4 wide:text-right panes:col-span-5')}>its file waits to be read, or has a mistake</span></RowLink>
          </li>
        ))}
      </ul>
      {shown.length === 0 && waiting.every((name) => !name.includes(wanted)) && <p className="px-4 py-3 text-soft">No source is called so.</p>}
    </>
  )
}

/** usePast is how much each source received in the last hour, step by step. */
function usePast(): Map<string, (number | null)[]> {
  const { data } = useHistory(['millrace_collect_events_total'], useSpan('last 1h'))
  return useMemo(() => new Map(linesOf(data?.series ?? [], (s) => s.labels['source']).lines.map((l) => [l.name, l.values])), [data])
}

const columns = 'wide:grid-cols-[minmax(120px,1.4fr)_120px_80px_100px_80px_100px] panes:grid-cols-[minmax(120px,1.4fr)_130px_140px_90px_110px_90px_110px]'

function RowLink({ name, kind, narrow, edit = false, children }: { name: string; kind?: string; narrow: boolean; edit?: boolean; children: ReactNode }) {
  const chosen = useParams({ strict: false }).source
  return (
    <Link to={edit ? '/sources/$source/edit' : '/sources/$source'} params={{ source: name }} aria-current={chosen === name ? 'page' : undefined}
      className={cx('grid grid-cols-[minmax(0,1fr)_auto] items-center gap-x-4 gap-y-0.5 px-4 py-2.5 -outline-offset-2 hover:bg-hover aria-[current]:bg-accent-tint', !narrow && columns)}>
      <span title={name} className="flex min-w-0 font-medium"><Ends text={name} />{kind && <span className="ml-2 font-normal text-soft">{kind}</span>}</span>{children}
    </Link>
  )
}

function Row({ source, narrow, past = [] }: { source: Source; narrow: boolean; past?: (number | null)[] | undefined }) {
  const state = stateOf(source, useNow())
  const per = ratesOf(useSamples()).get(source.name)
  const word = (text: string) => <span className={cx(!narrow && 'wide:hidden')}> {text}</span>
  return (
    <RowLink name={source.name} kind={source.kind} narrow={narrow}>
      <span className={cx('justify-self-end', !narrow && 'wide:justify-self-start')}><StateDot meaning={state.meaning} hollow={state.hollow}>{state.word}</StateDot></span>
      {!narrow && <span className="max-panes:hidden"><Spark values={past} /></span>}
      <span className={cx('text-right tabular-nums', narrow && 'hidden', 'max-wide:hidden')}>{rate(per && per.accepted + per.duplicates + per.rejected)}</span>
      <span className={cx('text-12 text-soft', !narrow && 'wide:text-right wide:text-13 wide:text-ink')}><NumberText value={source.accepted} />{word('accepted')}</span>
      <span className={cx('text-right text-12', !narrow && 'wide:text-13', source.rejected > 0 ? 'text-bad-text' : 'text-faint')}><NumberText value={source.rejected} />{word('rejected')}</span>
      <span className={cx('text-right text-12 text-soft', narrow && 'hidden', 'max-wide:hidden')}><TimeText at={source.last_received} /></span>
    </RowLink>
  )
}
