import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { problemOf, signIn, type ProblemError } from '@/api/client'
import { Button } from '@/design/Button'
import { ErrorBox } from '@/design/ErrorBox'
import { Input } from '@/design/Input'
import { sentence } from '@/format/format'

/** Asks for the admin token; the server answers with a cookie that scripts cannot read. */
export function Login({ onIn }: { onIn: () => void }) {
  const [token, setToken] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<ProblemError>()
  const client = useQueryClient()
  const submit = async () => {
    setBusy(true)
    setProblem(undefined)
    try {
      await signIn(token.trim())
      onIn()
      await client.resetQueries()
    } catch (thrown) {
      setProblem(problemOf(thrown))
    } finally {
      setBusy(false)
    }
  }
  return (
    <main className="grid h-full place-items-center bg-sunken p-4">
      <title>Sign in · Millrace</title>
      <form className="grid w-full max-w-90 gap-4 rounded-outer bg-surface p-6 shadow-float" onSubmit={(e) => { e.preventDefault(); void submit() }}>
        <div className="flex items-center gap-2.5"><img src="/favicon.svg" alt="" width={28} height={28} /><h1 className="text-20 font-semibold">Millrace</h1></div>
        <input type="text" name="username" autoComplete="username" defaultValue="admin" className="sr-only" tabIndex={-1} aria-hidden="true" />
        {/* There is nothing else to do here. */}
        {/* eslint-disable-next-line jsx-a11y/no-autofocus */}
        <Input autoFocus label="Admin token" type="password" autoComplete="current-password" required value={token} onChange={(e) => { setToken(e.target.value) }} hint={<>What <code className="font-mono">MILLRACE_ADMIN_TOKEN</code>, or the file of <code className="font-mono whitespace-nowrap">--admin-token-file</code>, held when the server started</>} mono />
        {problem && <ErrorBox problem={problem.status === 401 ? { title: 'This token does not open it', detail: sentence(problem.detail), request_id: problem.request_id } : problem} />}
        <Button look="main" type="submit" busy={busy} disabled={token.trim() === ''}>Sign in</Button>
      </form>
    </main>
  )
}
