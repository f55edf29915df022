import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call, problemOf } from '@/api/client'
import { environmentsQuery, releasesQuery } from '@/api/control'
import { useMay } from '@/api/may'
import { sessionQuery } from '@/api/queries'
import type { Environment, Workspace } from '@/api/schema'
import { Badge, StateDot } from '@/design/Badge'
import { Button, type Look } from '@/design/Button'
import { CodeBlock } from '@/design/CodeBlock'
import { Dialog } from '@/design/Dialog'
import { ErrorBox } from '@/design/ErrorBox'
import { IconButton } from '@/design/IconButton'
import { Input } from '@/design/Input'
import { useKeys } from '@/design/keys'
import { Menu } from '@/design/Menu'
import { SkeletonRows } from '@/design/Skeleton'
import { TimeText } from '@/design/TimeText'
import { toast } from '@/design/Toast'
import { View } from '@/design/View'
import { useZone } from '@/design/zone'
import { minute, plural } from '@/format/format'
import { deletedUntil } from './workspaces'

type Act = 'rename' | 'main' | 'delete' | 'undelete'

/** The environments of the workspace, each with data, keys, secrets and a version of its own. */
export default function Environments() {
  const { data, error, refetch } = useQuery(environmentsQuery)
  // millrace dev has no versions.
  const served = useQuery(sessionQuery).data?.mode === 'serve'
  const releases = useInfiniteQuery({ ...releasesQuery, enabled: served }).data?.pages.flatMap((p) => p.releases) ?? []
  const may = useMay()
  const zone = useZone()
  const manages = may('environment:manage')
  const [making, make] = useState(false)
  const [asked, ask] = useState<{ environment: Environment; act: Act }>()
  useKeys(manages ? [{ keys: 'n', label: 'New environment', group: 'Environments', run: () => { make(true) } }] : [])
  const crumbs = [{ title: 'Settings', to: '/settings' }, { title: 'Environments' }]
  if (error && !data) return <View crumbs={crumbs}><div className="p-4"><ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /></div></View>
  if (!data) return <View crumbs={crumbs}><SkeletonRows /></View>
  const { workspace, here } = data
  return (
    <View crumbs={crumbs} scroll state={plural(workspace.environments.length, 'environment')} actions={manages && <Button icon="plus" onClick={() => { make(true) }}>New environment</Button>}>
      <ul>
        {workspace.environments.map((e) => {
          const runs = releases.find((r) => r.runs_in.includes(e.space) || r.runs_in.includes(e.name))
          return (
            <li key={e.space} className="flex min-h-12 items-center gap-x-3 border-b border-line/60 px-4 py-1.5"><div className="flex min-w-0 grow flex-wrap items-center gap-x-4 gap-y-0.5">
              <div className="min-w-0 grow basis-56"><div className="flex items-center gap-2"><span className="truncate font-medium">{e.name}</span>{e.main && <Badge meaning="accent">default</Badge>}{e.space === here && <Badge>this one</Badge>}</div><div className="truncate text-12 text-soft"><code className="font-mono">{e.address}</code> · made <TimeText at={e.created} /></div></div>
              {runs ? <span className="text-12 text-soft">version {runs.number}</span> : releases.length > 0 && e.state === 'active' && <span className="text-12 text-soft">nothing deployed yet</span>}
              <State environment={e} />
              {e.state === 'deleted' && e.purge_after && <p className="w-full pb-1 text-12 text-soft">It can be had back until {minute(Date.parse(e.purge_after), zone)}; then it is deleted for good.</p>}
              {e.problem && <p className="w-full pb-1 break-words text-bad-text">{e.problem}</p>}
              </div>
              {manages && <Menu label={`What may be done with ${e.name}`} button={<IconButton icon="more" label={`What may be done with ${e.name}`} />} items={e.state === 'active' ? [
                { label: 'Rename', icon: 'file', onChoose: () => { ask({ environment: e, act: 'rename' }) } },
                { label: 'Make it the default', icon: 'check', disabled: e.main, onChoose: () => { ask({ environment: e, act: 'main' }) } },
                { kind: 'line' },
                { label: 'Delete', icon: 'cross', danger: true, disabled: e.main, onChoose: () => { ask({ environment: e, act: 'delete' }) } },
              ] : [{ label: 'Have it back', icon: 'history', disabled: e.state !== 'deleted', onChoose: () => { ask({ environment: e, act: 'undelete' }) } }]} />}
            </li>
          )
        })}
      </ul>
      <section className="grid max-w-160 gap-2 p-4">
        <h2 className="text-13 font-semibold">Bringing a version from one to another</h2>
        <p className="text-soft">What was tried in one environment runs in another under the same number. Settings that differ stand under <code className="font-mono">environments</code> in <code className="font-mono">millrace.yaml</code>.</p>
        <CodeBlock code="millrace release promote 41 --to production" />
      </section>
      {making && <Make workspace={workspace} onClose={() => { make(false) }} />}
      {asked && <Change workspace={workspace} environment={asked.environment} act={asked.act} onClose={() => { ask(undefined) }} />}
    </View>
  )
}

