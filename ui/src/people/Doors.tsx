import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { call, problemOf } from '@/api/client'
import type { Session } from '@/api/schema'
import { Button } from '@/design/Button'
import { ErrorBox } from '@/design/ErrorBox'
import { Input } from '@/design/Input'
import { PasswordInput } from '@/design/PasswordInput'
import { SkeletonRows } from '@/design/Skeleton'
import { TimeText } from '@/design/TimeText'
import { sentence } from '@/format/format'
import { Door, Home } from './Door'
import SignIn from './SignIn'
import { passwordProblem } from './words'

export interface DoorProps { token: string; session: Session; onIn: (session: Session) => void; onSignedIn: (session: Session) => void }

/** What is said when the link has no token, such as after a reload: it is in no address any more. */
function NoToken({ title, again }: { title: string; again: string }) {
  return <Door title={title} about={<p>This page has lost its link: the part that lets you in is taken out of the address at once, so a reload does not find it again. {again}</p>} footer={<Home />} />
}

function told(thrown: unknown) {
  const problem = problemOf(thrown)
  return { title: problem.title, detail: `${sentence(problem.detail)}.`, request_id: problem.request_id, errors: problem.errors }
}

interface Person { name: string; email: string; password: string }

/** Name, address and password of a new account. */
function PersonForm({ verb, email = '', busy, error, onSend }: { verb: string; email?: string; busy: boolean; error: unknown; onSend: (person: Person) => void }) {
  const [person, set] = useState<Person>({ name: '', email, password: '' })
  const [tried, setTried] = useState(false)
  const wrong = passwordProblem(person.password)
  const ready = person.name.trim() !== '' && person.email.trim() !== '' && wrong === undefined
  return (
    <form className="grid gap-4" onSubmit={(e) => { e.preventDefault(); setTried(true); if (ready && !busy) onSend({ name: person.name.trim(), email: person.email.trim(), password: person.password }) }}>
      {/* eslint-disable-next-line jsx-a11y/no-autofocus */}
      <Input autoFocus label="Your name" autoComplete="name" required maxLength={200} value={person.name} onChange={(e) => { set({ ...person, name: e.target.value }) }} hint="As others see it." />
      <Input label="E-mail address" type="email" autoComplete="username" required readOnly={email !== ''} value={person.email} onChange={(e) => { set({ ...person, email: e.target.value }) }} hint={email ? 'The invitation is for this address.' : 'You sign in with it.'} />
      <PasswordInput label="Password" autoComplete="new-password" required value={person.password} problem={tried ? wrong : undefined} onChange={(e) => { set({ ...person, password: e.target.value }) }} hint="At least 15 characters: four words that have nothing to do with each other are good, or what your browser makes." />
      {error ? <ErrorBox problem={told(error)} /> : null}
      <Button look="main" type="submit" busy={busy}>{verb}</Button>
    </form>
  )
}

/** The first owner of a server, by the link that it printed. */
export function SetUp({ token, onIn }: DoorProps) {
  const set = useMutation({ mutationFn: (person: Person) => call('complete-setup', { body: { token, ...person } }), onSuccess: onIn, gcTime: 0 })
  if (token === '') return <NoToken title="Set up this server" again="Open the link in the server’s terminal again; when it was used, sign in." />
  return (
    <Door title="Set up this server" about="Nobody owns it yet: you will. There is no other password, and whoever has the link could do this, so it works once." footer="More people come by invitation, under Settings, Members.">
      <PersonForm verb="Make my account" busy={set.isPending} error={set.error} onSend={(person) => { set.mutate(person) }} />
    </Door>
  )
}

