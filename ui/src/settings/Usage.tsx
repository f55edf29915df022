import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useState } from 'react'
import { curlOf, problemOf, urlOf } from '@/api/client'
import { sessionQuery } from '@/api/queries'
import type { QuotaNotice, QuotaUse } from '@/api/schema'
import { useHere, usageQuery, workspaceQuery } from '@/api/workspaces'
import { StateDot } from '@/design/Badge'
import { Button } from '@/design/Button'
import { Chart } from '@/design/Chart'
import { copyAs } from '@/design/copyAs'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { IconButton } from '@/design/IconButton'
import { Menu } from '@/design/Menu'
import { useNow } from '@/design/now'
import { Progress } from '@/design/Progress'
import { Select } from '@/design/Select'
import { SkeletonRows } from '@/design/Skeleton'
import { TimeText } from '@/design/TimeText'
import { Part, View } from '@/design/View'
import { bytes, percent, plural } from '@/format/format'
import { daysOf, earlierOf, measures, placesOf, rangeOf, seriesOf, shortDay, standingOf, totalOf } from './usage'
import { QuotaDialog } from './WorkspaceDialogs'
import { mayIn, quotas } from './workspaces'

const route = getRouteApi('/settings/usage')
const spans = [{ value: '7', label: 'Last 7 days' }, { value: '30', label: 'Last 30 days' }, { value: '90', label: 'Last 90 days' }, { value: '365', label: 'Last year' }]

/** What a workspace used by day, and how much of its quotas. */
export default function Usage() {
  const { of, environment, days = '30' } = route.useSearch()
  const navigate = route.useNavigate()
  const session = useQuery(sessionQuery).data
  const here = useHere()
  const name = of ?? here?.workspace.id ?? ''
  const workspace = useQuery({ ...workspaceQuery(name), enabled: name !== '' })
  const asked = spans.some((s) => s.value === days) ? Number(days) : 30
  const { from, to } = rangeOf(asked, useNow())
  const range = { workspace: name, environment, from, to }
  const usage = useInfiniteQuery({ ...usageQuery(range), enabled: name !== '' })
  const [setting, set] = useState(false)
  const w = workspace.data
  const refused = usage.error ?? workspace.error
  const change = (next: Record<string, string | undefined>) => { void navigate({ search: (before) => ({ ...before, ...next }), replace: true }) }
  const download = (format: 'csv' | 'ndjson') => () => { location.assign(urlOf('export-usage', { ...range, format })) }
  const elsewhere = w && here && w.id !== here.workspace.id
  return (
    <View crumbs={[{ title: 'Settings', to: '/settings' }, ...(elsewhere ? [{ title: 'Workspaces', to: '/settings/workspaces' }] : []), { title: 'Usage' }]} scroll state={w && elsewhere && <span>of {w.title}</span>}
      actions={<>{w && mayIn(session, w.id, 'quota:set') && <Button onClick={() => { set(true) }}>Set quotas</Button>}<Menu label="More" button={<IconButton icon="more" label="More" />} items={[
        { kind: 'title', label: 'Download' }, { label: 'As CSV', icon: 'download', onChoose: download('csv') }, { label: 'As NDJSON', icon: 'download', onChoose: download('ndjson') },
        { kind: 'line' }, ...copyAs({ curl: curlOf('get-usage', { params: range }, location.origin), command: `millrace workspace usage${w ? ` ${w.name}` : ''}` }),
      ]} /></>}>
      {refused && !usage.data ? <div className="p-4"><ErrorBox problem={problemOf(refused)} onRetry={() => { void usage.refetch(); void workspace.refetch() }} /></div> : !usage.data || !w ? <SkeletonRows /> : (
        <div className="grid grid-cols-[minmax(0,1fr)] gap-6 p-4">
          <Part title="Quotas"><QuotaList today={usage.data.pages[0]?.today ?? []} canSet={mayIn(session, w.id, 'quota:set')} onSet={() => { set(true) }} /><Earlier told={usage.data.pages[0]?.told ?? []} /></Part>
          <div className="flex flex-wrap items-end gap-2">
            <Select label="Days" hideLabel className="w-40" options={spans} value={String(asked)} onValue={(v) => { change({ days: v === '30' ? undefined : v }) }} />
            {w.environments.length > 1 && <Select label="Environment" hideLabel className="w-45" options={[{ value: '', label: 'All environments' }, ...w.environments.map((e) => ({ value: e.name, label: e.name }))]} value={environment ?? ''} onValue={(v) => { change({ environment: v || undefined }) }} />}
            <span className="py-1.5 text-12 text-soft">Days begin at 0:00 UTC.</span>
          </div>
          <Days usage={usage.data.pages.flatMap((p) => p.days)} days={daysOf(from, to)} />
          {usage.hasNextPage && <div><Button busy={usage.isFetchingNextPage} onClick={() => void usage.fetchNextPage()}>Show the rest of it</Button></div>}
        </div>
      )}
      {setting && w && <QuotaDialog of={w} onClose={() => { set(false) }} />}
    </View>
  )
}

