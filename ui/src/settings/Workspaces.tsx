import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useRef, useState } from 'react'
import { curlOf, problemOf } from '@/api/client'
import { useMay } from '@/api/may'
import { sessionQuery } from '@/api/queries'
import type { Workspace } from '@/api/schema'
import { workspacesQuery } from '@/api/workspaces'
import { Badge, StateDot } from '@/design/Badge'
import { Button } from '@/design/Button'
import { copyAs } from '@/design/copyAs'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { IconButton } from '@/design/IconButton'
import { Input } from '@/design/Input'
import { useKeys } from '@/design/keys'
import { Menu } from '@/design/Menu'
import { Select } from '@/design/Select'
import { SkeletonRows } from '@/design/Skeleton'
import { Table, type Column, type TableHandle } from '@/design/Table'
import { TimeText } from '@/design/TimeText'
import { View } from '@/design/View'
import { plural } from '@/format/format'
import { NewWorkspace } from './WorkspaceDialogs'
import { WorkspaceDrawer } from './WorkspaceDrawer'
import { quotaText, stateOf } from './workspaces'

const route = getRouteApi('/settings/workspaces')

const State = ({ of }: { of: Workspace }) => { const { meaning, word, hollow } = stateOf(of); return <StateDot meaning={meaning} hollow={hollow}>{word}</StateDot> }

const columnsOf = (here: string | undefined): Column<Workspace>[] => [
  { id: 'name', title: 'Name', width: 180, cell: (w) => <span className="inline-flex max-w-full items-center gap-1.5"><span className="truncate font-medium">{w.name}</span>{w.id === here && <Badge>here</Badge>}</span>, text: (w) => w.name },
  { id: 'state', title: 'State', width: 150, cell: (w) => <State of={w} />, text: (w) => w.state },
  { id: 'title', title: 'For people', width: 200, cell: (w) => w.title, text: (w) => w.title },
  { id: 'environments', title: 'Environments', cell: (w) => w.environments.filter((e) => e.state === 'active').sort((a, b) => Number(b.main) - Number(a.main)).map((e) => e.name).join(', '), text: (w) => w.environments.map((e) => e.name).join(' ') },
  { id: 'quotas', title: 'Quotas', width: 220, cell: (w) => quotaText(w.quotas) || <span className="text-soft">no limit</span>, text: (w) => quotaText(w.quotas) },
  { id: 'created', title: 'Made', width: 110, cell: (w) => <TimeText at={w.created} />, text: (w) => w.created },
]

const states = [{ value: '', label: 'In any state' }, { value: 'active', label: 'Active' }, { value: 'suspended', label: 'Suspended' }, { value: 'deleted', label: 'Deleted' }]

/** Whose data is on the server: its tenants. */
export default function Workspaces() {
  const { open, q = '', state = '' } = route.useSearch()
  const navigate = route.useNavigate()
  const table = useRef<TableHandle>(null)
  const [making, make] = useState(false)
  const may = useMay()
  const here = useQuery(sessionQuery).data?.workspace
  const { data: all = [], error, isPending, refetch } = useQuery({ ...workspacesQuery, refetchInterval: 10_000 })
  const wanted = q.trim().toLowerCase()
  const shown = all.filter((w) => `${w.name} ${w.title} ${w.id}`.toLowerCase().includes(wanted) && (state === '' || (state === 'deleted' ? w.state === 'deleted' || w.state === 'purging' : w.state === state)))
  const at = shown.findIndex((w) => w.id === open)
  // What changes its state leaves the filter, and stays open.
  const chosen = all.find((w) => w.id === open)
  const show = (id: string | undefined) => { void navigate({ search: (before) => ({ ...before, open: id }), replace: open !== undefined && id !== undefined }) }
  const step = (by: number) => { const next = shown[at + by]; return next && at >= 0 ? () => { show(next.id); table.current?.reveal(at + by) } : undefined }
  const makes = may('workspace:create')
  useKeys([...(makes ? [{ keys: 'n', label: 'New workspace', group: 'Workspaces', run: () => { make(true) } }] : []), { keys: '/', label: 'Filter workspaces', group: 'Workspaces', run: () => { document.getElementById('workspaces-filter')?.focus() } }])
  return (
    <View crumbs={[{ title: 'Settings', to: '/settings' }, { title: 'Workspaces' }]} state={all.length > 0 && plural(all.length, 'workspace')}
      actions={<>{makes && <Button icon="plus" onClick={() => { make(true) }}>New workspace</Button>}<Menu label="More" button={<IconButton icon="more" label="More" />} items={copyAs({ curl: curlOf('list-workspaces', {}, location.origin), command: 'millrace workspace list' })} /></>}>
      {error && all.length === 0 ? <div className="p-4"><ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /></div> : (
        <>
          <div role="search" className="flex flex-wrap gap-2 px-4 py-2">
            <Input id="workspaces-filter" label="Filter workspaces" hideLabel icon="search" placeholder="Name" className="grow basis-40 wide:max-w-90" value={q} onChange={(e) => { void navigate({ search: (before) => ({ ...before, q: e.target.value || undefined }), replace: true }) }} />
            <Select label="State" hideLabel className="w-40" options={states} value={state} onValue={(s) => { void navigate({ search: (before) => ({ ...before, state: s || undefined }), replace: true }) }} />
          </div>
          <div className="relative flex min-h-0 min-w-0 grow">
            {isPending ? <div className="grow"><SkeletonRows /></div> : (
              <Table name="workspaces" label="Workspaces" columns={columnsOf(here)} ref={table} count={shown.length} rowAt={(i) => shown[i]} rowKey={(w) => w.id} chosen={at < 0 ? undefined : at} onOpen={(i) => { show(shown[i]?.id) }}
                empty={<Empty icon="filter" title="Nothing matches">No workspace {all.length > 0 ? 'has this name and state' : 'is shown to you'}.</Empty>} />
            )}
            {chosen && <WorkspaceDrawer key={chosen.id} of={chosen} taken={all.map((w) => w.name)} onClose={() => { show(undefined); table.current?.focus() }} onNext={step(1)} onPrevious={step(-1)} />}
          </div>
          {all.length === 1 && makes && !chosen && <p className="border-t border-line px-4 py-3 text-12 text-soft">A workspace is a tenant: people, keys, secrets, versions and data of its own, of which nobody else sees anything. One is enough for one company; make another for each customer, or for what has to be kept apart.</p>}
        </>
      )}
      {making && <NewWorkspace taken={all.map((w) => w.name)} onClose={() => { make(false) }} onMade={(w) => { make(false); show(w.id) }} />}
    </View>
  )
}
