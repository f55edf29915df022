import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call, problemOf } from '@/api/client'
import { invitationsQuery, membersQuery } from '@/api/control'
import { useMay } from '@/api/may'
import { useRest } from '@/api/pages'
import { sessionQuery } from '@/api/queries'
import type { Invitation } from '@/api/schema'
import { useNames } from '@/api/workspaces'
import { Badge, StateDot, type Meaning } from '@/design/Badge'
import { Button } from '@/design/Button'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { IconButton } from '@/design/IconButton'
import { Input } from '@/design/Input'
import { useKeys } from '@/design/keys'
import { Menu } from '@/design/Menu'
import { SkeletonRows } from '@/design/Skeleton'
import { TimeText } from '@/design/TimeText'
import { toast } from '@/design/Toast'
import { byPerson, type MemberRoles } from './members'
import { RemoveDialog, ResetDialog, RoleDialog, type Scope } from './MemberDialogs'

const row = 'flex min-h-12 items-center gap-x-3 border-b border-line/60 px-4 py-1.5'
// What follows the name stands below it where there is no space beside it.
const parts = 'flex min-w-0 grow flex-wrap items-center gap-x-3 gap-y-0.5'

/** A role, and where it is one. */
function RoleBadge({ role, environment }: { role: string; environment?: string }) {
  const names = useNames()
  return <Badge meaning={role === 'owner' ? 'accent' : 'neutral'}>{role}{environment && ` in ${names.environment(environment) ?? 'one environment'}`}</Badge>
}

/** Who has a role, with what to do about it. */
export function MemberList({ of, onInvite }: { of: Scope; onInvite: () => void }) {
  const list = useInfiniteQuery(membersQuery(of))
  const session = useQuery(sessionQuery).data
  const may = useMay()
  const manages = may(of === 'server' ? 'operator:manage' : 'member:manage')
  const [asked, ask] = useState<{ member: MemberRoles; what: 'role' | 'remove' | 'reset' }>()
  const [typed, setTyped] = useState('')
  const reading = useRest(list, typed.trim() !== '')
  useKeys([{ keys: '/', label: 'Filter members', group: 'Members', run: () => { document.getElementById('members-filter')?.focus() } }])
  if (list.error && !list.data) return <div className="p-4"><ErrorBox problem={problemOf(list.error)} onRetry={() => void list.refetch()} /></div>
  if (!list.data) return <SkeletonRows />
  const members = byPerson(list.data.pages.flatMap((p) => p.members))
  const close = () => { ask(undefined) }
  if (members.length === 0) {
    return <Empty icon="people" title={of === 'server' ? 'Nobody has a role on the server' : 'There are no members yet'} action={manages && <Button look="main" icon="plus" onClick={onInvite}>Invite</Button>}>
      {session?.kind === 'local' ? 'On this machine, millrace dev asks nobody who they are. Members are for a server that others reach, with millrace serve.' : of === 'server' ? 'Who runs the server needs one: for its log, backups and workspaces.' : 'Invite the people who work with this data, each with the role that they need.'}
    </Empty>
  }
  const shown = members.filter((m) => `${m.name} ${m.email}`.toLowerCase().includes(typed.trim().toLowerCase()))
  return (
    <>
      {members.length > 1 && <div role="search" className="px-4 py-2"><Input id="members-filter" label="Filter members" hideLabel icon="search" placeholder="Name or address" className="max-w-90" value={typed} onChange={(e) => { setTyped(e.target.value) }} /></div>}
      <ul>
        {shown.map((m) => {
          const me = session?.person?.id === m.person
          return (
            <li key={m.person} className={row}><div className={parts}>
              <div className="min-w-0 grow basis-56"><div className="flex items-center gap-2"><span className="truncate font-medium">{m.name}</span>{me && <Badge>you</Badge>}{m.suspended && <Badge meaning="bad">suspended</Badge>}</div><div className="truncate text-12 text-soft">{m.email}</div></div>
              <div className="flex flex-wrap gap-1">{m.roles.map((r) => <RoleBadge key={`${r.role} ${r.environment ?? ''}`} {...r} />)}</div>
              <span className="w-28 text-right text-12 text-soft max-wide:hidden">since <TimeText at={m.since} /></span></div>
              {!manages && !me ? <span className="w-8 max-wide:hidden" /> : <Menu label={`What may be done with ${m.name}`} button={<IconButton icon="more" label={`What may be done with ${m.name}`} />} items={[
                ...(manages ? [{ label: 'Change role', icon: 'people', onChoose: () => { ask({ member: m, what: 'role' }) } } as const] : []),
                ...(manages && !me ? [{ label: 'Link for a new password', icon: 'link', onChoose: () => { ask({ member: m, what: 'reset' }) } } as const] : []),
                ...(manages ? [{ kind: 'line' } as const] : []),
                { label: me ? 'Leave' : 'Remove', icon: 'leave', danger: true, onChoose: () => { ask({ member: m, what: 'remove' }) } },
              ]} />}
            </li>
          )
        })}
      </ul>
      {shown.length === 0 && !reading && <p className="px-4 py-2 text-soft">Nobody here has this name or address.</p>}
      {reading ? <SkeletonRows rows={2} /> : list.hasNextPage && <div className="p-4"><Button busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>Show more</Button></div>}
      {asked?.what === 'role' && <RoleDialog of={of} member={asked.member} onClose={close} />}
      {asked?.what === 'remove' && <RemoveDialog of={of} member={asked.member} onClose={close} />}
      {asked?.what === 'reset' && <ResetDialog person={asked.member.person} name={asked.member.name} byServer={of === 'server'} onClose={close} />}
    </>
  )
}

