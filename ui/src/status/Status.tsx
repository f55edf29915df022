import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useState } from 'react'
import { curlOf, problemOf, urlOf } from '@/api/client'
import { historyQuery } from '@/api/history'
import { useMay } from '@/api/may'
import { attentionQuery, readinessQuery, statusQuery } from '@/api/queries'
import { ratesOf, useSamples } from '@/api/rates'
import type { Reader, Status as StatusData } from '@/api/schema'
import { StateDot, type Meaning } from '@/design/Badge'
import { CopyButton } from '@/design/CopyButton'
import { copyAs } from '@/design/copyAs'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { IconButton } from '@/design/IconButton'
import { Menu, type MenuItem } from '@/design/Menu'
import { Bytes, NumberText } from '@/design/NumberText'
import { useNow } from '@/design/now'
import { Progress } from '@/design/Progress'
import { SkeletonRows } from '@/design/Skeleton'
import { Tabs } from '@/design/Tabs'
import { TimeRangePicker } from '@/design/TimeRangePicker'
import { TimeText } from '@/design/TimeText'
import { Facts, Figure, Part, View } from '@/design/View'
import { bytes, compact, duration, plural, position, rate, relative, sentence } from '@/format/format'
import { Charts } from './Charts'
import { Logs } from './Logs'
import { ReaderDialog, type ReaderAct } from './ReaderDialog'
import { useStart, type Start } from './start'

const route = getRouteApi('/status')
const views = [{ id: 'now', label: 'Now' }, { id: 'charts', label: 'Over time' }, { id: 'log', label: 'Log' }]

export default function Status() {
  const { data, error, refetch } = useQuery(statusQuery)
  const { tab = 'now', range = 'last 3h', ...filter } = route.useSearch()
  const navigate = route.useNavigate()
  const to = (next: Record<string, string | undefined>) => { void navigate({ search: (before) => ({ ...before, ...next }), replace: true }) }
  return (
    <View crumbs={[{ title: 'Status' }]} state={data && <Overall status={data} />} actions={data && <Actions />}>
      <Tabs label="Views of the server" className="grow" tabs={views} chosen={tab} onChoose={(id) => { to({ tab: id }) }} panelClassName={tab === 'log' ? 'flex flex-col' : 'overflow-auto'}
        trailing={tab === 'charts' && <TimeRangePicker small value={range} onValue={(r) => { to({ range: r }) }} />}>
        {tab === 'log' ? <Logs filter={filter} onChange={(f) => { to({ ...f }) }} /> : tab === 'charts' ? <Charts range={range} />
          : error && !data ? <div className="p-4"><ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /></div> : data ? <Body status={data} /> : <SkeletonRows />}
      </Tabs>
    </View>
  )
}

function Overall({ status }: { status: StatusData }) {
  const urgent = useQuery(attentionQuery).data?.items.filter((one) => one.severity !== 'info').length ?? 0
  if (!status.ready) return <StateDot meaning="bad">Not ready</StateDot>
  if (status.problems.length > 0) return <StateDot meaning="warning">{status.problems.length === 1 ? 'One problem' : `${status.problems.length} problems`}</StateDot>
  // The same as at Home, and beside the rooms.
  if (urgent > 0) return <StateDot meaning="warning"><Link to="/" className="underline-offset-2 hover:underline">{urgent === 1 ? 'One thing needs attention' : `${urgent} things need attention`}</Link></StateDot>
  return <StateDot meaning="good">All well</StateDot>
}

function Actions() {
  const start = useStart()
  const item = (label: string, what: Start): MenuItem => ({ label, icon: 'play', onChoose: () => { start.mutate(what) } })
  return <Menu label="More" button={<IconButton icon="more" label="More" />} items={[
    { kind: 'title', label: 'Start' }, item('Verify the log', 'start-log-verification'), item('Verify the archive', 'start-archive-verification'), item('Rebuild the warehouse', 'start-rebuild'),
    { kind: 'line' }, ...copyAs({ curl: curlOf('get-status', {}, location.origin), command: 'millrace status' }), { label: 'Download a support bundle', icon: 'download', onChoose: () => { location.assign(urlOf('get-support-bundle')) } },
  ]} />
}

