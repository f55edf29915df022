import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call, problemOf, tellSignedOut } from '@/api/client'
import { profileQuery, sessionsQuery } from '@/api/control'
import { sessionQuery } from '@/api/queries'
import type { Person, ProfileSession } from '@/api/schema'
import { useNames } from '@/api/workspaces'
import { Badge } from '@/design/Badge'
import { Button } from '@/design/Button'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { Input } from '@/design/Input'
import { PasswordInput } from '@/design/PasswordInput'
import { SkeletonRows } from '@/design/Skeleton'
import { TimeText } from '@/design/TimeText'
import { toast } from '@/design/Toast'
import { Facts, Part, View } from '@/design/View'
import { plural, sentence } from '@/format/format'
import { browserOf } from './members'

// What opens in place of a button takes the keyboard over from it, and gives it back.
/* eslint-disable jsx-a11y/no-autofocus */

/** What one says of oneself, and where one is signed in. */
export default function Profile() {
  const session = useQuery(sessionQuery).data
  const profile = useQuery({ ...profileQuery, enabled: session?.person !== undefined })
  const names = useNames()
  const crumbs = [{ title: 'Settings', to: '/settings' }, { title: 'Profile' }]
  if (session && !session.person) return <View crumbs={crumbs}><Empty icon="user" title="Nobody is signed in by name">{session.kind === 'local' ? 'On this machine, millrace dev asks nobody who they are. Profiles are for a server that others reach, with millrace serve.' : 'You came with the admin token, and no person is behind it. Invite yourself under Members, and sign in with your own account.'}</Empty></View>
  if (profile.error && !profile.data) return <View crumbs={crumbs}><div className="p-4"><ErrorBox problem={problemOf(profile.error)} onRetry={() => void profile.refetch()} /></div></View>
  if (!profile.data) return <View crumbs={crumbs}><SkeletonRows /></View>
  return (
    <View crumbs={crumbs} scroll>
      <div className="grid max-w-160 grid-cols-[minmax(0,1fr)] gap-8 p-4">
        <Name key={profile.data.name} person={profile.data} />
        <Email person={profile.data} mail={session?.mail === true} />
        <Password person={profile.data} />
        <Sessions />
        <Part title="Your roles">
          <Facts facts={(session?.roles ?? []).map((r) => [sentence(r.role ?? 'Some permissions'), r.server ? 'on the server' : `in ${r.workspace_name ?? names.workspace(r.workspace ?? '') ?? 'a workspace'}, ${r.environment ? names.environment(r.environment) ?? 'one environment' : 'all environments'}`])} />
        </Part>
        <Removal person={profile.data} />
      </div>
    </View>
  )
}

function Name({ person }: { person: Person }) {
  const [name, setName] = useState(person.name)
  const client = useQueryClient()
  const save = useMutation({
    mutationFn: () => call('change-profile', { body: { name: name.trim() } }),
    onSuccess: (saved) => { client.setQueryData(profileQuery.queryKey, saved); toast('Your name was saved', { meaning: 'good' }) },
    onSettled: () => Promise.all([client.invalidateQueries({ queryKey: sessionQuery.queryKey }), client.invalidateQueries({ queryKey: ['members'] })]),
  })
  const changed = name.trim() !== person.name && name.trim() !== ''
  return (
    <Part title="Name">
      <form className="grid gap-3" onSubmit={(e) => { e.preventDefault(); if (changed && !save.isPending) save.mutate() }}>
        <div className="flex items-end gap-2"><Input className="grow" label="Your name" hideLabel autoComplete="name" maxLength={200} value={name} onChange={(e) => { setName(e.target.value) }} /><Button type="submit" disabled={!changed} busy={save.isPending}>Save</Button></div>
        {save.error && <ErrorBox problem={problemOf(save.error)} />}
      </form>
    </Part>
  )
}

function Email({ person, mail }: { person: Person; mail: boolean }) {
  const [open, show] = useState<boolean>() // false: it was closed, and the button has the keyboard again
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const change = useMutation({ mutationFn: () => call('change-email', { body: { email: email.trim(), password } }), gcTime: 0, onSuccess: () => { setPassword(''); show(false) } })
  return (
    <Part title="E-mail address" actions={mail && !open && <Button small autoFocus={open === false} onClick={() => { show(true); change.reset() }}>Change</Button>}>
      <p className="break-all">{person.email}</p>
      {!mail && <p className="mt-1 text-12 text-soft">You sign in with it. To change it, ask an owner of the server: this server sends no mail that could confirm another.</p>}
      {change.isSuccess && !open && <p role="status" className="mt-2 rounded-outer bg-good-tint px-3 py-2">A link is on its way to {email.trim()}. Your address changes when it is opened.</p>}
      {open && (
        <form className="mt-2 grid gap-3" onSubmit={(e) => { e.preventDefault(); if (!change.isPending) change.mutate() }}>
          <Input autoFocus label="New address" type="email" autoComplete="email" required value={email} onChange={(e) => { setEmail(e.target.value) }} hint="A link is sent to it. Your address changes when it is opened, and the one before is told." />
          <PasswordInput label="Your password" autoComplete="current-password" required value={password} onChange={(e) => { setPassword(e.target.value) }} />
          {change.error && <ErrorBox problem={problemOf(change.error)} />}
          <div className="flex gap-2"><Button type="submit" look="main" busy={change.isPending} disabled={email.trim() === '' || password === ''}>Send the link</Button><Button look="quiet" onClick={() => { show(false) }}>Cancel</Button></div>
        </form>
      )}
    </Part>
  )
}

const least = 15