const states: Record<Invitation['state'], [string, Meaning, boolean]> = { open: ['Open', 'info', false], accepted: ['Accepted', 'good', false], revoked: ['Taken back', 'neutral', true], expired: ['Expired', 'neutral', true] }

/** Who was invited, and what became of it. */
export function InvitationList({ of, onInvite }: { of: Scope; onInvite: () => void }) {
  const list = useInfiniteQuery(invitationsQuery(of))
  const client = useQueryClient()
  const revoke = useMutation({
    mutationFn: (id: string) => of === 'server' ? call('revoke-operator-invitation', { params: { id } }) : call('revoke-invitation', { params: { id } }),
    onSuccess: () => { toast('The invitation was taken back', { meaning: 'good' }) },
    onError: (thrown) => { toast(problemOf(thrown).detail, { meaning: 'bad' }) },
    onSettled: () => client.invalidateQueries({ queryKey: ['members', 'invitations'] }),
  })
  if (list.error && !list.data) return <div className="p-4"><ErrorBox problem={problemOf(list.error)} onRetry={() => void list.refetch()} /></div>
  if (!list.data) return <SkeletonRows />
  const all = list.data.pages.flatMap((p) => p.invitations)
  if (all.length === 0) return <Empty icon="link" title="Nobody was invited lately" action={<Button look="main" icon="plus" onClick={onInvite}>Invite</Button>}>An invitation is a link that works once. It is listed here until a month after it is over.</Empty>
  return (
    <>
      <ul>
        {all.map((i) => {
          const [word, meaning, hollow] = states[i.state]
          return (
            <li key={i.id} className={row}><div className={parts}>
              <div className="min-w-0 grow basis-56"><span className="block truncate font-medium">{i.email ?? 'Whoever has the link'}</span><span className="text-12 text-soft">made{i.maker_name && ` by ${i.maker_name}`} <TimeText at={i.created} />{i.state === 'open' && <>, ends <TimeText at={i.expires} /></>}</span></div>
              <RoleBadge role={i.role} environment={i.environment} />
              <span className="w-28"><StateDot meaning={meaning} hollow={hollow}>{word}</StateDot></span></div>
              <span className="w-24 shrink-0 text-right">{i.state === 'open' && <Button small look="quiet" busy={revoke.isPending && revoke.variables === i.id} onClick={() => { revoke.mutate(i.id) }}>Take back</Button>}</span>
            </li>
          )
        })}
      </ul>
      {list.hasNextPage && <div className="p-4"><Button busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>Show more</Button></div>}
    </>
  )
}