function Body({ status }: { status: StatusData }) {
  return (
    <div className="grid gap-x-10 gap-y-7 p-4 panes:grid-cols-2">
      {(status.problems.length > 0 || status.notices.length > 0) && (
        <Part title="Needs attention" className="panes:col-span-2">
          <ul className="grid gap-1.5">
            {status.problems.map((text) => <Told key={text} text={text} meaning="bad" />)}
            {status.notices.map((text) => <Told key={text} text={text} meaning="warning" />)}
          </ul>
        </Part>
      )}
      <Glance status={status} />
      <Parts />
      <Readers readers={status.readers} />
      {status.log && <Log log={status.log} />}
      {status.warehouse && (
        <Part title="Warehouse">
          <Facts even facts={[
            ['Engine', engine(status.warehouse)],
            ['Behind the log', duration(status.warehouse.lag_seconds * 1000)],
            ['Size', <Bytes key="s" value={status.warehouse.size_bytes} />],
            ...(status.warehouse.rss_bytes ? [['Memory of its process', <Bytes key="m" value={status.warehouse.rss_bytes} />] as [string, React.ReactNode]] : []),
            ['Queries now', <NumberText key="q" value={status.warehouse.queries} />],
            ['Restarts', <NumberText key="r" value={status.warehouse.restarts} />],
            ['Committed', <Position key="c" text={status.warehouse.committed} of="where the warehouse is" />],
          ]} />
          {status.warehouse.problem && <Told text={status.warehouse.problem} meaning="bad" />}
        </Part>
      )}
      {status.archive && (
        <Part title="Archive">
          <Facts even facts={[
            ['Where', <Mono key="w" text={status.archive.location} of="where the archive is" />],
            ['Files', <NumberText key="f" value={status.archive.files} />],
            ['Size', <Bytes key="s" value={status.archive.size_bytes} />],
            ['Archived through', <Position key="t" text={status.archive.through} of="where the archive’s reader is" />],
          ]} />
          {status.archive.problem && <Told text={status.archive.problem} meaning="bad" />}
        </Part>
      )}
      {status.dedup && (
        <Part title="Duplicates">
          <Facts even facts={[
            ['Ids known', <NumberText key="i" value={status.dedup.ids} />],
            ['Size', <Bytes key="s" value={status.dedup.size_bytes} />],
            ['Duplicates dropped', <NumberText key="d" value={status.dedup.duplicates} />],
            ['Judged through', <Position key="t" text={status.dedup.through} of="where duplicates are judged to" />],
          ]} />
        </Part>
      )}
      <Part title="This server">
        <Facts even facts={[
          ['Project', status.name], ['Version', status.version], ['Mode', status.mode], ...(status.environment ? [['Environment', status.environment] as [string, string]] : []), ['Workspace', status.workspace],
          ['Started', <TimeText key="s" at={status.started} full />],
          ...(status.project ? [['Project read', <TimeText key="p" at={status.project.loaded} full />] as [string, React.ReactNode]] : []),
        ]} />
        {status.project?.problems.map((text) => <Told key={text} text={text} meaning="warning" />)}
      </Part>
    </div>
  )
}

const engines: Record<string, string> = { duckdb: 'DuckDB', postgres: 'Postgres', nats: 'NATS' }

/** What a part stands on, with its version as far as it says one. */
function engine({ backend, version }: { backend: string; version?: string | undefined }): string {
  return `${engines[backend] ?? backend}${version ? ` ${version}` : ''}`
}