/** Somebody was invited: to a workspace, or to run the server. */
export function Invited({ token, session, onIn, onSignedIn }: DoorProps) {
  const [other, another] = useState(false)
  const open = useQuery({ queryKey: ['invitation', token], queryFn: ({ signal }) => call('open-invitation', { body: { token } }, signal), enabled: token !== '', gcTime: 0, retry: false })
  const accept = useMutation({ mutationFn: (person?: Person) => call('accept-invitation', { body: { token, ...person } }), onSuccess: onIn, gcTime: 0 })
  if (token === '') return <NoToken title="An invitation" again="Open the link that you were given again." />
  if (open.error) return <Door title="An invitation" footer={<Home />}><ErrorBox problem={told(open.error)} onRetry={problemOf(open.error).kind === 'unreachable' ? () => void open.refetch() : undefined} /></Door>
  if (!open.data) return <Door title="An invitation"><SkeletonRows rows={3} /></Door>
  const { server, role, email, account, expires, workspace_title: workspace, environment_name: environment } = open.data
  const to = workspace && <>to work in <strong className="font-semibold break-words text-ink" dir="auto">{workspace}</strong>{environment && <>, in its environment <strong className="font-semibold text-ink">{environment}</strong> alone,</>}</>
  const about = <p>You are invited {server ? 'to run this server' : to || 'to work here'} as <strong className="font-semibold text-ink">{role}</strong>{email && <> with the address <strong className="font-semibold break-all text-ink">{email}</strong></>}. The invitation ends <TimeText at={expires} />.</p>
  const me = session.person
  const notMe = me !== undefined && email !== undefined && me.email.toLowerCase() !== email.toLowerCase()
  if (notMe && !other) {
    return (
      <Door title="An invitation" about={<>{about}<p className="mt-2">You are signed in as {me.name}, with another address: it cannot be accepted so.</p></>}>
        <Button look="main" onClick={() => { another(true) }}>{account ? 'Sign in with that address' : 'Go on with that address'}</Button>
      </Door>
    )
  }
  if (me && !other) {
    return (
      <Door title="An invitation" about={about} footer={<button type="button" className="rounded-inner text-accent-text underline underline-offset-2" onClick={() => { another(true) }}>I am not {me.name}</button>}>
        {accept.error && <ErrorBox problem={told(accept.error)} />}
        <Button look="main" busy={accept.isPending} onClick={() => { accept.mutate(undefined) }}>Accept as {me.name}</Button>
      </Door>
    )
  }
  if (account || (other && !notMe)) return <SignIn session={session} ended={false} onIn={(s) => { another(false); onSignedIn(s) }} />
  return (
    <Door title="An invitation" about={about} footer={<button type="button" className="rounded-inner text-accent-text underline underline-offset-2" onClick={() => { another(true) }}>I have an account here</button>}>
      <PersonForm verb="Make my account" email={email} busy={accept.isPending} error={accept.error} onSend={(person) => { accept.mutate(person) }} />
    </Door>
  )
}

/** A new password, by the link that somebody made or that was sent. */
export function Reset({ token, onIn }: DoorProps) {
  const [password, setPassword] = useState('')
  const [tried, setTried] = useState(false)
  const reset = useMutation({ mutationFn: () => call('reset-password', { body: { token, password } }), onSuccess: onIn, gcTime: 0 })
  const wrong = passwordProblem(password)
  if (token === '') return <NoToken title="A new password" again="Open the link again, or ask for a new one." />
  return (
    <Door title="A new password" about="It takes the place of the one before, and ends all sessions of your account.">
      <form className="grid gap-4" onSubmit={(e) => { e.preventDefault(); setTried(true); if (wrong === undefined && !reset.isPending) reset.mutate() }}>
        {/* eslint-disable-next-line jsx-a11y/no-autofocus */}
        <PasswordInput autoFocus label="New password" autoComplete="new-password" required value={password} problem={tried ? wrong : undefined} onChange={(e) => { setPassword(e.target.value) }} hint="At least 15 characters: four words that have nothing to do with each other are good, or what your browser makes." />
        {reset.error && <ErrorBox problem={told(reset.error)} />}
        <Button look="main" type="submit" busy={reset.isPending}>Set it and sign in</Button>
      </form>
    </Door>
  )
}

/** A new e-mail address, by the link that was sent to it. */
export function ConfirmEmail({ token }: DoorProps) {
  const confirm = useMutation({ mutationFn: () => call('confirm-email', { body: { token } }), gcTime: 0 })
  if (token === '') return <NoToken title="Your e-mail address" again="Open the link in the mail again." />
  if (confirm.isSuccess) return <Door title="Your e-mail address" about="It is changed: you sign in with the new one from now on. Your other sessions have ended." footer={<Home>Go on</Home>} />
  return (
    <Door title="Your e-mail address" about="Your account gets the address that this link was sent to. You sign in with it from then on, and your other sessions end.">
      {confirm.error && <ErrorBox problem={told(confirm.error)} />}
      <Button look="main" busy={confirm.isPending} onClick={() => { confirm.mutate() }}>Confirm it</Button>
    </Door>
  )
}
