import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useRef } from 'react'
import { curlOf, problemOf } from '@/api/client'
import { deploysQuery, releasesQuery } from '@/api/control'
import { sessionQuery } from '@/api/queries'
import type { Deployment, Release } from '@/api/schema'
import { Badge, StateDot } from '@/design/Badge'
import { CodeBlock } from '@/design/CodeBlock'
import { copyAs } from '@/design/copyAs'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { IconButton } from '@/design/IconButton'
import { Menu } from '@/design/Menu'
import { SkeletonRows } from '@/design/Skeleton'
import { Table, type Column, type TableHandle } from '@/design/Table'
import { Tabs } from '@/design/Tabs'
import { TimeText } from '@/design/TimeText'
import { View } from '@/design/View'
import { sentence } from '@/format/format'
import { ReleaseDrawer } from './ReleaseDrawer'
import { origins, stateOf } from './releases'

const route = getRouteApi('/settings/releases')

const columnsOf = (running: number): Column<Release>[] => [
  { id: 'number', title: 'Version', width: 90, cell: (r) => <strong className="font-semibold tabular-nums">{r.number}</strong>, text: (r) => String(r.number) },
  { id: 'runs', title: 'Runs in', width: 150, cell: (r) => r.number === running ? <StateDot meaning="good">Runs here</StateDot> : r.runs_in.length > 0 ? r.runs_in.map((e) => <Badge key={e}>{e}</Badge>) : <span className="text-faint">nowhere</span>, text: (r) => r.runs_in.join(' ') },
  { id: 'message', title: 'Why', cell: (r) => r.message || <span className="text-faint">no message</span>, text: (r) => r.message },
  { id: 'author', title: 'Who', width: 150, cell: (r) => r.author, text: (r) => r.author },
  { id: 'origin', title: 'How', width: 176, cell: (r) => sentence(origins[r.origin]), text: (r) => r.origin },
  { id: 'created', title: 'When', width: 110, cell: (r) => <TimeText at={r.created} />, text: (r) => r.created },
]

const deployColumns: Column<Deployment>[] = [
  { id: 'number', title: 'No.', width: 70, cell: (d) => String(d.number), text: (d) => String(d.number) },
  { id: 'state', title: 'State', width: 140, cell: (d) => { const s = stateOf(d); return <StateDot meaning={s.meaning}>{s.word}</StateDot> }, text: (d) => d.state },
  { id: 'version', title: 'Version', width: 120, cell: (d) => d.version === 0 ? <span className="text-faint">none</span> : <>{d.version}{d.base > 0 && <span className="text-soft"> after {d.base}</span>}</>, text: (d) => String(d.version) },
  { id: 'message', title: 'Why, or what was wrong', cell: (d) => d.error ? <span className="text-bad-text" title={d.error}>{d.error}</span> : d.message, text: (d) => d.error ?? d.message },
  { id: 'author', title: 'Who', width: 150, cell: (d) => d.author, text: (d) => d.author },
  { id: 'begun', title: 'When', width: 110, cell: (d) => <TimeText at={d.begun} />, text: (d) => d.begun },
]

/** The versions of the project, which one runs here, and every deployment. */
export default function Releases() {
  const { tab = 'versions', open } = route.useSearch()
  const navigate = route.useNavigate()
  const table = useRef<TableHandle>(null)
  const mode = useQuery(sessionQuery).data?.mode
  const list = useInfiniteQuery({ ...releasesQuery, enabled: mode === 'serve' })
  const releases = list.data?.pages.flatMap((p) => p.releases) ?? []
  const running = list.data?.pages[0]?.running ?? 0
  const at = releases.findIndex((r) => String(r.number) === open)
  const chosen = releases[at]
  const show = (one: Release | undefined) => { void navigate({ search: (before) => ({ ...before, open: one && String(one.number) }), replace: open !== undefined && one !== undefined }) }
  const step = (by: number) => releases[at + by] && at >= 0 ? () => { show(releases[at + by]); table.current?.reveal(at + by) } : undefined
  const crumbs = [{ title: 'Settings', to: '/settings' }, { title: 'Releases' }]
  const refused = list.error && !list.data ? problemOf(list.error) : undefined
  if (mode === 'dev') return <View crumbs={crumbs}><Empty icon="release" title="There are no versions here"><p className="mb-2">millrace dev runs the folder as it is, and every save counts at once. With millrace serve, each change is a numbered version that one can plan, compare and go back to:</p><CodeBlock code="millrace serve ." /></Empty></View>
  return (
    <View crumbs={crumbs} state={running > 0 && `Version ${running} runs here`} actions={<Menu label="More" button={<IconButton icon="more" label="More" />} items={copyAs({ curl: curlOf('list-releases', {}, location.origin), command: 'millrace release list' })} />}>
      <Tabs label="Views of releases" className="grow" tabs={[{ id: 'versions', label: 'Versions' }, { id: 'deploys', label: 'Deployments' }]} chosen={tab} onChoose={(id) => { void navigate({ search: { tab: id === 'versions' ? undefined : id }, replace: true }) }} panelClassName="flex flex-col">
        {tab === 'deploys' ? <Deploys /> : refused ? <div className="p-4"><ErrorBox problem={refused} onRetry={() => void list.refetch()} /></div> : (
          <div className="relative flex min-h-0 min-w-0 grow">
            {list.isPending ? <div className="grow"><SkeletonRows /></div> : (
              <Table name="releases" label="Versions" columns={columnsOf(running)} ref={table} count={releases.length} rowAt={(i) => releases[i]} rowKey={(r) => String(r.number)} chosen={at < 0 ? undefined : at} onOpen={(i) => { show(releases[i]) }}
                onSeen={(_from, to) => { if (to > releases.length - 20 && list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage() }}
                empty={<Empty icon="release" title="No version yet"><p className="mb-2">A version is all files of the project, under a number that stays. From the folder of the project:</p><CodeBlock code={`millrace plan\nmillrace deploy --message 'the first one'`} /></Empty>} />
            )}
            {chosen && <ReleaseDrawer key={chosen.number} release={chosen} running={running} onClose={() => { show(undefined); table.current?.focus() }} onNext={step(1)} onPrevious={step(-1)} />}
          </div>
        )}
      </Tabs>
    </View>
  )
}

function Deploys() {
  const list = useInfiniteQuery(deploysQuery)
  const deploys = list.data?.pages.flatMap((p) => p.deploys) ?? []
  if (list.error && !list.data) return <div className="p-4"><ErrorBox problem={problemOf(list.error)} onRetry={() => void list.refetch()} /></div>
  if (!list.data) return <SkeletonRows />
  return <Table name="deploys" label="Deployments" columns={deployColumns} count={deploys.length} rowAt={(i) => deploys[i]} rowKey={(d) => d.id}
    onSeen={(_from, to) => { if (to > deploys.length - 20 && list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage() }}
    empty={<Empty icon="release" title="Nothing was deployed here">Every deployment is listed here with what came of it, also those that were refused or went back by themselves.</Empty>} />
}
