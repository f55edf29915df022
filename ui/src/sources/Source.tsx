import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { problemOf } from '@/api/client'
import { sourceQuery, statusQuery } from '@/api/queries'
import { ratesOf, seriesOf, useSamples } from '@/api/rates'
import type { Source as SourceData } from '@/api/schema'
import { StateDot } from '@/design/Badge'
import { Chart } from '@/design/Chart'
import { CodeBlock } from '@/design/CodeBlock'
import { CopyButton } from '@/design/CopyButton'
import { ErrorBox } from '@/design/ErrorBox'
import { useNow } from '@/design/now'
import { NumberText } from '@/design/NumberText'
import { SkeletonRows } from '@/design/Skeleton'
import { TimeText } from '@/design/TimeText'
import { Facts, Figure, Part, View } from '@/design/View'
import { percent, rate } from '@/format/format'
import { stateOf } from './state'

const route = getRouteApi('/sources/$source')
const action = 'inline-flex h-8 items-center rounded-outer bg-hover px-3 font-medium hover:bg-active'

export default function Source() {
  const { source } = route.useParams()
  useQuery(statusQuery)
  const { data, error, refetch } = useQuery(sourceQuery(source))
  const now = useNow()
  const state = data && stateOf(data, now)
  return (
    <View crumbs={[{ title: 'Sources', to: '/sources' }, { title: source }]} scroll
      state={state && <StateDot meaning={state.meaning} hollow={state.hollow}>{state.word}</StateDot>}
      actions={data && <><Link to="/live" search={{ source }} className={action}>Live</Link>{data.rejected > 0 && <Link to="/rejected" search={{ source }} className={action}>Rejected</Link>}</>}>
      {error && !data ? <div className="p-4"><ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /></div> : data ? <Body source={data} /> : <SkeletonRows />}
    </View>
  )
}

function Body({ source }: { source: SourceData }) {
  const samples = useSamples()
  const now = ratesOf(samples).get(source.name)
  const all = source.accepted + source.duplicates + source.rejected
  return (
    <div className="grid gap-8 p-4">
      <div className="flex flex-wrap gap-x-10 gap-y-4">
        <Figure label="Now" value={rate(now ? now.accepted + now.duplicates + now.rejected : 0)} note={<>last <TimeText at={source.last_received} /></>} />
        <Figure label="Accepted" value={<NumberText value={source.accepted} short />} />
        <Figure label="Duplicates" value={<NumberText value={source.duplicates} short />} note={all > 0 ? percent(source.duplicates / all) : undefined} />
        <Figure label="Rejected" value={<NumberText value={source.rejected} short />} note={all > 0 ? percent(source.rejected / all) : undefined} />
      </div>
      <Rates name={source.name} />
      <SetUp source={source} />
      <Part title="What it is">
        <Facts facts={[
          ['Kind', source.kind],
          ['Duplicates', <span key="d">an id counts once {source.dedup === 'forever' ? 'for ever' : `in ${source.dedup}`}</span>],
          ...source.write_keys.map((key, i): [string, React.ReactNode] => [i === 0 ? (source.write_keys.length > 1 ? 'Write keys' : 'Write key') : '', <span key={key} className="inline-flex items-center gap-1"><code className="font-mono text-12">{key}</code><CopyButton text={key} label={`Copy ${key}`} /></span>]),
          ['File', <code key="f" className="font-mono text-12">sources/{source.name}.yaml</code>],
        ]} />
      </Part>
    </div>
  )
}

function Rates({ name }: { name: string }) {
  const samples = useSamples()
  const of = (kind: 'accepted' | 'duplicates' | 'rejected') => seriesOf(samples, kind).sources.get(name) ?? []
  const { x } = seriesOf(samples, 'all')
  if (x.length < 2) return null
  return (
    <Part title="Since you opened this page">
      <Chart label="Records a second" kind="area" time x={x} write={rate} height={150} stacked
        series={[{ name: 'accepted', values: of('accepted') }, { name: 'duplicates', values: of('duplicates'), meaning: 'warning' }, { name: 'rejected', values: of('rejected'), meaning: 'bad' }]} />
    </Part>
  )
}

function SetUp({ source }: { source: SourceData }) {
  const key = source.write_keys[0]
  const code = source.path
    ? `curl ${location.origin}${source.path} \\\n  -H 'Content-Type: application/json' \\\n  -d '{"action": "opened"}'`
    : key ? `curl -u ${key}: ${location.origin}/v1/track \\\n  -H 'Content-Type: application/json' \\\n  -d '{"event": "Hello", "userId": "ada"}'` : undefined
  if (!code) return null
  return <Part title="Send to it"><CodeBlock label="curl" code={code} /></Part>
}
