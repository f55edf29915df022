import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import { call, problemOf } from '@/api/client'
import { peopleQuery } from '@/api/control'
import { useMay } from '@/api/may'
import { useRest } from '@/api/pages'
import { sessionQuery } from '@/api/queries'
import type { Person } from '@/api/schema'
import { Badge } from '@/design/Badge'
import { Button } from '@/design/Button'
import { Dialog } from '@/design/Dialog'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { IconButton } from '@/design/IconButton'
import { Input } from '@/design/Input'
import { useKeys } from '@/design/keys'
import { Menu } from '@/design/Menu'
import { SkeletonRows } from '@/design/Skeleton'
import { Tabs } from '@/design/Tabs'
import { TimeText } from '@/design/TimeText'
import { toast } from '@/design/Toast'
import { View } from '@/design/View'
import { InviteDialog, ResetDialog } from './MemberDialogs'
import { InvitationList, MemberList } from './MemberList'
import { Roles } from './Roles'

const route = getRouteApi('/settings/people')

/** Who runs the server, and all accounts on it. */
export default function People() {
  const may = useMay()
  const { tab = may('operator:read') ? 'operators' : 'accounts' } = route.useSearch()
  const navigate = route.useNavigate()
  const [inviting, invite] = useState(false)
  const open = () => { invite(true) }
  useKeys(may('operator:manage') ? [{ keys: 'n', label: 'Invite someone to run the server', group: 'People', run: open }] : [])
  const tabs = [
    ...(may('operator:read') ? [{ id: 'operators', label: 'Who runs it' }] : []), ...(may('operator:manage') ? [{ id: 'invitations', label: 'Invitations' }] : []),
    ...(may('person:read') ? [{ id: 'accounts', label: 'All accounts' }] : []), { id: 'roles', label: 'What roles may do' },
  ]
  return (
    <View crumbs={[{ title: 'Settings', to: '/settings' }, { title: 'People' }]} actions={may('operator:manage') && <Button icon="plus" onClick={open}>Invite</Button>}>
      <Tabs label="Views of people" className="grow" tabs={tabs} chosen={tab} onChoose={(id) => { void navigate({ search: { tab: id }, replace: true }) }} panelClassName="overflow-auto">
        {tab === 'roles' ? <Roles of="server" /> : tab === 'accounts' ? <Accounts /> : tab === 'invitations' ? <InvitationList of="server" onInvite={open} /> : <MemberList of="server" onInvite={open} />}
      </Tabs>
      {inviting && <InviteDialog of="server" onClose={() => { invite(false) }} />}
    </View>
  )
}

