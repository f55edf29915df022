import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { call, problemOf } from '@/api/client'
import type { Problem } from '@/api/schema'
import { Button } from '@/design/Button'
import { CodeBlock } from '@/design/CodeBlock'
import { Dialog } from '@/design/Dialog'
import { ErrorBox } from '@/design/ErrorBox'
import { Input } from '@/design/Input'
import { fileText, nameOf, pathOf, problemOfName } from './saved'

interface NameProps { title: string; button: string; start: string; taken: string[]; busy: boolean; problem: unknown; onClose: () => void; onName: (name: string) => void }

function NameDialog({ title, button, start, taken, busy, problem, onClose, onName }: NameProps) {
  const [name, setName] = useState(start)
  const [tried, setTried] = useState(false)
  const wrong = problemOfName(name, taken)
  const submit = () => {
    setTried(true)
    if (wrong === undefined) onName(name.trim())
  }
  return (
    <Dialog title={title} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="main" busy={busy} onClick={submit}>{button}</Button></>}>
      <form className="grid gap-3" onSubmit={(e) => { e.preventDefault(); submit() }}>
        <Input label="Name" value={name} onChange={(e) => { setName(e.target.value) }} onFocus={(e) => { e.target.select() }} hint={<>A file of the project: <code className="font-mono">{pathOf(name.trim() || '…')}</code></>} problem={tried || taken.includes(name.trim()) ? wrong : undefined} />
        {problem !== null && problem !== undefined && <ErrorBox problem={problemOf(problem)} />}
      </form>
    </Dialog>
  )
}

/** Saves a text as a new query of the project. */
export function SaveAs({ sql, start, taken, onClose, onDone }: { sql: string; start: string; taken: string[]; onClose: () => void; onDone: (path: string, text: string, etag: string) => void }) {
  const text = fileText(sql)
  const save = useMutation({ mutationFn: (name: string) => call('save-file', { params: { path: pathOf(name) }, body: { text } }), onSuccess: (saved) => { onDone(saved.path, text, saved.etag) } })
  return <NameDialog title="Save the query" button="Save" start={start} taken={taken} busy={save.isPending} problem={save.error} onClose={onClose} onName={(name) => { save.mutate(name) }} />
}

/** Gives a saved query another name. */
export function Rename({ path, etag, taken, onClose, onDone }: { path: string; etag: string; taken: string[]; onClose: () => void; onDone: (to: string) => void }) {
  const rename = useMutation({ mutationFn: (name: string) => call('rename-file', { body: { from: path, to: pathOf(name), etag } }), onSuccess: (done) => { onDone(done.path) } })
  return <NameDialog title={`Rename ${nameOf(path)}`} button="Rename" start={nameOf(path)} taken={taken} busy={rename.isPending} problem={rename.error} onClose={onClose} onName={(name) => { rename.mutate(name) }} />
}

/** What to do when somebody else has saved the same query meanwhile. */
export function Conflicted({ path, conflict, onClose, onMine, onTheirs }: { path: string; conflict: NonNullable<Problem['conflict']>; onClose: () => void; onMine: () => void; onTheirs: () => void }) {
  const gone = conflict.etag === undefined || conflict.etag === ''
  return (
    <Dialog wide title={gone ? `${nameOf(path)} has been removed` : `${nameOf(path)} has changed meanwhile`} onClose={onClose}
      actions={<><Button look="quiet" onClick={onClose}>Go on editing</Button>{!gone && <Button onClick={onTheirs}>Take theirs</Button>}<Button look="main" onClick={onMine}>{gone ? 'Save it again' : 'Save mine over it'}</Button></>}>
      <div className="grid gap-3">
        <p>{gone ? 'Somebody else has removed the file of this query. Nothing is saved yet.' : 'Somebody else has saved this query since you opened it. Nothing is saved yet. This is what it says now:'}</p>
        {!gone && <CodeBlock code={conflict.text} label="What the file says now" />}
      </div>
    </Dialog>
  )
}