/** How the server is, in a line. */
function Glance({ status }: { status: StatusData }) {
  const now = useNow()
  const rates = [...ratesOf(useSamples()).values()]
  const records = status.sources.reduce((n, s) => n + s.accepted + s.duplicates + s.rejected, 0)
  const last = [...status.readers].sort((a, b) => b.lag_seconds - a.lag_seconds)[0]
  const { log } = status
  const room = log?.free_bytes !== undefined && log.reserve_bytes !== undefined ? Math.max(0, log.free_bytes - log.reserve_bytes) : undefined
  return (
    <section aria-label="At a glance" className="grid grid-cols-2 gap-x-10 gap-y-4 wide:flex wide:flex-wrap panes:col-span-2 panes:gap-x-16">
      <Figure label="Running for" value={relative(Date.parse(status.started), now).replace(/ ago$/, '')} note={<>since <TimeText at={status.started} full /></>} />
      <Figure label="Received now" value={rate(rates.length === 0 ? undefined : rates.reduce((n, r) => n + r.accepted + r.duplicates + r.rejected, 0))} note={`${compact(records)} so far, from ${plural(status.sources.length, 'source')}`} />
      {last && <Figure label="Furthest behind" value={duration(last.lag_seconds * 1000)} note={last.lag_seconds > 0 ? `the reader ${last.name}` : 'every reader is at the end'} />}
      {room !== undefined && <Figure label="Room on the disk" value={bytes(room)} note={log?.full_in_seconds === undefined ? 'before intake is refused' : `full in ${duration(log.full_in_seconds * 1000)} as it goes now`} />}
      <Figure label="Memory" value={<Memory />} note={status.warehouse?.rss_bytes ? <>and <Bytes value={status.warehouse.rss_bytes} /> of the warehouse</> : undefined} />
    </section>
  )
}

function Told({ text, meaning }: { text: string; meaning: 'bad' | 'warning' }) {
  return <li className={`flex list-none gap-2 rounded-outer px-3 py-2 ${meaning === 'bad' ? 'bg-bad-tint' : 'bg-warning-tint'}`}><Icon name="rejected" className={`mt-0.5 ${meaning === 'bad' ? 'text-bad-text' : 'text-warning-text'}`} /><span className="min-w-0 break-words whitespace-pre-wrap">{sentence(text)}</span></li>
}

/** Memory of the server's process, as it was last looked at. */
function Memory() {
  const now = Math.floor(useNow() / 10_000) * 10_000
  const { data } = useQuery(historyQuery([resident], { from: now - 60_000, until: now }))
  return <Bytes value={data?.series.find((s) => s.name === resident)?.points.at(-1)?.last} />
}

const resident = 'process_resident_memory_bytes'

function Position({ text, of }: { text: string | undefined; of: string }) {
  return <Mono text={text && position(text)} of={of} />
}

function Mono({ text, of }: { text: string | undefined; of: string }) {
  if (!text) return <span className="text-faint">–</span>
  return <span className="inline-flex max-w-full items-center gap-1"><code className="truncate font-mono text-12" title={text}>{text}</code><CopyButton text={text} label={`Copy ${of}`} /></span>
}

function Parts() {
  const { data } = useQuery(readinessQuery)
  return (
    <Part title="Parts">
      <ul className="grid">
        {(data?.parts ?? []).map((part) => (
          <li key={part.name} className="flex min-h-8 items-center gap-3 border-b border-line/60">
            <span className="w-28 shrink-0 font-medium max-wide:w-20">{sentence(part.name)}</span>
            <StateDot meaning={part.ready ? 'good' : part.required ? 'bad' : 'warning'}>{part.ready ? 'Ready' : 'Not ready'}</StateDot>
            {part.reason && <span className="min-w-0 truncate text-soft" title={part.reason}>{part.reason}</span>}
            {!part.required && <span className="ml-auto text-12 text-faint">intake goes on without</span>}
          </li>
        ))}
      </ul>
    </Part>
  )
}

const states: Record<Reader['state'], [string, Meaning, boolean]> = { running: ['Running', 'good', false], paused: ['Paused', 'neutral', true], failing: ['Failing, trying again', 'bad', false], stopped: ['Stopped', 'bad', false] }

