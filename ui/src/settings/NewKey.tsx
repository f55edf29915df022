import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call, problemOf } from '@/api/client'
import { roles, type Role } from '@/api/permissions'
import { Button } from '@/design/Button'
import { Checkbox } from '@/design/Checkbox'
import { Dialog } from '@/design/Dialog'
import { ErrorBox } from '@/design/ErrorBox'
import { Input } from '@/design/Input'
import { Select } from '@/design/Select'
import { plural, sentence } from '@/format/format'
import { bodyOf, grantable, lasting, missingOf, roleGives, type Wanted } from './keys'
import { curlWith, TokenOnce } from './TokenOnce'

/** Asks what a new key is for and what it may do, and shows its token once. */
export function NewKey({ server, onClose, onMade }: { server: boolean; onClose: () => void; onMade: (id: string) => void }) {
  const [wanted, set] = useState<Wanted>({ name: '', role: 'viewer', picked: [], lasts: '90', until: '', all: false, server })
  const [now] = useState(Date.now)
  const client = useQueryClient()
  const change = (more: Partial<Wanted>) => { set({ ...wanted, ...more }); make.reset() }
  const make = useMutation({
    mutationFn: () => call(server ? 'create-server-key' : 'create-key', { body: bodyOf(wanted, Date.now()) }),
    // Its token is in nobody's memory once the dialog has closed.
    gcTime: 0,
    onSuccess: () => client.invalidateQueries({ queryKey: ['keys'] }),
  })
  const missing = missingOf(wanted, now)
  const made = make.data
  if (made) {
    const close = () => { onClose(); onMade(made.key.id) }
    return (
      <Dialog key="once" stays title={`The key ${made.key.name}`} onClose={close} actions={<Button look="main" onClick={close}>I have copied it</Button>}>
        <TokenOnce token={made.token} try={curlWith(location.origin, server)} />
      </Dialog>
    )
  }
  return (
    <Dialog wide title={server ? 'A new key of the server' : 'A new API key'} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="main" busy={make.isPending} disabled={missing !== undefined} onClick={() => { make.mutate() }}>Make the key</Button></>}>
      <form className="grid grid-cols-[minmax(0,1fr)] gap-4" onSubmit={(e) => { e.preventDefault(); if (missing === undefined) make.mutate() }}>
        <Input label="Name" value={wanted.name} maxLength={200} onChange={(e) => { change({ name: e.target.value }) }} placeholder="deploy from CI" hint="What it is for: whoever finds it in the list in a year knows what would stop." />
        <div className="grid gap-4 wide:grid-cols-2">
          <Select label="It may do" value={wanted.role} onValue={(role) => { change({ role: role as Role | '' }) }} options={[...roles.map((r) => ({ value: r, label: sentence(r) })), { value: '', label: 'What is picked below' }]} />
          <div className="grid gap-2">
            <Select label="It works" value={wanted.lasts} onValue={(lasts) => { change({ lasts }) }} options={lasting} />
            {wanted.lasts === 'day' && <Input label="The last day" type="date" value={wanted.until} min={new Date(now).toISOString().slice(0, 10)} onChange={(e) => { change({ until: e.target.value }) }} />}
          </div>
        </div>
        {!server && <Checkbox label="In all environments of the workspace" hint="Otherwise in this one alone." checked={wanted.all} onChecked={(all) => { change({ all, picked: wanted.picked.filter((p) => grantable(server, all).some((g) => g.name === p)) }) }} />}
        {wanted.role === '' ? <Pick wanted={wanted} onPick={(picked) => { change({ picked }) }} /> : <Given role={wanted.role} server={server} all={wanted.all} />}
        {make.error && <ErrorBox problem={problemOf(make.error)} />}
        <button type="submit" hidden />
      </form>
    </Dialog>
  )
}

/** What the role lets it do. */
function Given({ role, server, all }: { role: Role; server: boolean; all: boolean }) {
  const given = roleGives(role, server, all)
  return (
    <details className="rounded-outer bg-sunken px-3 py-2">
      <summary className="font-medium">{given.length === 0 ? `${sentence(role)} may do nothing here` : `${sentence(role)} has ${plural(given.length, 'permission')}`}</summary>
      <ul className="mt-2 grid gap-1">{given.map((p) => <li key={p.name} className="grid gap-x-3 wide:grid-cols-[150px_minmax(0,1fr)]"><code className="font-mono text-12">{p.name}</code><span className="text-12 text-soft">{p.lets}</span></li>)}</ul>
    </details>
  )
}

function Pick({ wanted, onPick }: { wanted: Wanted; onPick: (picked: string[]) => void }) {
  return (
    <fieldset className="grid gap-2">
      <legend className="mb-1 text-12 font-medium text-soft">Permissions</legend>
      {grantable(wanted.server, wanted.all).map((p) => (
        <Checkbox key={p.name} label={<code className="font-mono text-12">{p.name}</code>} hint={p.lets} checked={wanted.picked.includes(p.name)} onChecked={(on) => { onPick(on ? [...wanted.picked, p.name] : wanted.picked.filter((n) => n !== p.name)) }} />
      ))}
    </fieldset>
  )
}
