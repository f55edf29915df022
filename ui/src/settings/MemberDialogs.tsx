import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call, problemOf } from '@/api/client'
import { roles as allRoles, type Role } from '@/api/permissions'
import { sessionQuery } from '@/api/queries'
import { Button } from '@/design/Button'
import { Checkbox } from '@/design/Checkbox'
import { Dialog } from '@/design/Dialog'
import { ErrorBox } from '@/design/ErrorBox'
import { Input } from '@/design/Input'
import { Select } from '@/design/Select'
import { toast } from '@/design/Toast'
import { sentence } from '@/format/format'
import { LinkOnce } from './LinkOnce'
import { aboutOperators, aboutRoles, operatorRoles, type MemberRoles } from './members'

export type Scope = 'workspace' | 'server'
interface Props { of: Scope; onClose: () => void }
interface OneProps extends Props { member: MemberRoles }

const rolesOf = (of: Scope): { value: Role; label: string }[] => (of === 'server' ? operatorRoles : [...allRoles]).map((role) => ({ value: role, label: sentence(role) }))
const aboutOf = (of: Scope, role: Role) => of === 'server' ? aboutOperators[role] : aboutRoles[role]
const daysOf = [{ value: '1', label: 'a day' }, { value: '7', label: '7 days' }, { value: '30', label: '30 days' }]
const where = (of: Scope) => of === 'server' ? 'on the server' : 'here'

/** Asks for whom an invitation is, and shows its link once. */
export function InviteDialog({ of, onClose }: Props) {
  const [email, setEmail] = useState('')
  const [role, setRole] = useState<Role>('viewer')
  const [days, setDays] = useState('7')
  const [alone, setAlone] = useState(false)
  const mails = useQuery(sessionQuery).data?.mail === true
  const [send, setSend] = useState(true)
  const client = useQueryClient()
  const invite = useMutation({
    mutationFn: () => {
      const body = { role, days: Number(days), ...(email.trim() ? { email: email.trim() } : {}), ...(mails && send && email.trim() ? { mail: true } : {}) }
      return of === 'server' ? call('invite-operator', { body }) : call('invite-member', { body: { ...body, ...(alone ? { this_environment: true } : {}) } })
    },
    gcTime: 0,
    onSuccess: () => client.invalidateQueries({ queryKey: ['members'] }),
  })
  if (invite.data) return <LinkOnce title="The invitation" link={invite.data.link} expires={invite.data.expires} about={invite.data.sent ? `It is on its way to ${email.trim()}, too.` : 'Give it to them in a way that only they can read.'} onClose={onClose} />
  return (
    <Dialog title={of === 'server' ? 'Invite someone to run the server' : 'Invite a member'} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="main" busy={invite.isPending} onClick={() => { invite.mutate() }}>Make the link</Button></>}>
      <form className="grid gap-4" onSubmit={(e) => { e.preventDefault(); if (!invite.isPending) invite.mutate() }}>
        <Input label="E-mail address" type="email" value={email} onChange={(e) => { setEmail(e.target.value) }} placeholder="grace@example.com" hint="Only who has it may accept. Without one, whoever has the link." />
        <div className="grid gap-4 wide:grid-cols-2">
          <Select label="Role" value={role} onValue={(r) => { setRole(r as Role) }} options={rolesOf(of)} hint={aboutOf(of, role)} />
          <Select label="It holds for" value={days} onValue={setDays} options={daysOf} />
        </div>
        {of === 'workspace' && <Checkbox label="In this environment alone" hint="Otherwise in all of the workspace." checked={alone} onChecked={setAlone} />}
        {mails && email.trim() !== '' && <Checkbox label="Send it to them by mail" checked={send} onChecked={setSend} />}
        {invite.error && <ErrorBox problem={problemOf(invite.error)} />}
        <button type="submit" hidden />
      </form>
    </Dialog>
  )
}