function Password({ person }: { person: Person }) {
  const [open, show] = useState<boolean>() // false: it was closed, and the button has the keyboard again
  const [current, setCurrent] = useState('')
  const [next, setNext] = useState('')
  const client = useQueryClient()
  const change = useMutation({
    mutationFn: () => call('change-password', { body: { current, new: next } }), gcTime: 0,
    onSuccess: (session) => {
      client.setQueryData(sessionQuery.queryKey, session)
      setCurrent(''); setNext(''); show(false)
      toast('Your password was changed; your other sessions have ended', { meaning: 'good' })
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['profile'] }),
  })
  const short = next !== '' && [...next].length < least
  return (
    <Part title="Password" actions={!open && <Button small autoFocus={open === false} onClick={() => { show(true); change.reset() }}>Change</Button>}>
      <p className="text-soft">{person.password_set ? <>Set <TimeText at={person.password_set} /></> : 'Not set'}</p>
      {open && (
        <form className="mt-2 grid gap-3" onSubmit={(e) => { e.preventDefault(); if (!change.isPending) change.mutate() }}>
          <input type="text" name="username" autoComplete="username" defaultValue={person.email} className="sr-only" tabIndex={-1} aria-hidden="true" />
          <PasswordInput autoFocus label="Current password" autoComplete="current-password" required value={current} onChange={(e) => { setCurrent(e.target.value) }} />
          <PasswordInput label="New password" autoComplete="new-password" required value={next} onChange={(e) => { setNext(e.target.value) }} problem={short ? `It has ${[...next].length} of at least ${least} characters` : undefined} hint="At least 15 characters. Your other sessions end." />
          {change.error && <ErrorBox problem={problemOf(change.error)} />}
          <div className="flex gap-2"><Button type="submit" look="main" busy={change.isPending} disabled={current === '' || next === '' || short}>Change password</Button><Button look="quiet" onClick={() => { show(false) }}>Cancel</Button></div>
        </form>
      )}
    </Part>
  )
}

function Removal({ person }: { person: Person }) {
  const [open, show] = useState<boolean>() // false: it was closed, and the button has the keyboard again
  const [password, setPassword] = useState('')
  const client = useQueryClient()
  const remove = useMutation({
    mutationFn: () => call('delete-account', { body: { password } }), gcTime: 0,
    onSuccess: (session) => { setPassword(''); tellSignedOut('removed'); client.setQueryData(sessionQuery.queryKey, session) },
  })
  return (
    <Part title="Your account" actions={!open && <Button small autoFocus={open === false} onClick={() => { show(true); remove.reset() }}>Remove</Button>}>
      {!open ? <p className="text-soft">Removing it ends your sessions and your keys, for good.</p> : (
        <form className="mt-2 grid gap-3" onSubmit={(e) => { e.preventDefault(); if (!remove.isPending) remove.mutate() }}>
          <p>Your sessions end, your keys are revoked and your roles are gone, for good. What you did stays in the audit trail.</p>
          <input type="text" name="username" autoComplete="username" defaultValue={person.email} className="sr-only" tabIndex={-1} aria-hidden="true" />
          <PasswordInput autoFocus label="Your password" autoComplete="current-password" required value={password} onChange={(e) => { setPassword(e.target.value) }} />
          {remove.error && <ErrorBox problem={problemOf(remove.error)} />}
          <div className="flex gap-2"><Button type="submit" look="danger" busy={remove.isPending} disabled={password === ''}>Remove my account</Button><Button look="quiet" onClick={() => { show(false) }}>Cancel</Button></div>
        </form>
      )}
    </Part>
  )
}

function Sessions() {
  const { data, error, refetch } = useQuery(sessionsQuery)
  const client = useQueryClient()
  const again = () => client.invalidateQueries({ queryKey: sessionsQuery.queryKey })
  const failed = (thrown: unknown) => { toast(problemOf(thrown).detail, { meaning: 'bad' }) }
  const end = useMutation({ mutationFn: (id: string) => call('end-one-session', { params: { id } }), onError: failed, onSuccess: () => { toast('The session has ended', { meaning: 'good' }) }, onSettled: again })
  const others = useMutation({ mutationFn: () => call('end-other-sessions', {}), onError: failed, onSuccess: () => { toast('All other sessions have ended', { meaning: 'good' }) }, onSettled: again })
  const sessions = data?.sessions ?? []
  return (
    <Part title="Sessions" actions={sessions.length > 1 && <Button small busy={others.isPending} onClick={() => { others.mutate() }}>End the other {plural(sessions.length - 1, 'session')}</Button>}>
      {error && !data ? <ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /> : !data ? <SkeletonRows rows={2} /> : (
        <ul className="border-t border-line/60">{sessions.map((s) => <One key={s.id} session={s} ending={end.isPending && end.variables === s.id} onEnd={() => { end.mutate(s.id) }} />)}</ul>
      )}
    </Part>
  )
}

function One({ session: s, ending, onEnd }: { session: ProfileSession; ending: boolean; onEnd: () => void }) {
  return (
    <li className="flex min-h-12 flex-wrap items-center gap-x-3 border-b border-line/60 py-1.5">
      <div className="min-w-0 grow">
        <div className="flex items-center gap-2"><span className="truncate font-medium" title={s.agent}>{browserOf(s.agent)}</span>{s.current && <Badge meaning="good">this one</Badge>}</div>
        <div className="text-12 text-soft">{s.address && <><code className="font-mono">{s.address}</code> · </>}seen <TimeText at={s.seen} /> · signed in <TimeText at={s.created} /></div>
      </div>
      {!s.current && <Button small look="quiet" busy={ending} onClick={onEnd}>End</Button>}
    </li>
  )
}