function State({ environment: e }: { environment: Environment }) {
  switch (e.state) {
    case 'active': return <StateDot meaning="good">Active</StateDot>
    case 'deleted': return <StateDot meaning="neutral" hollow>Deleted</StateDot>
    case 'purging': return <StateDot meaning="warning">Being deleted for good</StateDot>
  }
}

const nameProblem = (name: string, there: Environment[]): string | undefined => {
  if (name === '') return undefined
  if (!/^[a-z][a-z0-9-]{1,29}$/.test(name)) return '2 to 30 small letters, digits and -, beginning with a letter'
  return there.some((e) => e.name === name) ? 'There is one of this name' : undefined
}

function Make({ workspace, onClose }: { workspace: Workspace; onClose: () => void }) {
  const [name, setName] = useState('')
  const client = useQueryClient()
  const make = useMutation({
    mutationFn: () => call('create-environment', { params: { workspace: workspace.id }, body: { name } }),
    onSuccess: () => { toast(`The environment ${name} is there`, { meaning: 'good' }); onClose() },
    onSettled: () => Promise.all([client.invalidateQueries({ queryKey: ['environments'] }), client.invalidateQueries({ queryKey: ['workspaces'] })]),
  })
  const problem = nameProblem(name, workspace.environments)
  const ready = name !== '' && problem === undefined
  return (
    <Dialog title="A new environment" onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="main" disabled={!ready} busy={make.isPending} onClick={() => { make.mutate() }}>Make it</Button></>}>
      <form className="grid gap-3" onSubmit={(e) => { e.preventDefault(); if (ready && !make.isPending) make.mutate() }}>
        <p>It has data, keys and secrets of its own. Nothing runs in it before a version is deployed there.</p>
        <Input label="Name" mono value={name} problem={problem} maxLength={30} onChange={(e) => { setName(e.target.value.trim().toLowerCase()) }} placeholder="staging" hint={<>Its address will be <code className="font-mono">{workspace.name}@{name || 'staging'}</code></>} />
        {make.error && <ErrorBox problem={problemOf(make.error)} />}
      </form>
    </Dialog>
  )
}

const texts: Record<Act, { title: (name: string) => string; verb: string; done: string; about: string; look: Look }> = {
  rename: { title: (n) => `Rename ${n}?`, verb: 'Rename it', done: 'has another name', look: 'main', about: 'Links and programs that use the old name stop working: change them to the new one.' },
  main: { title: (n) => `Make ${n} the default?`, verb: 'Make it the default', done: 'is the default', look: 'main', about: 'The workspace’s name alone means it from then on. Data, keys and secrets stay where they are.' },
  delete: { title: (n) => `Delete ${n}?`, verb: 'Delete it', done: 'is deleted', look: 'danger', about: 'It stops at once. For 7 days you can have it back; then it is deleted for good, with all its data.' },
  undelete: { title: (n) => `Have ${n} back?`, verb: 'Have it back', done: 'is back', look: 'main', about: 'It is as it was, and goes on at once.' },
}

function Change({ workspace, environment, act, onClose }: { workspace: Workspace; environment: Environment; act: Act; onClose: () => void }) {
  const [typed, setTyped] = useState(act === 'rename' ? environment.name : '')
  const client = useQueryClient()
  const zone = useZone()
  const text = texts[act]
  const params = { workspace: workspace.id, environment: environment.space }
  const change = useMutation({
    mutationFn: () => {
      switch (act) {
        case 'rename': return call('change-environment', { params, body: { name: typed } })
        case 'main': return call('change-environment', { params, body: { main: true } })
        case 'delete': return call('delete-environment', { params })
        case 'undelete': return call('undelete-environment', { params })
      }
    },
    onSuccess: (now) => { toast(act === 'delete' ? deletedUntil(environment.name, now.environments.find((e) => e.space === environment.space)?.purge_after, zone) : `${environment.name} ${text.done}`, { meaning: 'good' }); onClose() },
    onSettled: () => Promise.all([client.invalidateQueries({ queryKey: ['environments'] }), client.invalidateQueries({ queryKey: ['workspaces'] })]),
  })
  const problem = act === 'rename' && typed !== environment.name ? nameProblem(typed, workspace.environments) : undefined
  const sure = act === 'rename' ? typed !== '' && typed !== environment.name && problem === undefined : act !== 'delete' || typed === environment.name
  return (
    <Dialog title={text.title(environment.name)} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look={text.look} disabled={!sure} busy={change.isPending} onClick={() => { change.mutate() }}>{text.verb}</Button></>}>
      <form className="grid gap-3" onSubmit={(e) => { e.preventDefault(); if (sure && !change.isPending) change.mutate() }}>
        <p>{text.about}</p>
        {act === 'rename' && <Input label="New name" mono value={typed} problem={problem} maxLength={30} onChange={(e) => { setTyped(e.target.value.trim().toLowerCase()) }} />}
        {act === 'delete' && <Input label={`Type ${environment.name} to go on`} value={typed} onChange={(e) => { setTyped(e.target.value.trim()) }} />}
        {change.error && <ErrorBox problem={problemOf(change.error)} />}
      </form>
    </Dialog>
  )
}