function Readers({ readers }: { readers: Reader[] }) {
  const [asked, ask] = useState<{ reader: Reader; act: ReaderAct }>()
  const may = useMay()
  const controls = (reader: Reader) => reader.actions.length > 0 && may(reader.shared ? 'server:control' : 'reader:control')
  return (
    <Part title="Readers of the log">
      <ul className="grid">
        {readers.map((reader) => {
          const [word, meaning, hollow] = states[reader.state]
          return (
            <li key={reader.name} className="flex min-h-8 flex-wrap items-center gap-x-3 border-b border-line/60">
              <span className="w-28 shrink-0 font-medium max-wide:w-20">{sentence(reader.name)}</span>
              <StateDot meaning={meaning} hollow={hollow}>{word}</StateDot>
              <span className="text-soft">{reader.lag_seconds > 0 ? `${duration(reader.lag_seconds * 1000)} behind` : 'at the end of the log'}</span>
              <span className="ml-auto">{controls(reader) && <ReaderMenu reader={reader} onAct={(act) => { ask({ reader, act }) }} />}</span>
              {reader.problem && <p className="w-full pb-2 break-words text-bad-text">{reader.problem}</p>}
            </li>
          )
        })}
      </ul>
      {asked && <ReaderDialog reader={asked.reader} act={asked.act} onClose={() => { ask(undefined) }} />}
    </Part>
  )
}

function ReaderMenu({ reader, onAct }: { reader: Reader; onAct: (act: ReaderAct) => void }) {
  const can = (act: string) => reader.actions.includes(act)
  return <Menu label={`Reader ${reader.name}`} button={<IconButton small icon="more" label={`What may be done with ${reader.name}`} />} items={[
    { label: 'Pause', icon: 'pause', disabled: !can('pause') || reader.state === 'paused', onChoose: () => { onAct('pause') } },
    { label: 'Resume', icon: 'play', disabled: !can('resume') || reader.state !== 'paused', onChoose: () => { onAct('resume') } },
    { kind: 'line' },
    { label: 'Begin again', icon: 'history', danger: true, disabled: !can('reset'), onChoose: () => { onAct('reset') } },
  ]} />
}

function Log({ log }: { log: NonNullable<StatusData['log']> }) {
  const room = log.free_bytes !== undefined && log.reserve_bytes !== undefined ? log.free_bytes - log.reserve_bytes : undefined
  return (
    <Part title="Log">
      <Facts even facts={[
        ['An acknowledgement', <span key="p">{log.promise}</span>],
        ['Holds', <span key="h"><Bytes value={log.size_bytes} />{log.size_limit_bytes ? <> of <Bytes value={log.size_limit_bytes} /></> : null}, kept {duration(log.retention_seconds * 1000)}</span>],
        ...(log.size_limit_bytes ? [['', <Progress key="b" label="Log" share={log.size_bytes / log.size_limit_bytes} meaning={log.size_bytes > 0.9 * log.size_limit_bytes ? 'warning' : 'accent'} className="mt-1" />] as [string, React.ReactNode]] : []),
        ['From', <TimeText key="f" at={log.first_time} full />],
        ['To', <TimeText key="t" at={log.last_time} full />],
        ['Last position', <Position key="l" text={log.last} of="the last position" />],
        ...(room === undefined ? [] : [['Disk', <span key="d">{bytes(Math.max(0, room))} until intake is refused <span className="text-soft">({bytes(log.free_bytes)} free, {bytes(log.reserve_bytes)} kept back)</span>{log.full_in_seconds !== undefined && <strong className="font-semibold text-warning-text"> in {duration(log.full_in_seconds * 1000)} as it goes now</strong>}</span>] as [string, React.ReactNode]]),
        ['Backend', engine(log)],
      ]} />
      {log.refusing && <Told text={`Intake is refused: ${log.refusing}`} meaning="bad" />}
      {log.ahead_seconds !== undefined && <Told text={`The log is ${duration(log.ahead_seconds * 1000)} ahead of this machine's clock: the clock is wrong, or was.`} meaning="warning" />}
    </Part>
  )
}