function QuotaList({ today, canSet, onSet }: { today: QuotaUse[]; canSet: boolean; onSet: () => void }) {
  if (today.every((use) => use.limit === undefined)) return <p className="text-soft">No quota is set: it may use whatever there is. {canSet ? <button type="button" className="rounded-inner text-accent-text underline underline-offset-2" onClick={onSet}>Set quotas</button> : 'Who runs the server can set some.'}</p>
  return (
    <ul className="grid gap-x-8 gap-y-4 panes:grid-cols-2">
      {today.map((use) => {
        const words = quotas.find((q) => q.quota === use.quota)
        if (!words || use.limit === undefined) return null
        const { meaning, word, since } = standingOf(use)
        const title = `${words.title}${words.daily ? ' today' : ''}`
        return (
          <li key={use.quota} className="grid content-start gap-1">
            <div className="flex flex-wrap items-baseline gap-x-3"><span className="font-medium">{title}</span><StateDot meaning={meaning}>{word}</StateDot><span className="ml-auto tabular-nums">{words.write(words.daily && words.quota === 'events_per_day' ? Math.round(use.used) : use.used)} of {words.write(use.limit)}</span></div>
            <Progress label={`${title}, of the quota`} meaning={meaning === 'good' ? 'accent' : meaning} share={use.limit === 0 ? 1 : use.used / use.limit} />
            <p className="text-12 text-soft">{percent(use.limit === 0 ? 1 : use.used / use.limit)} used{since && <>, {meaning === 'bad' ? 'all' : '80 %'} of it <TimeText at={since} /></>}. {words.about}</p>
          </li>
        )
      })}
    </ul>
  )
}

const shownEarlier = 5

/** On which days before today quotas were nearly or wholly used up. */
function Earlier({ told }: { told: QuotaNotice[] }) {
  const [all, setAll] = useState(false)
  const earlier = earlierOf(told)
  if (earlier.length === 0) return null
  const more = earlier.length - shownEarlier
  return (
    <section className="mt-4">
      <h3 className="mb-1 text-12 font-medium text-soft">Before today</h3>
      <ul className="grid gap-1">
        {earlier.slice(0, all ? undefined : shownEarlier).map((n) => (
          <li key={`${n.day} ${n.quota}`} className="flex flex-wrap items-baseline gap-x-3 text-12">
            <span className="w-14 tabular-nums">{shortDay(n.day)}</span><span className="w-22">{quotas.find((q) => q.quota === n.quota)?.title ?? n.quota}</span>
            <StateDot meaning={n.percent >= 100 ? 'bad' : 'warning'}>{n.percent >= 100 ? 'Used up' : 'Nearly used up'}</StateDot><span className="text-soft">told <TimeText at={n.told} /></span>
          </li>
        ))}
      </ul>
      {more > 0 && <Button small look="quiet" aria-expanded={all} onClick={() => { setAll(!all) }}>{all ? 'Show fewer' : `Show ${more} more`}</Button>}
    </section>
  )
}

function Days({ usage, days }: { usage: Parameters<typeof seriesOf>[0]; days: string[] }) {
  if (usage.every((u) => u.events + u.rejected + u.bytes + u.query_seconds + (u.storage_bytes ?? 0) === 0)) return <Empty icon="chart" title="Nothing was used in this time" action={<Link to="/sources" className="text-accent-text underline underline-offset-2">Look at the sources</Link>}>Usage is counted as soon as events come in or somebody asks in SQL.</Empty>
  const x = days.map(shortDay)
  const among = [...new Set(usage.map((u) => u.environment))].sort()
  return (
    <div className="grid gap-x-10 gap-y-7 panes:grid-cols-2">
      {measures.map(({ id, title, about, write, scale }) => {
        const series = seriesOf(usage, days, id)
        const places = id === 'storage_bytes' ? placesOf(usage) : undefined
        return (
          <Part key={id} title={title} actions={<span className="text-12 text-soft"><b className="font-semibold text-ink tabular-nums">{write(totalOf(series, id))}</b> {about}</span>}>
            {totalOf(series, id) === 0 ? <p className="grid h-28 place-items-center rounded-outer bg-sunken px-4 text-center text-12 text-soft">None in these days</p> : <Chart label={`${title} by day`} kind="bar" stacked={series.length > 1} x={x} series={series} write={write} scale={scale} among={among} height={140} />}
            {places && <p className="mt-2 text-12 text-soft">Log {bytes(places.log)}, archive {bytes(places.archive)}, warehouse {bytes(places.warehouse)}; {plural(places.tables, 'event table')}</p>}
          </Part>
        )
      })}
    </div>
  )
}
