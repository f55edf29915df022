import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'
import { call, problemOf } from '@/api/client'
import { statusQuery } from '@/api/queries'
import type { SecretInfo, SecretVersion } from '@/api/schema'
import { Button, type Look } from '@/design/Button'
import { Checkbox } from '@/design/Checkbox'
import { Dialog } from '@/design/Dialog'
import { ErrorBox } from '@/design/ErrorBox'
import { Input } from '@/design/Input'
import { Lines } from '@/design/Lines'
import { PasswordInput } from '@/design/PasswordInput'
import { toast } from '@/design/Toast'
import { plural } from '@/format/format'
import { linesOf, nameOf, pathProblem } from './secrets'

/** A value, hidden while it is typed; several lines, such as a key in PEM, are not. */
function Value({ value, onValue }: { value: string; onValue: (value: string) => void }) {
  const [several, setSeveral] = useState(false)
  return (
    <div className="grid gap-2">
      {several ? <Lines label="Value" mono rows={6} value={value} onValue={onValue} /> : <PasswordInput label="Value" mono autoComplete="off" value={value} onChange={(e) => { onValue(e.target.value) }} />}
      <Checkbox label="It has several lines" checked={several} onChecked={setSeveral} />
    </div>
  )
}

/** Who may use a secret, and where it may be sent. */
function Users({ resources, hosts, onResources, onHosts }: { resources: string; hosts: string; onResources: (text: string) => void; onHosts: (text: string) => void }) {
  const sources = useQuery(statusQuery).data?.sources.map((s) => `sources/${s.name}`) ?? []
  const offered = [...sources, 'sources/*', 'warehouse', 'archive'].filter((r) => !linesOf(resources).includes(r)).slice(0, 8)
  return (
    <div className="grid gap-3">
      <Lines label="May be used by" mono rows={2} value={resources} onValue={onResources} placeholder="sources/github" hint="Sources, warehouse or archive, one in a line; * is everything." />
      {offered.length > 0 && <div className="flex flex-wrap gap-1">{offered.map((r) => <Button key={r} small onClick={() => { onResources(resources.trim() ? `${resources.trim()}\n${r}` : r) }}>{r}</Button>)}</div>}
      <Lines label="May be sent to" mono rows={2} value={hosts} onValue={onHosts} placeholder="db.example.com:5432" hint="Hosts, one in a line, with a port or any; *.example.com is all below. None, when it never leaves the server, as that of a webhook’s signature." />
    </div>
  )
}

export function NewSecret({ there, onClose, onMade }: { there: SecretInfo[]; onClose: () => void; onMade: (made: { path: string; all_environments: boolean }) => void }) {
  const [path, setPath] = useState('')
  const [value, setValue] = useState('')
  const [all, setAll] = useState(false)
  const [resources, setResources] = useState('')
  const [hosts, setHosts] = useState('')
  const [note, setNote] = useState('')
  const client = useQueryClient()
  const make = useMutation({
    mutationFn: () => call('set-secret', { body: { ...nameOf({ path, all_environments: all }), value, resources: linesOf(resources), hosts: linesOf(hosts), ...(note.trim() ? { note: note.trim() } : {}) } }),
    gcTime: 0,
    onSuccess: async () => { await client.invalidateQueries({ queryKey: ['secrets'] }); toast(`${path} was set`, { meaning: 'good' }); onMade({ path, all_environments: all }) },
  })
  const problem = pathProblem(path, all, there)
  const ready = path !== '' && value !== '' && problem === undefined
  return (
    <Dialog wide title="A new secret" onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="main" disabled={!ready} busy={make.isPending} onClick={() => { make.mutate() }}>Set it</Button></>}>
      <form className="grid gap-4" onSubmit={(e) => { e.preventDefault(); if (ready && !make.isPending) make.mutate() }}>
        <Input label="Path" mono value={path} problem={problem} maxLength={200} onChange={(e) => { setPath(e.target.value.trim().toLowerCase()) }} placeholder="stripe/live_key" hint={<>Files of the project name it as <code className="font-mono">{`\${secret:${path || 'stripe/live_key'}}`}</code></>} />
        <Value value={value} onValue={setValue} />
        <Users resources={resources} hosts={hosts} onResources={setResources} onHosts={setHosts} />
        <Input label="Note" value={note} maxLength={1000} onChange={(e) => { setNote(e.target.value) }} hint="For people: where it comes from, whom to ask." />
        <Checkbox label="Of all environments" hint="Those that have none of their own under this path use it. Otherwise it is this environment’s." checked={all} onChecked={setAll} />
        {make.error && <ErrorBox problem={problemOf(make.error)} />}
        <button type="submit" hidden />
      </form>
    </Dialog>
  )
}

interface OneProps { secret: SecretInfo; onClose: () => void }

/** A new value makes a new version, which is the current one at once. */
export function RotateSecret({ secret, onClose }: OneProps) {
  const [value, setValue] = useState('')
  const client = useQueryClient()
  const set = useMutation({
    mutationFn: () => call('set-secret', { body: { ...nameOf(secret), value, existing: true } }), gcTime: 0,
    onSuccess: (made) => { toast(`${secret.path} is at version ${made.version}`, { meaning: 'good' }); onClose() },
    onSettled: () => client.invalidateQueries({ queryKey: ['secrets'] }),
  })
  return (
    <Dialog title={`A new value of ${secret.path}`} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="main" disabled={value === ''} busy={set.isPending} onClick={() => { set.mutate() }}>Set it</Button></>}>
      <form className="grid gap-3" onSubmit={(e) => { e.preventDefault(); if (value !== '' && !set.isPending) set.mutate() }}>
        <p>It becomes version {secret.versions + 1}, and what runs uses it at once. The one before stays, and can be rolled back to.</p>
        <Value value={value} onValue={setValue} />
        {set.error && <ErrorBox problem={problemOf(set.error)} />}
      </form>
    </Dialog>
  )
}

