import { useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useRef, useState } from 'react'
import { curlOf, problemOf } from '@/api/client'
import { vaultQuery } from '@/api/control'
import { useMay } from '@/api/may'
import { useRest } from '@/api/pages'
import type { SecretInfo } from '@/api/schema'
import { StateDot } from '@/design/Badge'
import { Button } from '@/design/Button'
import { copyAs } from '@/design/copyAs'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { IconButton } from '@/design/IconButton'
import { Input } from '@/design/Input'
import { useKeys } from '@/design/keys'
import { Menu } from '@/design/Menu'
import { SkeletonRows } from '@/design/Skeleton'
import { Table, type Column, type TableHandle } from '@/design/Table'
import { TimeText } from '@/design/TimeText'
import { View } from '@/design/View'
import { plural } from '@/format/format'
import { NewSecret, RekeySecrets } from './SecretDialogs'
import { SecretDrawer } from './SecretDrawer'
import { keyOf, usersOf } from './secrets'

const route = getRouteApi('/settings/secrets')

const columns: Column<SecretInfo>[] = [
  { id: 'path', title: 'Path', width: 240, mono: true, cell: (s) => <span className={s.deleted ? 'text-soft line-through' : ''}>{s.path}</span>, text: (s) => s.path },
  { id: 'where', title: 'Of', width: 150, cell: (s) => s.all_environments ? 'All environments' : 'This environment', text: (s) => s.all_environments ? 'all environments' : 'this environment' },
  { id: 'state', title: 'State', width: 150, cell: (s) => s.deleted ? <StateDot meaning="neutral" hollow>Deleted</StateDot> : s.resources.length === 0 ? <StateDot meaning="warning">Nobody may use it</StateDot> : <StateDot meaning="good">Version {s.version}</StateDot>, text: (s) => String(s.version) },
  { id: 'users', title: 'Who may use it', cell: (s) => <span className="font-mono" title={[...s.resources, ...s.hosts].join('\n')}>{usersOf(s)}</span>, text: usersOf },
  { id: 'changed', title: 'Changed', width: 110, cell: (s) => <TimeText at={s.changed} />, text: (s) => s.changed },
]

/** What sources and stores sign in with: never their values, unless somebody asks. */
export default function Secrets() {
  const { open, q = '' } = route.useSearch()
  const navigate = route.useNavigate()
  const table = useRef<TableHandle>(null)
  const [making, make] = useState(false)
  const [rekeying, rekey] = useState(false)
  const may = useMay()
  const list = useInfiniteQuery(vaultQuery)
  const all = list.data?.pages.flatMap((p) => p.secrets) ?? []
  const secrets = all.filter((s) => s.path.includes(q.trim().toLowerCase()))
  const at = secrets.findIndex((s) => keyOf(s) === open)
  const chosen = secrets[at]
  // What is looked for, or linked to, may stand on any page.
  const reading = useRest(list, q.trim() !== '' || (open !== undefined && at < 0))
  const show = (key: string | undefined) => { void navigate({ search: (before) => ({ ...before, open: key }), replace: open !== undefined && key !== undefined }) }
  const step = (by: number) => { const next = secrets[at + by]; return next && at >= 0 ? () => { show(keyOf(next)); table.current?.reveal(at + by) } : undefined }
  useKeys([...(may('secret:set') ? [{ keys: 'n', label: 'New secret', group: 'Secrets', run: () => { make(true) } }] : []), { keys: '/', label: 'Filter secrets', group: 'Secrets', run: () => { document.getElementById('secrets-filter')?.focus() } }])
  const button = may('secret:set') && <Button icon="plus" onClick={() => { make(true) }}>New secret</Button>
  return (
    <View crumbs={[{ title: 'Settings', to: '/settings' }, { title: 'Secrets' }]} state={list.data && `${plural(all.filter((s) => !s.deleted).length, 'secret')}${list.hasNextPage ? ' and more' : ''}`}
      actions={<>{button}<Menu label="More" button={<IconButton icon="more" label="More" />} items={[...copyAs({ curl: curlOf('list-secrets', {}, location.origin), command: 'millrace secret list' }), ...(may('secret:set') && all.length > 0 ? [{ kind: 'line' } as const, { label: 'Encrypt all anew', icon: 'refresh', onChoose: () => { rekey(true) } } as const] : [])]} /></>}>
      {list.error && !list.data ? <div className="p-4"><ErrorBox problem={problemOf(list.error)} onRetry={() => void list.refetch()} /></div> : (
        <>
          {all.length > 0 && <div role="search" className="px-4 py-2"><Input id="secrets-filter" label="Filter secrets" hideLabel icon="search" placeholder="Part of the path" className="max-w-90" value={q} onChange={(e) => { void navigate({ search: (before) => ({ ...before, q: e.target.value || undefined }), replace: true }) }} /></div>}
          <div className="relative flex min-h-0 min-w-0 grow">
            {list.isPending ? <div className="grow"><SkeletonRows /></div> : (
              <Table name="secrets" label="Secrets" columns={columns} ref={table} count={secrets.length} rowAt={(i) => secrets[i]} rowKey={keyOf} chosen={at < 0 ? undefined : at} onOpen={(i) => { const one = secrets[i]; if (one) show(keyOf(one)) }}
                onSeen={(_from, to) => { if (to > secrets.length - 20 && list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage() }}
                empty={reading ? <SkeletonRows /> : all.length > 0 ? <Empty icon="filter" title="Nothing matches">No secret has this in its path.</Empty>
                  : <Empty icon="lock" title="There are no secrets yet" action={may('secret:set') && <Button look="main" icon="plus" onClick={() => { make(true) }}>New secret</Button>}>Passwords and signing secrets are kept here, encrypted. A file of the project names one as <code className="font-mono">{'${secret:stripe/live_key}'}</code>; each says which sources and stores may use it, and to which hosts it may be sent.</Empty>} />
            )}
            {chosen && <SecretDrawer key={keyOf(chosen)} secret={chosen} onClose={() => { show(undefined); table.current?.focus() }} onNext={step(1)} onPrevious={step(-1)} />}
          </div>
        </>
      )}
      {rekeying && <RekeySecrets onClose={() => { rekey(false) }} />}
      {making && <NewSecret there={all} onClose={() => { make(false) }} onMade={(s) => { make(false); show(keyOf(s)) }} />}
    </View>
  )
}
