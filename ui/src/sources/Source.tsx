import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { problemOf } from '@/api/client'
import { linesOf, marksQuery, meaningOf, useHistory } from '@/api/history'
import { sourceQuery, statusQuery } from '@/api/queries'
import { ratesOf, useSamples } from '@/api/rates'
import type { Source as SourceData } from '@/api/schema'
import { StateDot } from '@/design/Badge'
import { useMay } from '@/api/may'
import { CopyButton } from '@/design/CopyButton'
import { ErrorBox } from '@/design/ErrorBox'
import { useKeys } from '@/design/keys'
import { useNow } from '@/design/now'
import { NumberText } from '@/design/NumberText'
import { SkeletonRows } from '@/design/Skeleton'
import { Tabs } from '@/design/Tabs'
import { TimeChart, type Peaks } from '@/design/TimeChart'
import { TimeRangePicker } from '@/design/TimeRangePicker'
import { TimeText } from '@/design/TimeText'
import { useSpan } from '@/design/useSpan'
import { Facts, Figure, Part, View } from '@/design/View'
import { percent, rate } from '@/format/format'
import { Changes } from './Changes'
import { Events } from './Events'
import { Keys } from './Keys'
import { SetUp } from './SetUp'
import { fileOf } from './form'
import { stateOf } from './state'

const route = getRouteApi('/sources/$source')
const action = 'inline-flex h-8 items-center rounded-outer bg-hover px-3 font-medium hover:bg-active'
const link = 'text-accent-text underline underline-offset-2'
const views = [{ id: 'now', label: 'Overview' }, { id: 'events', label: 'Events' }, { id: 'changes', label: 'Changes' }, { id: 'setup', label: 'Set up' }]

export default function Source() {
  const { source } = route.useParams()
  const { tab: asked, event, q = '', range = 'last 6h', peaks } = route.useSearch()
  const navigate = route.useNavigate()
  useQuery(statusQuery)
  const { data, error, refetch } = useQuery(sourceQuery(source))
  const may = useMay()
  useKeys(may('file:write') ? [{ keys: 'e', label: `Edit ${source}`, group: 'Sources', run: () => { void navigate({ to: '/sources/$source/edit', params: { source }, search: { tab: asked } }) } }] : [])
  const now = useNow()
  const state = data && stateOf(data, now)
  const tab = asked ?? (data && data.accepted === 0 ? 'setup' : 'now')
  const to = (search: Record<string, string | undefined>) => { void navigate({ search: (before) => ({ ...before, ...search }), replace: true }) }
  return (
    <View crumbs={[{ title: 'Sources', to: '/sources' }, { title: source }]}
      state={state && <StateDot meaning={state.meaning} hollow={state.hollow}>{state.word}</StateDot>}
      actions={data && <>{may('file:write') && <Link to="/sources/$source/edit" params={{ source }} search={{ tab: asked }} className={action}>Edit</Link>}<Link to="/live" search={{ source }} className={action}>Live</Link></>}>
      {error && !data ? <div className="p-4"><ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /></div> : data ? (
        <Tabs label="Views of the source" className="grow" tabs={views} chosen={tab} onChoose={(id) => { to({ tab: id, event: undefined }) }} panelClassName={tab === 'events' ? 'relative flex' : 'overflow-auto'}
          trailing={tab === 'now' && <TimeRangePicker small value={range} onValue={(r) => { to({ range: r }) }} />}>
          {tab === 'events' ? <Events source={source} open={event} onOpen={(e) => { to({ event: e }) }} wanted={q} onWanted={(text) => { to({ q: text || undefined }) }} /> : tab === 'changes' ? <Changes source={source} /> : tab === 'setup' ? <SetUp source={data} /> : <Overview source={data} range={range} peaks={peaks === 'whole' ? 'whole' : 'cut'} onPeaks={(p) => { to({ peaks: p === 'whole' ? p : undefined }) }} />}
        </Tabs>
      ) : <SkeletonRows />}
    </View>
  )
}

function Overview({ source, range, peaks, onPeaks }: { source: SourceData; range: string; peaks: Peaks; onPeaks: (peaks: Peaks) => void }) {
  const now = ratesOf(useSamples()).get(source.name)
  const status = useQuery(statusQuery)
  const all = source.accepted + source.duplicates + source.rejected
  const span = useSpan(range)
  const history = useHistory(['millrace_collect_events_total'], span, [`source:${source.name}`])
  const marks = useQuery(marksQuery(span))
  const { x, lines } = linesOf(history.data?.series ?? [], (s) => s.labels['result'])
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-8 p-4">
      <div className="flex flex-wrap gap-x-10 gap-y-4 max-wide:grid max-wide:grid-cols-2">
        <Figure label="Now" value={rate(now && now.accepted + now.duplicates + now.rejected)} note={source.last_received ? <>last one <TimeText at={source.last_received} /></> : 'nothing has come yet'} />
        <Figure label="Accepted" value={<NumberText value={source.accepted} short />} />
        <Figure label="Duplicates" value={<NumberText value={source.duplicates} short />} note={all > 0 ? percent(source.duplicates / all) : undefined} />
        <Figure label="Rejected" value={<NumberText value={source.rejected} short />} note={source.rejected > 0 ? <>{percent(source.rejected / all)} · <Link to="/rejected" search={{ source: source.name }} className={link}>Look at them</Link></> : undefined} />
      </div>
      <Part title="Events a second">
        <TimeChart label="Events a second by result" kind="area" stacked x={x} write={rate} lines={lines.map((l) => ({ ...l, meaning: meaningOf(l.name) }))} span={span} loading={history.isPending} marks={(marks.data?.marks ?? []).map((m) => ({ at: Date.parse(m.at), text: m.kind }))} peaks={peaks} onPeaks={onPeaks} />
      </Part>
      {source.keys.length > 0 && <Keys source={source} dev={status.data?.mode === 'dev'} />}
      <Part title="What it is">
        <Facts facts={[
          ['Kind', source.kind],
          ...(source.path ? [['Path', <span key="p" className="flex min-w-0 items-center gap-1"><code className="truncate font-mono text-12">{source.path}</code><CopyButton text={source.path} label="Copy the path" /></span>] as [string, React.ReactNode]] : []),
          ['Duplicates', <span key="d">an id counts once {source.dedup === 'forever' ? 'for ever' : `in ${source.dedup}`}</span>],
          ...(source.signature ? [['Signed', <span key="s">{source.signature.algorithm} in <code className="font-mono text-12">{source.signature.header}</code></span>] as [string, React.ReactNode]] : []),
          ['File', <Link key="f" to="/project" search={{ file: source.file ?? fileOf(source.name), line: source.line ? String(source.line) : undefined }} className={`font-mono text-12 break-all ${link}`}>{source.file ?? fileOf(source.name)}{source.line ? `:${source.line}` : ''}</Link>],
        ]} />
      </Part>
    </div>
  )
}