export function AllowSecret({ secret, onClose }: OneProps) {
  const [resources, setResources] = useState(secret.resources.join('\n'))
  const [hosts, setHosts] = useState(secret.hosts.join('\n'))
  const client = useQueryClient()
  const more = [...linesOf(resources).filter((r) => !secret.resources.includes(r)), ...linesOf(hosts).filter((h) => !secret.hosts.includes(h))]
  const less = [...secret.resources.filter((r) => !linesOf(resources).includes(r)), ...secret.hosts.filter((h) => !linesOf(hosts).includes(h))]
  const allow = useMutation({
    mutationFn: () => call('allow-secret', { body: { ...nameOf(secret), resources: linesOf(resources), hosts: linesOf(hosts) } }),
    onSuccess: () => { toast(`Who may use ${secret.path} was saved`, { meaning: 'good' }); onClose() },
    onSettled: () => client.invalidateQueries({ queryKey: ['secrets'] }),
  })
  return (
    <Dialog title={`Who may use ${secret.path}?`} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="main" disabled={more.length + less.length === 0} busy={allow.isPending} onClick={() => { allow.mutate() }}>Save</Button></>}>
      <div className="grid gap-3">
        <Users resources={resources} hosts={hosts} onResources={setResources} onHosts={setHosts} />
        {more.length > 0 && <p className="rounded-outer bg-warning-tint px-3 py-2">New: <code className="font-mono text-12 break-all">{more.join(', ')}</code>. Whoever can change these can have the value sent where they say.</p>}
        {less.length > 0 && <p className="rounded-outer bg-info-tint px-3 py-2">No more: <code className="font-mono text-12 break-all">{less.join(', ')}</code>. What uses it there now stops.</p>}
        {allow.error && <ErrorBox problem={problemOf(allow.error)} />}
      </div>
    </Dialog>
  )
}

/** Asks before all values are encrypted anew. */
export function RekeySecrets({ onClose }: { onClose: () => void }) {
  const rekey = useMutation({
    mutationFn: () => call('rekey-secrets', {}),
    onSuccess: ({ values }) => { toast(`${plural(values, 'value was', 'values were')} encrypted anew`, { meaning: 'good' }); onClose() },
  })
  return (
    <Dialog title="Encrypt all values anew?" onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="main" busy={rekey.isPending} onClick={() => { rekey.mutate() }}>Encrypt them anew</Button></>}>
      <div className="grid gap-3">
        <p>The workspace gets a new key, and every version of every secret is encrypted under it, in all environments; the old key is destroyed. No value changes, and what uses them goes on.</p>
        <p className="text-soft">Do it when someone may have had the old key, such as with a stolen disk. Set new values, too: what was read stays read.</p>
        {rekey.error && <ErrorBox problem={problemOf(rekey.error)} />}
      </div>
    </Dialog>
  )
}

export type SecretAct = { what: 'delete' | 'restore' } | { what: 'rollback' | 'destroy'; version: SecretVersion }

/** Asks before a secret is deleted or restored, rolled back, or a version of it destroyed. */
export function ConfirmSecret({ secret, act, onClose }: OneProps & { act: SecretAct }) {
  const client = useQueryClient()
  const doing = useMutation({
    mutationFn: () => {
      const name = nameOf(secret)
      switch (act.what) {
        case 'delete': return call('delete-secret', { params: name })
        case 'restore': return call('restore-secret', { body: name })
        case 'rollback': return call('rollback-secret', { body: { ...name, version: act.version.version } })
        case 'destroy': return call('destroy-secret-version', { body: { ...name, version: act.version.version } })
      }
    },
    onSuccess: () => { toast(textOf(secret, act).done, { meaning: 'good' }); onClose() },
    onSettled: () => client.invalidateQueries({ queryKey: ['secrets'] }),
  })
  const text = textOf(secret, act)
  return (
    <Dialog title={text.title} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look={text.look} busy={doing.isPending} onClick={() => { doing.mutate() }}>{text.verb}</Button></>}>
      <div className="grid gap-3"><p>{text.about}</p>{doing.error && <ErrorBox problem={problemOf(doing.error)} />}</div>
    </Dialog>
  )
}

function textOf(secret: SecretInfo, act: SecretAct): { title: string; verb: string; done: string; about: ReactNode; look: Look } {
  switch (act.what) {
    case 'delete': return { title: `Delete ${secret.path}?`, verb: 'Delete it', done: `${secret.path} was deleted`, look: 'danger', about: 'What refers to it does not start any more. It can be restored for 30 days; then its values are gone for good.' }
    case 'restore': return { title: `Restore ${secret.path}?`, verb: 'Restore it', done: `${secret.path} is back`, look: 'main', about: 'It is as it was: its versions, and who may use it.' }
    case 'rollback': return { title: `Back to version ${act.version.version}?`, verb: 'Roll back', done: `${secret.path} is at version ${act.version.version}`, look: 'main', about: <>Version {act.version.version}, which {act.version.actor} set, is the current one again, and what runs uses it at once. Version {secret.version} stays.</> }
    case 'destroy': return { title: `Destroy version ${act.version.version}?`, verb: 'Destroy it', done: `Version ${act.version.version} of ${secret.path} is gone`, look: 'danger', about: 'Its value is gone for good, and cannot be rolled back to: such as one that leaked and was replaced.' }
  }
}
