import { useQuery } from '@tanstack/react-query'
import { Link, Outlet, useMatchRoute, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { problemOf } from '@/api/client'
import { statusQuery } from '@/api/queries'
import { ratesOf, useSamples } from '@/api/rates'
import type { Source } from '@/api/schema'
import { StateDot } from '@/design/Badge'
import { CodeBlock } from '@/design/CodeBlock'
import { cx } from '@/design/cx'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { Input } from '@/design/Input'
import { useKeys } from '@/design/keys'
import { useNow } from '@/design/now'
import { NumberText } from '@/design/NumberText'
import { SkeletonRows } from '@/design/Skeleton'
import { TimeText } from '@/design/TimeText'
import { View } from '@/design/View'
import { plural, rate } from '@/format/format'
import { stateOf } from './state'

/** The list of sources, and beside it the one that is open. */
export default function Sources() {
  const { data, error, refetch } = useQuery(statusQuery)
  const match = useMatchRoute()
  const open = match({ to: '/sources/$source' }) !== false
  return (
    <div className="flex h-full min-h-0">
      <div className={cx('h-full min-w-0', open ? 'w-80 shrink-0 border-r border-line max-panes:hidden' : 'grow')}>
        <View crumbs={[{ title: 'Sources' }]} scroll state={data && plural(data.sources.length, 'source')}>
          {error && !data ? <div className="p-4"><ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /></div> : data ? <List sources={data.sources} narrow={open} /> : <SkeletonRows />}
        </View>
      </div>
      {open && <div className="min-w-0 grow"><Outlet /></div>}
    </div>
  )
}

const example = `kind: http
write_keys: [web_2026]`

function List({ sources, narrow }: { sources: Source[]; narrow: boolean }) {
  const [typed, setTyped] = useState('')
  const chosen = useParams({ strict: false }).source
  const now = useNow()
  const rates = ratesOf(useSamples())
  useKeys([{ keys: '/', label: 'Filter sources', group: 'Sources', run: () => { document.getElementById('sources-filter')?.focus() } }])
  if (sources.length === 0) {
    return <Empty icon="source" title="There is no source yet"><p className="mb-3">A source is where events come from: a site, an app, a vendor's webhook. Save this as sources/web.yaml in the project:</p><CodeBlock label="sources/web.yaml" code={example} /></Empty>
  }
  const shown = sources.filter((s) => s.name.includes(typed.trim().toLowerCase()))
  return (
    <>
      {sources.length > 6 && <div className="p-3"><Input id="sources-filter" label="Filter sources" hideLabel icon="search" placeholder="Filter sources" value={typed} onChange={(e) => { setTyped(e.target.value) }} /></div>}
      <ul className="grid">
        {shown.map((source) => {
          const state = stateOf(source, now)
          const per = rates.get(source.name)
          return (
            <li key={source.name} className="border-b border-line/60">
              <Link to="/sources/$source" params={{ source: source.name }} aria-current={chosen === source.name ? 'page' : undefined}
                className={cx('grid items-center gap-x-4 gap-y-0.5 px-4 py-2.5 -outline-offset-2 hover:bg-hover aria-[current]:bg-accent-tint', narrow ? 'grid-cols-[1fr_auto]' : 'grid-cols-[1fr_auto] wide:grid-cols-[minmax(120px,1.4fr)_140px_100px_130px_130px_90px]')}>
                <span className="min-w-0 truncate font-medium">{source.name}<span className="ml-2 font-normal text-soft">{source.kind}</span></span>
                <StateDot meaning={state.meaning} hollow={state.hollow}>{state.word}</StateDot>
                <span className={cx('text-right tabular-nums', narrow && 'hidden', 'max-wide:hidden')}>{rate(per ? per.accepted + per.duplicates + per.rejected : 0)}</span>
                <span className={cx('text-12 text-soft', !narrow && 'wide:text-right wide:text-13 wide:text-ink')}><NumberText value={source.accepted} /> accepted</span>
                <span className={cx('text-12', !narrow && 'wide:text-right wide:text-13', source.rejected > 0 ? 'text-bad-text' : 'text-faint')}><NumberText value={source.rejected} /> rejected</span>
                <span className={cx('text-right text-12 text-soft', narrow && 'hidden', 'max-wide:hidden')}><TimeText at={source.last_received} /></span>
              </Link>
            </li>
          )
        })}
      </ul>
    </>
  )
}
