import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useRef, useState } from 'react'
import { curlOf, problemOf, shell } from '@/api/client'
import { rejectedQuery, statusQuery } from '@/api/queries'
import type { Rejected as RejectedData } from '@/api/schema'
import { Badge, StateDot } from '@/design/Badge'
import { Button } from '@/design/Button'
import { copyAs, quoted } from '@/design/copyAs'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { IconButton } from '@/design/IconButton'
import { Input } from '@/design/Input'
import { useKeys } from '@/design/keys'
import { Menu } from '@/design/Menu'
import { Select } from '@/design/Select'
import { SkeletonRows } from '@/design/Skeleton'
import { Table, type Column, type TableHandle } from '@/design/Table'
import { Tabs } from '@/design/Tabs'
import { TimeText } from '@/design/TimeText'
import { View } from '@/design/View'
import { plural, sentence } from '@/format/format'
import { Groups } from './Groups'
import { RejectedDrawer } from './RejectedDrawer'

const route = getRouteApi('/rejected')

const columns: Column<RejectedData>[] = [
  { id: 'received', title: 'Received', width: 112, cell: (r) => <TimeText at={r.received_at} />, text: (r) => r.received_at },
  { id: 'source', title: 'Source', width: 108, cell: (r) => r.source, text: (r) => r.source },
  { id: 'type', title: 'Type', width: 90, cell: (r) => r.type ?? '', text: (r) => r.type ?? '' },
  { id: 'reason', title: 'Reason', cell: (r) => sentence(r.reason), text: (r) => r.reason },
  { id: 'field', title: 'Field', width: 110, mono: true, cell: (r) => r.field ?? '', text: (r) => r.field ?? '' },
  { id: 'outcome', title: 'Sent again', width: 130, cell: (r) => <Outcome outcome={r.outcome} />, text: (r) => r.outcome ?? '' },
]

/** textsOf are the ways in which the same is asked elsewhere. */
function textsOf(filter: { source?: string; reason?: string; group?: string }) {
  const where = [filter.source && `source = ${quoted(filter.source)}`, filter.reason && `contains(reason, ${quoted(filter.reason)})`, filter.group && `reason = ${quoted(filter.group)}`].filter(Boolean)
  const flags = [filter.source && ` --source ${shell(filter.source)}`, (filter.reason ?? filter.group) && ` --reason ${shell(filter.reason ?? filter.group ?? '')}`].filter(Boolean)
  return {
    curl: curlOf('list-rejected', { params: filter }, location.origin),
    command: `millrace rejected list${flags.join('')}`,
    sql: `SELECT * FROM millrace.rejected${where.length > 0 ? ` WHERE ${where.join(' AND ')}` : ''} ORDER BY received_at DESC`,
  }
}

function Outcome({ outcome }: { outcome: RejectedData['outcome'] }) {
  switch (outcome) {
    case undefined: return <span className="text-faint">not yet</span>
    case 'accepted': return <StateDot meaning="good">Accepted</StateDot>
    case 'partly accepted': return <StateDot meaning="warning">In part</StateDot>
    case 'rejected': return <StateDot meaning="bad">Rejected</StateDot>
  }
}

export default function Rejected() {
  const { source, reason, group, tab = reason || group ? 'all' : 'groups', open } = route.useSearch()
  const navigate = route.useNavigate()
  const table = useRef<TableHandle>(null)
  const list = useInfiniteQuery(rejectedQuery({ source, reason, group }))
  const status = useQuery(statusQuery)
  const rows = list.data?.pages.flatMap((page) => page.rejected) ?? []
  const at = rows.findIndex((row) => row.id === open)
  const show = (id: string | undefined) => { void navigate({ search: (before) => ({ ...before, open: id }), replace: open !== undefined && id !== undefined }) }
  const change = (next: { source?: string; reason?: string; group?: string; tab?: string }) => { void navigate({ search: (before) => ({ ...before, ...next, open: undefined }), replace: true }) }
  const step = (by: number) => rows[at + by] && at >= 0 ? () => { show(rows[at + by]?.id); table.current?.reveal(at + by) } : undefined
  useKeys([{ keys: '/', label: 'Filter by reason', group: 'Rejected', run: () => { document.getElementById('rejected-reason')?.focus() } }])
  const filtered = Boolean(source) || Boolean(reason) || Boolean(group)
  const total = status.data?.sources.reduce((n, s) => n + s.rejected, 0)
  return (
    <View crumbs={[{ title: 'Rejected' }]} actions={<Menu label="More" button={<IconButton icon="more" label="More" />} items={copyAs(textsOf({ source, reason, group }))} />}
      state={total !== undefined && (filtered ? <Badge>{plural(rows.length, 'match', 'matches')}{list.hasNextPage ? ' and more' : ''}</Badge> : plural(total, 'event'))}>
      <div role="search" className="flex flex-wrap gap-2 px-4 py-2">
        <Select label="Source" hideLabel className="w-36 max-wide:w-full" value={source ?? ''} onValue={(value) => { change({ source: value || undefined }) }}
          options={[{ value: '', label: 'Every source' }, ...(status.data?.sources ?? []).map((s) => ({ value: s.name, label: s.name }))]} />
        <Reason value={reason ?? ''} onChange={(value) => { if (value || tab === 'all') change({ tab: 'all', reason: value || undefined }) }} />
        {group && tab === 'all' && <Button icon="cross" onClick={() => { change({ tab: 'all', group: undefined }) }}>{sentence(group)}</Button>}
      </div>
      <Tabs label="Views of what was rejected" className="grow" tabs={[{ id: 'groups', label: 'By reason' }, { id: 'all', label: 'One by one' }]} chosen={tab} onChoose={(id) => { change({ tab: id, group: undefined }) }} panelClassName={tab === 'groups' ? 'overflow-auto' : 'flex flex-col'}>
        {tab === 'groups' ? <Groups source={source} onShow={(g) => { change({ tab: 'all', group: g.group, source: g.source }) }} /> : (
          <>
            {list.error && <div className="px-4 pb-2"><ErrorBox problem={problemOf(list.error)} onRetry={() => void list.refetch()} /></div>}
            <div className="relative flex min-h-0 min-w-0 grow">
              {list.isPending ? <SkeletonRows /> : (
                <Table name="rejected" label="Rejected events" columns={columns} ref={table} count={rows.length} rowAt={(i) => rows[i]} rowKey={(row) => row.id} chosen={at < 0 ? undefined : at}
                  onOpen={(i) => { show(rows[i]?.id) }} onSeen={(_from, to) => { if (to > rows.length - 20 && list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage() }}
                  empty={filtered ? <Empty icon="filter" title="Nothing matches">No rejected event has this source and reason.</Empty> : <Empty icon="check" title="Nothing was rejected">An event that breaks a rule is not lost: it is kept here with the reason, until you mend it and send it again.</Empty>} />
              )}
              {open && <RejectedDrawer key={open} id={open} onClose={() => { show(undefined); table.current?.focus() }} onNext={step(1)} onPrevious={step(-1)} />}
            </div>
          </>
        )}
      </Tabs>
    </View>
  )
}

function Reason({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [typed, setTyped] = useState(value)
  return (
    <form className="min-w-40 grow" onSubmit={(e) => { e.preventDefault(); onChange(typed.trim()) }}>
      <Input id="rejected-reason" label="Reason" hideLabel icon="search" placeholder="Part of the reason" value={typed} onChange={(e) => { setTyped(e.target.value); if (e.target.value === '') onChange('') }} onBlur={() => { if (typed.trim() !== value) onChange(typed.trim()) }} />
    </form>
  )
}