export function RoleDialog({ of, member, onClose }: OneProps) {
  const whole = member.roles.find((r) => r.environment === undefined)
  const [role, setRole] = useState<Role>((whole?.role ?? member.roles[0]?.role ?? 'viewer') as Role)
  const [alone, setAlone] = useState(whole === undefined)
  const client = useQueryClient()
  const params = { person: member.person }
  const set = useMutation({
    mutationFn: () => of === 'server'
      ? call('set-operator', { params, body: { role: role as 'owner' | 'admin' | 'viewer' } })
      : call('set-member', { params, body: { role, ...(alone ? { this_environment: true } : {}) } }),
    onSuccess: () => { toast(`${member.name} is ${role} ${where(of)} now`, { meaning: 'good' }); onClose() },
    onSettled: () => Promise.all([client.invalidateQueries({ queryKey: ['members'] }), client.invalidateQueries({ queryKey: sessionQuery.queryKey })]),
  })
  return (
    <Dialog title={`What may ${member.name} do?`} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="main" busy={set.isPending} onClick={() => { set.mutate() }}>Set the role</Button></>}>
      <form className="grid gap-4" onSubmit={(e) => { e.preventDefault(); set.mutate() }}>
        <Select label="Role" value={role} onValue={(r) => { setRole(r as Role) }} options={rolesOf(of)} hint={aboutOf(of, role)} />
        {of === 'workspace' && <Checkbox label="In this environment alone" hint="Besides what they may do in all of them." checked={alone} onChecked={setAlone} />}
        <p className="text-12 text-soft">It holds at once. Keys that they made can do no more than they.</p>
        {set.error && <ErrorBox problem={problemOf(set.error)} />}
      </form>
    </Dialog>
  )
}

export function RemoveDialog({ of, member, onClose }: OneProps) {
  const client = useQueryClient()
  const params = { person: member.person }
  const me = useQuery(sessionQuery).data?.person?.id === member.person
  const remove = useMutation({
    mutationFn: () => of === 'server' ? call('remove-operator', { params }) : call('remove-member', { params }),
    onSettled: () => Promise.all([client.invalidateQueries({ queryKey: ['members'] }), client.invalidateQueries({ queryKey: ['keys'] }), client.invalidateQueries({ queryKey: sessionQuery.queryKey })]),
  })
  if (remove.data) {
    return (
      <Dialog key="done" title={me ? 'You have left' : `${member.name} was removed`} onClose={onClose} actions={<Button look="main" onClick={onClose}>Good</Button>}>
        {remove.data.keys.length === 0 ? <p>No API key is concerned.</p> : <div className="grid gap-2"><p>{me ? 'You' : 'They'} answered for these API keys, which do nothing until someone rotates them:</p><ul className="list-disc pl-4">{remove.data.keys.map((k) => <li key={k} className="break-all">{k}</li>)}</ul></div>}
      </Dialog>
    )
  }
  return (
    <Dialog title={me ? 'Leave?' : `Remove ${member.name}?`} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="danger" busy={remove.isPending} onClick={() => { remove.mutate() }}>{me ? 'Leave' : 'Remove'}</Button></>}>
      <div className="grid gap-3">
        <p>{me ? 'You lose' : `${member.email} loses`} every role {where(of)} at once. The account itself stays. API keys that {me ? 'you' : 'they'} answer for stop, and can be rotated by somebody else.</p>
        {remove.error && <ErrorBox problem={problemOf(remove.error)} />}
      </div>
    </Dialog>
  )
}

/** Makes a link that sets somebody's password. */
export function ResetDialog({ person, name, byServer, onClose }: { person: string; name: string; byServer: boolean; onClose: () => void }) {
  const make = useMutation({ mutationFn: () => byServer ? call('create-person-reset', { params: { person } }) : call('create-member-reset', { params: { person } }), gcTime: 0 })
  if (make.data) return <LinkOnce title={`A new password for ${name}`} link={make.data.link} expires={make.data.expires} about="Give it to them in a way that only they can read." onClose={onClose} />
  return (
    <Dialog title={`A new password for ${name}?`} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="main" busy={make.isPending} onClick={() => { make.mutate() }}>Make the link</Button></>}>
      <div className="grid gap-3">
        <p>You get a link to give to them. Their password stays until they have used it; then all their sessions end.</p>
        {make.error && <ErrorBox problem={problemOf(make.error)} />}
      </div>
    </Dialog>
  )
}
