import { useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useRef, useState } from 'react'
import { curlOf, problemOf } from '@/api/client'
import { keysQuery } from '@/api/control'
import { useMay } from '@/api/may'
import { useRest } from '@/api/pages'
import type { APIKey } from '@/api/schema'
import { StateDot } from '@/design/Badge'
import { Button } from '@/design/Button'
import { copyAs } from '@/design/copyAs'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { IconButton } from '@/design/IconButton'
import { Input } from '@/design/Input'
import { useKeys } from '@/design/keys'
import { Menu } from '@/design/Menu'
import { useNow } from '@/design/now'
import { SkeletonRows } from '@/design/Skeleton'
import { Table, type Column, type TableHandle } from '@/design/Table'
import { Tabs } from '@/design/Tabs'
import { TimeText } from '@/design/TimeText'
import { View } from '@/design/View'
import { plural, sentence } from '@/format/format'
import { KeyDrawer } from './KeyDrawer'
import { NewKey } from './NewKey'
import { isFound, mayOf, stateOf, whereOf, works } from './keys'

const route = getRouteApi('/settings/keys')

const columns: Column<APIKey>[] = [
  { id: 'name', title: 'Name', width: 200, cell: (k) => <span className={k.revoked ? 'text-soft line-through' : 'font-medium'}>{k.name}</span>, text: (k) => k.name },
  { id: 'state', title: 'State', width: 124, cell: (k) => <State of={k} />, text: (k) => stateOf(k, Date.now()).word },
  { id: 'may', title: 'May do', width: 150, cell: (k) => k.role ? sentence(mayOf(k)) : <span className="font-mono">{mayOf(k)}</span>, text: mayOf },
  { id: 'where', title: 'Works in', width: 136, cell: (k) => k.server || k.all_environments ? sentence(whereOf(k)) : whereOf(k), text: whereOf },
  { id: 'used', title: 'Last used', width: 180, cell: (k) => k.last_used ? <><TimeText at={k.last_used} />{k.last_address && <span className="text-soft"> from {k.last_address}</span>}</> : <span className="text-faint">never</span>, text: (k) => k.last_used ?? '' },
  { id: 'expires', title: 'Expires', width: 80, cell: (k) => k.expires ? <TimeText at={k.expires} /> : <span className="text-faint">never</span>, text: (k) => k.expires ?? '' },
  { id: 'begins', title: 'Begins', width: 160, mono: true, cell: (k) => k.tokens[0]?.begins ?? '', text: (k) => k.tokens[0]?.begins ?? '' },
]

function State({ of }: { of: APIKey }) {
  const state = stateOf(of, useNow())
  return <StateDot meaning={state.meaning} hollow={state.hollow}>{state.word}</StateDot>
}

/** What programs ask with: keys of the workspace, and of the server as a whole. */
export default function Keys() {
  const { of = 'workspace', open, q = '' } = route.useSearch()
  const server = of === 'server'
  const navigate = route.useNavigate()
  const table = useRef<TableHandle>(null)
  const [making, make] = useState(false)
  const may = useMay()
  const manages = may(server ? 'server_key:manage' : 'key:manage')
  const list = useInfiniteQuery(keysQuery(server))
  const now = useNow()
  const all = list.data?.pages.flatMap((page) => page.keys) ?? []
  const keys = all.filter((key) => isFound(key, q))
  const at = keys.findIndex((key) => key.id === open)
  const chosen = keys[at]
  // What is looked for, or linked to, may stand on any page.
  const reading = useRest(list, q.trim() !== '' || (open !== undefined && at < 0))
  const show = (id: string | undefined) => { void navigate({ search: (before) => ({ ...before, open: id }), replace: open !== undefined && id !== undefined }) }
  const step = (by: number) => keys[at + by] && at >= 0 ? () => { show(keys[at + by]?.id); table.current?.reveal(at + by) } : undefined
  useKeys([...(manages ? [{ keys: 'n', label: 'New API key', group: 'API keys', run: () => { make(true) } }] : []), { keys: '/', label: 'Filter API keys', group: 'API keys', run: () => { document.getElementById('keys-filter')?.focus() } }])
  const refused = list.error && !list.data ? problemOf(list.error) : undefined
  const working = all.filter((k) => works(k, now)).length
  return (
    <View crumbs={[{ title: 'Settings', to: '/settings' }, { title: 'API keys' }]} state={list.data && `${plural(working, 'key that works', 'keys that work')}${list.hasNextPage ? ' and more' : ''}`}
      actions={<>{manages && <Button icon="plus" onClick={() => { make(true) }}>New key</Button>}<Menu label="More" button={<IconButton icon="more" label="More" />} items={copyAs({ curl: curlOf(server ? 'list-server-keys' : 'list-keys', {}, location.origin), command: `millrace key list${server ? ' --of-server' : ''}` })} /></>}>
      <Tabs label="Whose keys" className="grow" tabs={[...(may('key:read') || !server ? [{ id: 'workspace', label: 'Of the workspace' }] : []), ...(may('server_key:read') || server ? [{ id: 'server', label: 'Of the server' }] : [])]} chosen={of} onChoose={(id) => { void navigate({ search: { of: id === 'workspace' ? undefined : id, q: q || undefined }, replace: true }) }} panelClassName="flex flex-col">
        {refused ? <div className="p-4"><ErrorBox problem={refused} onRetry={() => void list.refetch()} /></div> : (
          <>
            {all.length > 0 && <div role="search" className="px-4 py-2"><Input id="keys-filter" label="Filter API keys" hideLabel icon="search" placeholder="Name, id, or how a token begins" className="max-w-90" value={q} onChange={(e) => { void navigate({ search: (before) => ({ ...before, q: e.target.value || undefined }), replace: true }) }} /></div>}
            <div className="relative flex min-h-0 min-w-0 grow">
              {list.isPending ? <div className="grow"><SkeletonRows /></div> : (
                <Table name="keys" label="API keys" columns={columns} ref={table} count={keys.length} rowAt={(i) => keys[i]} rowKey={(key) => key.id} chosen={at < 0 ? undefined : at} onOpen={(i) => { show(keys[i]?.id) }}
                  onSeen={(_from, to) => { if (to > keys.length - 20 && list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage() }}
                  empty={reading ? <SkeletonRows /> : all.length > 0 ? <Empty icon="filter" title="Nothing matches">No key has this name or id, or a token that begins so.</Empty> : <Empty icon="key" title={server ? 'The server has no API keys' : 'There are no API keys yet'} action={manages && <Button look="main" icon="plus" onClick={() => { make(true) }}>New key</Button>}>{server ? 'Keys of the server read its metrics, its log and its audit trail, for programs that watch over it. They do not see into workspaces.' : 'A program asks with a key of its own: a deployment, a notebook, a dashboard. It can do what the key may, until you revoke it. Sources have write keys of their own, which can only send.'}</Empty>} />
              )}
              {chosen && <KeyDrawer key={chosen.id} of={chosen} server={server} onClose={() => { show(undefined); table.current?.focus() }} onNext={step(1)} onPrevious={step(-1)} />}
            </div>
          </>
        )}
      </Tabs>
      {making && <NewKey server={server} onClose={() => { make(false) }} onMade={(id) => { show(id) }} />}
    </View>
  )
}
