import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { call, problemOf } from '@/api/client'
import type { Session } from '@/api/schema'
import { Button } from '@/design/Button'
import { CodeBlock } from '@/design/CodeBlock'
import { ErrorBox } from '@/design/ErrorBox'
import { Input } from '@/design/Input'
import { PasswordInput } from '@/design/PasswordInput'
import { sentence } from '@/format/format'
import { Door } from './Door'

interface Props { session: Session; ended: boolean; removed?: boolean; onIn: (session: Session) => void }

const link = 'rounded-inner text-accent-text underline underline-offset-2'

/** Asks who one is: with e-mail address and password, or with the admin token of a server that has one. */
export default function SignIn({ session, ended, removed = false, onIn }: Props) {
  const [way, take] = useState<'password' | 'token' | 'forgotten'>(session.login === 'token' && session.setup_needed ? 'token' : 'password')
  if (way === 'forgotten') return <Forgotten mail={session.mail} onBack={() => { take('password') }} />
  return (
    <Door title={removed ? 'Your account is removed' : ended ? 'Sign in again' : 'Sign in'} about={removed ? 'Its sessions have ended, its keys are revoked and its roles are gone. Who has another account can sign in with that.' : ended ? 'The session has ended. You will be back where you were.' : undefined}
      footer={<div className="grid grid-cols-[minmax(0,1fr)] gap-2">
        {session.setup_needed && <div><p className="mb-1">Nobody owns this server yet. Open the link that it printed when it started; or, on its own machine:</p><CodeBlock label="Command" wrap code="millrace owner create --email you@example.com" /></div>}
        <div className="flex flex-wrap gap-x-4">
          {way === 'password' && <button type="button" className={link} onClick={() => { take('forgotten') }}>I forgot my password</button>}
          {session.login === 'token' && <button type="button" className={link} onClick={() => { take(way === 'token' ? 'password' : 'token') }}>{way === 'token' ? 'With a password instead' : 'With the admin token instead'}</button>}
        </div>
      </div>}>
      {way === 'token' ? <WithToken onIn={onIn} /> : <WithPassword onIn={onIn} />}
    </Door>
  )
}

/** refused says that what was given does not open it. */
function refused(thrown: unknown, title: string) {
  const problem = problemOf(thrown)
  return problem.status === 401 ? { title, detail: `${sentence(problem.detail)}.`, request_id: problem.request_id } : { ...problem, title: problem.title, detail: sentence(problem.detail) }
}

function WithPassword({ onIn }: { onIn: (session: Session) => void }) {
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const sign = useMutation({ mutationFn: () => call('start-session', { body: { email: email.trim(), password } }), onSuccess: onIn, gcTime: 0 })
  return (
    <form className="grid gap-4" onSubmit={(e) => { e.preventDefault(); if (!sign.isPending) sign.mutate() }}>
      {/* There is nothing else to do here. */}
      {/* eslint-disable-next-line jsx-a11y/no-autofocus */}
      <Input autoFocus label="E-mail address" type="email" name="username" autoComplete="username" required value={email} onChange={(e) => { setEmail(e.target.value) }} />
      <PasswordInput label="Password" name="password" autoComplete="current-password" required value={password} onChange={(e) => { setPassword(e.target.value) }} />
      {sign.error && <ErrorBox problem={refused(sign.error, 'You are not signed in')} />}
      <Button look="main" type="submit" busy={sign.isPending} disabled={email.trim() === '' || password === ''}>Sign in</Button>
    </form>
  )
}

function WithToken({ onIn }: { onIn: (session: Session) => void }) {
  const [token, setToken] = useState('')
  const sign = useMutation({ mutationFn: () => call('start-session', { body: { token: token.trim() } }), onSuccess: onIn, gcTime: 0 })
  return (
    <form className="grid gap-4" onSubmit={(e) => { e.preventDefault(); if (!sign.isPending) sign.mutate() }}>
      <input type="text" name="username" autoComplete="username" defaultValue="admin" className="sr-only" tabIndex={-1} aria-hidden="true" />
      {/* eslint-disable-next-line jsx-a11y/no-autofocus */}
      <Input autoFocus label="Admin token" type="password" autoComplete="current-password" required value={token} onChange={(e) => { setToken(e.target.value) }} hint={<>What <code className="font-mono">MILLRACE_ADMIN_TOKEN</code>, or the file of <code className="font-mono whitespace-nowrap">--admin-token-file</code>, held when the server started</>} mono />
      {sign.error && <ErrorBox problem={refused(sign.error, 'You are not signed in')} />}
      <Button look="main" type="submit" busy={sign.isPending} disabled={token.trim() === ''}>Sign in</Button>
    </form>
  )
}

function Forgotten({ mail, onBack }: { mail: boolean; onBack: () => void }) {
  const [email, setEmail] = useState('')
  const ask = useMutation({ mutationFn: () => call('request-password-reset', { body: { email: email.trim() } }) })
  const back = <button type="button" className={link} onClick={onBack}>Back to the sign-in</button>
  if (!mail) return <Door title="A new password" footer={back} about={<div className="grid grid-cols-[minmax(0,1fr)] gap-2"><p>This server sends no mail. Ask someone who manages the members of your workspace for a link that sets a new password. If you run the server yourself, make one on its machine:</p><CodeBlock label="Command" wrap code="millrace owner recover --email you@example.com" /></div>} />
  if (ask.isSuccess) return <Door title="Look into your mail" footer={back} about={`If there is an account with the address ${email.trim()}, a link that sets a new password is on its way. It works once, and not for long.`} />
  return (
    <Door title="A new password" footer={back} about="A link that sets a new password is sent to the address of your account.">
      <form className="grid gap-4" onSubmit={(e) => { e.preventDefault(); if (!ask.isPending) ask.mutate() }}>
        {/* eslint-disable-next-line jsx-a11y/no-autofocus */}
        <Input autoFocus label="E-mail address" type="email" autoComplete="username" required value={email} onChange={(e) => { setEmail(e.target.value) }} />
        {ask.error && <ErrorBox problem={refused(ask.error, 'That did not work')} />}
        <Button look="main" type="submit" busy={ask.isPending} disabled={email.trim() === ''}>Send the link</Button>
      </form>
    </Door>
  )
}
