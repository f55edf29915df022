import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { problemOf } from '@/api/client'
import { statusQuery } from '@/api/queries'
import { seriesOf, useSamples } from '@/api/rates'
import type { Status } from '@/api/schema'
import { StateDot } from '@/design/Badge'
import { Chart } from '@/design/Chart'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { SkeletonRows } from '@/design/Skeleton'
import { Part, View } from '@/design/View'
import { number, rate, sentence } from '@/format/format'
import { FirstSteps, useFirstSteps } from './FirstSteps'
import { River } from './River'

export default function Home() {
  const { data, error, refetch } = useQuery(statusQuery)
  return (
    <View crumbs={[{ title: data?.name ?? 'Home' }]} scroll state={data && (data.problems.length > 0 || !data.ready ? <StateDot meaning="warning">Needs attention</StateDot> : <StateDot meaning="good">All well</StateDot>)}>
      {error && !data ? <div className="p-4"><ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /></div> : data ? <Body status={data} /> : <SkeletonRows />}
    </View>
  )
}

function Body({ status }: { status: Status }) {
  const steps = useFirstSteps(status)
  return (
    <div className="mx-auto grid max-w-300 gap-8 p-4 wide:p-6">
      {steps.shown && <FirstSteps status={status} steps={steps} />}
      {status.sources.length > 0 && <River status={status} />}
      <Attention status={status} />
      <Rates />
    </div>
  )
}

/** What needs a person, each with where to go. */
function Attention({ status }: { status: Status }) {
  const rejected = status.sources.reduce((n, s) => n + s.rejected, 0)
  const all = [
    ...status.problems.map((text) => ({ text, bad: true, to: '/status' })),
    ...status.notices.map((text) => ({ text, bad: false, to: '/status' })),
    ...(rejected > 0 ? [{ text: `${number(rejected)} events were rejected and wait to be mended`, bad: false, to: '/rejected' }] : []),
  ]
  if (all.length === 0) return null
  return (
    <Part title="Needs attention">
      <ul className="grid gap-1">
        {all.map((one) => (
          <li key={one.text}><Link to={one.to} className={`flex items-center gap-2 rounded-outer px-3 py-2 hover:brightness-97 ${one.bad ? 'bg-bad-tint' : 'bg-warning-tint'}`}>
            <Icon name="rejected" className={one.bad ? 'text-bad-text' : 'text-warning-text'} /><span className="min-w-0 grow break-words">{sentence(one.text)}</span><Icon name="right" size={14} className="text-soft" />
          </Link></li>
        ))}
      </ul>
    </Part>
  )
}

function Rates() {
  const { x, sources } = seriesOf(useSamples(), 'all')
  if (x.length < 3) return null
  const busy = [...sources].filter(([, values]) => values.some((v) => v > 0))
  if (busy.length === 0) return null
  return (
    <Part title="Since you opened this page">
      <Chart label="Records a second by source" kind="area" stacked time x={x} write={rate} series={busy.map(([name, values]) => ({ name, values }))} legend />
    </Part>
  )
}