function Accounts() {
  const list = useInfiniteQuery(peopleQuery)
  const me = useQuery(sessionQuery).data?.person?.id
  const may = useMay()
  const manages = may('person:manage')
  const [typed, setTyped] = useState('')
  const [asked, ask] = useState<{ person: Person; what: 'suspend' | 'resume' | 'delete' | 'reset' }>()
  const reading = useRest(list, typed.trim() !== '')
  if (list.error && !list.data) return <div className="p-4"><ErrorBox problem={problemOf(list.error)} onRetry={() => void list.refetch()} /></div>
  if (!list.data) return <SkeletonRows />
  const all = list.data.pages.flatMap((p) => p.people)
  const shown = all.filter((p) => `${p.name} ${p.email}`.toLowerCase().includes(typed.trim().toLowerCase()))
  if (all.length === 0) return <Empty icon="people" title="There are no accounts yet">The first comes by the link that the server prints, or with millrace owner create; others by invitation.</Empty>
  return (
    <>
      <div className="px-4 py-2"><Input label="Filter accounts" hideLabel icon="search" placeholder="Name or address" className="max-w-90" value={typed} onChange={(e) => { setTyped(e.target.value) }} /></div>
      <ul>
        {shown.map((p) => (
          <li key={p.id} className="flex min-h-12 items-center gap-x-3 border-b border-line/60 px-4 py-1.5"><div className="flex min-w-0 grow flex-wrap items-center gap-x-3 gap-y-0.5">
            <div className="min-w-0 grow basis-56"><div className="flex items-center gap-2"><span className="truncate font-medium">{p.name}</span>{p.id === me && <Badge>you</Badge>}{p.suspended && <Badge meaning="bad">suspended</Badge>}</div><div className="truncate text-12 text-soft">{p.email}</div></div>
            <span className="text-12 text-soft">made <TimeText at={p.created} /></span></div>
            {manages && p.id !== me ? <Menu label={`What may be done with ${p.name}`} button={<IconButton icon="more" label={`What may be done with ${p.name}`} />} items={[
              { label: 'Link for a new password', icon: 'link', onChoose: () => { ask({ person: p, what: 'reset' }) } },
              p.suspended ? { label: 'Let them in again', icon: 'play', onChoose: () => { ask({ person: p, what: 'resume' }) } } : { label: 'Suspend', icon: 'pause', onChoose: () => { ask({ person: p, what: 'suspend' }) } },
              { kind: 'line' },
              { label: 'Delete', icon: 'cross', danger: true, onChoose: () => { ask({ person: p, what: 'delete' }) } },
            ]} /> : <span className="w-8 shrink-0" />}
          </li>
        ))}
      </ul>
      {shown.length === 0 && !reading && <p className="px-4 py-2 text-soft">Nobody has this name or address.</p>}
      {reading ? <SkeletonRows rows={2} /> : list.hasNextPage && <div className="p-4"><Button busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>Show more</Button></div>}
      {asked?.what === 'reset' && <ResetDialog person={asked.person.id} name={asked.person.name} byServer onClose={() => { ask(undefined) }} />}
      {asked && asked.what !== 'reset' && <Act person={asked.person} what={asked.what} onClose={() => { ask(undefined) }} />}
    </>
  )
}

const texts = {
  suspend: { title: 'Suspend', verb: 'Suspend', done: 'is suspended', about: 'They are signed out and cannot sign in, and their API keys do nothing, until they are let in again. Nothing of theirs is lost.' },
  resume: { title: 'Let in again:', verb: 'Let them in', done: 'may sign in again', about: 'They may sign in with their password, and their API keys work again.' },
  delete: { title: 'Delete', verb: 'Delete the account', done: 'was deleted', about: 'They lose all their roles, in every workspace, and the account is gone. API keys that they answer for are revoked. What they did stays in the audit trail.' },
} as const

function Act({ person, what, onClose }: { person: Person; what: keyof typeof texts; onClose: () => void }) {
  const [typed, setTyped] = useState('')
  const client = useQueryClient()
  const text = texts[what]
  const params = { person: person.id }
  const act = useMutation({
    mutationFn: () => what === 'delete' ? call('delete-person', { params }) : call('change-person', { params, body: { suspended: what === 'suspend' } }),
    onSuccess: () => { toast(`${person.name} ${text.done}`, { meaning: 'good' }); onClose() },
    onSettled: () => Promise.all([client.invalidateQueries({ queryKey: ['people'] }), client.invalidateQueries({ queryKey: ['members'] })]),
  })
  const sure = what !== 'delete' || typed.trim() === person.email
  return (
    <Dialog title={`${text.title} ${person.name}?`} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look={what === 'resume' ? 'main' : 'danger'} disabled={!sure} busy={act.isPending} onClick={() => { act.mutate() }}>{text.verb}</Button></>}>
      <form className="grid gap-3" onSubmit={(e) => { e.preventDefault(); if (sure && !act.isPending) act.mutate() }}>
        <p>{text.about}</p>
        {what === 'delete' && <Input label={`Type ${person.email} to go on`} value={typed} onChange={(e) => { setTyped(e.target.value) }} />}
        {act.error && <ErrorBox problem={problemOf(act.error)} />}
      </form>
    </Dialog>
  )
}
