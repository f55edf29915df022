import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { curlOf, problemOf } from '@/api/client'
import { attentionQuery, statusQuery } from '@/api/queries'
import { linesOf, marksQuery, meaningOf, useHistory, type Line } from '@/api/history'
import type { Attention as AttentionItem, Status } from '@/api/schema'
import { StateDot } from '@/design/Badge'
import { copyAs } from '@/design/copyAs'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { IconButton } from '@/design/IconButton'
import { Menu } from '@/design/Menu'
import { SkeletonRows } from '@/design/Skeleton'
import { TimeChart, type Peaks } from '@/design/TimeChart'
import { TimeRangePicker } from '@/design/TimeRangePicker'
import { TimeText } from '@/design/TimeText'
import { useSpan } from '@/design/useSpan'
import { Part, View } from '@/design/View'
import { useZone, zone } from '@/design/zone'
import { exact, rate, sentence } from '@/format/format'
import { FirstSteps, useFirstSteps } from './FirstSteps'
import { River } from './River'

const route = getRouteApi('/')

export default function Home() {
  const { data, error, refetch } = useQuery(statusQuery)
  const attention = useQuery(attentionQuery)
  const urgent = attention.data?.items.filter((one) => one.severity !== 'info').length ?? 0
  return (
    <View crumbs={[{ title: data?.name ?? 'Home' }]} scroll actions={<Menu label="More" button={<IconButton icon="more" label="More" />} items={copyAs({ curl: curlOf('get-status', {}, location.origin), command: 'millrace status' })} />}
      state={data && (!data.ready ? <StateDot meaning="bad">Not ready</StateDot> : urgent > 0 ? <StateDot meaning="warning">{urgent === 1 ? 'One thing needs attention' : `${urgent} things need attention`}</StateDot> : <StateDot meaning="good">All well</StateDot>)}>
      {error && !data ? <div className="p-4"><ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /></div> : data ? <Body status={data} /> : <SkeletonRows />}
    </View>
  )
}

function Body({ status }: { status: Status }) {
  const steps = useFirstSteps(status)
  return (
    <div className="mx-auto grid max-w-300 grid-cols-[minmax(0,1fr)] gap-8 p-4 wide:p-6">
      {steps.shown && <FirstSteps status={status} steps={steps} />}
      {status.sources.length > 0 && <River status={status} />}
      <Attention />
      {status.sources.length > 0 && <Rates sources={status.sources.map((s) => s.name)} />}
    </div>
  )
}

const rooms: Record<AttentionItem['room'], string> = { home: '/', sources: '/sources', live: '/live', rejected: '/rejected', warehouse: '/warehouse', project: '/project', status: '/status' }
const tints: Record<AttentionItem['severity'], [string, string]> = { bad: ['bg-bad-tint', 'text-bad-text'], warning: ['bg-warning-tint', 'text-warning-text'], info: ['bg-info-tint', 'text-info-text'] }

/** What needs a person, each with what to do and where to go. */
function Attention() {
  const { data, error } = useQuery(attentionQuery)
  const shownIn = useZone()
  if (error && !data) return <ErrorBox problem={problemOf(error)} />
  if (!data || data.items.length === 0) return null
  return (
    <Part title="Needs attention">
      <ul className="grid gap-1">
        {data.items.map((one) => {
          const [tint, text] = tints[one.severity]
          return (
            <li key={one.id}><Link to={one.room === 'sources' && one.source ? `/sources/${one.source}` : rooms[one.room]} search={one.room === 'rejected' && one.source ? { source: one.source } : {}} className={`flex items-start gap-2.5 rounded-outer px-3 py-2 ${tint}`}>
              <Icon name={one.severity === 'info' ? 'docs' : 'rejected'} className={`mt-0.5 ${text}`} />
              <span className="min-w-0 grow">
                <span className="font-semibold break-words">{sentence(one.title)}</span>
                {one.until && <span className={`ml-2 whitespace-nowrap ${text}`}>{exact(Date.parse(one.until), shownIn).slice(0, 16)}</span>}
                {one.detail && <span className="block break-words">{sentence(one.detail)}</span>}
                <span className="block break-words text-soft">{sentence(one.do)}</span>
              </span>
              <span className="shrink-0 text-12 text-soft max-wide:hidden"><TimeText at={one.since} /></span><Icon name="right" size={14} className="mt-1 text-soft" />
            </Link></li>
          )
        })}
      </ul>
    </Part>
  )
}

const metric = 'millrace_collect_events_total'

function Rates({ sources }: { sources: string[] }) {
  const { range = 'last 6h', peaks } = route.useSearch()
  const navigate = route.useNavigate()
  const span = useSpan(range)
  const history = useHistory([metric], span)
  const marks = useQuery(marksQuery(span))
  const shown = (marks.data?.marks ?? []).map((m) => ({ at: Date.parse(m.at), text: m.kind }))
  const to = (next: string) => { void navigate({ search: (before) => ({ ...before, range: next }), replace: true }) }
  const onPeaks = (next: Peaks) => { void navigate({ search: (before) => ({ ...before, peaks: next === 'whole' ? next : undefined }), replace: true }) }
  const how = peaks === 'whole' ? 'whole' : 'cut'
  const zoom = (from: number, until: number) => { to(`${iso(from)} to ${iso(until)}`) }
  const bySource = linesOf(history.data?.series ?? [], (s) => s.labels['source'])
  const byResult = linesOf(history.data?.series ?? [], (s) => s.labels['result'])
  return (
    <div className="grid gap-8">
      <Part title="Received, by source" actions={<TimeRangePicker small value={range} onValue={to} />}>
        {history.error && !history.data ? <ErrorBox problem={problemOf(history.error)} /> : <TimeChart label="Events a second by source" kind="area" stacked among={sources} x={bySource.x} lines={busy(bySource.lines)} span={span} loading={history.isPending} empty={none} write={rate} marks={shown} onRange={zoom} peaks={how} onPeaks={onPeaks} />}
      </Part>
      <Part title="Received, by result">
        <TimeChart label="Events a second by result" kind="area" stacked x={byResult.x} lines={busy(byResult.lines).map((l) => ({ ...l, meaning: meaningOf(l.name) }))} span={span} loading={history.isPending} empty={none} write={rate} height={120} marks={shown} onRange={zoom} peaks={how} onPeaks={onPeaks} />
      </Part>
    </div>
  )
}

const none = 'Nothing was received in this time.'
const busy = (lines: Line[]) => lines.filter((l) => l.values.some((v) => v !== null && v > 0))

function iso(at: number): string {
  return exact(at, zone.get()).slice(0, 19)
}
