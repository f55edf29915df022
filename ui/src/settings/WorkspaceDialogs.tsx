import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'
import { call, problemOf } from '@/api/client'
import { sessionQuery } from '@/api/queries'
import type { Quotas, Workspace } from '@/api/schema'
import { usageQuery } from '@/api/workspaces'
import { Button, type Look } from '@/design/Button'
import { Dialog } from '@/design/Dialog'
import { ErrorBox } from '@/design/ErrorBox'
import { Input } from '@/design/Input'
import { toast } from '@/design/Toast'
import { useZone } from '@/design/zone'
import { bytes, number } from '@/format/format'
import { deletedUntil, nameProblem, quotas, readQuota, writeQuota } from './workspaces'

/** A new tenant, with one environment. */
export function NewWorkspace({ taken, onClose, onMade }: { taken: string[]; onClose: () => void; onMade: (made: Workspace) => void }) {
  const [name, setName] = useState('')
  const [title, setTitle] = useState('')
  const [environment, setEnvironment] = useState('production')
  const client = useQueryClient()
  const person = useQuery(sessionQuery).data?.person
  const problem = nameProblem(name, taken, 40)
  const wrong = nameProblem(environment, [], 30)
  const make = useMutation({
    mutationFn: () => call('create-workspace', { body: { name, title: title.trim() || undefined, environment } }),
    onSuccess: (made) => { toast(`${made.name} is made`, { meaning: 'good' }); onMade(made) },
    onSettled: () => Promise.all([client.invalidateQueries({ queryKey: ['workspaces'] }), client.invalidateQueries({ queryKey: ['session'] })]),
  })
  const ready = name !== '' && environment !== '' && !problem && !wrong && !make.isPending
  return (
    <Dialog title="A new workspace" onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="main" disabled={!ready && !make.isPending} busy={make.isPending} onClick={() => { make.mutate() }}>Make it</Button></>}>
      <form className="grid gap-4" onSubmit={(e) => { e.preventDefault(); if (ready) make.mutate() }}>
        <Input label="Name" mono value={name} problem={problem} maxLength={60} placeholder="acme" onChange={(e) => { setName(e.target.value.trim().toLowerCase()) }} hint={<>In addresses: <code className="font-mono">/w/{name || 'acme'}/live</code>. It can be changed later.</>} />
        <Input label="Title" value={title} maxLength={100} placeholder="Acme Ltd" onChange={(e) => { setTitle(e.target.value) }} hint="For people; the name when there is none." />
        <Input label="First environment" mono value={environment} problem={wrong} maxLength={60} onChange={(e) => { setEnvironment(e.target.value.trim().toLowerCase()) }} hint="With data, keys and secrets of its own. More can be added." />
        {person && <p className="text-12 text-soft">You will be its owner.</p>}
        {make.error && <ErrorBox problem={problemOf(make.error)} />}
        <button type="submit" hidden />
      </form>
    </Dialog>
  )
}

export function ChangeWorkspace({ of, taken, onClose }: { of: Workspace; taken: string[]; onClose: () => void }) {
  const [name, setName] = useState(of.name)
  const [title, setTitle] = useState(of.title)
  const client = useQueryClient()
  const here = useQuery(sessionQuery).data?.workspace === of.id
  const problem = nameProblem(name, taken.filter((t) => t !== of.name), 40)
  const change = useMutation({
    mutationFn: () => call('change-workspace', { params: { workspace: of.id }, body: { name: name === of.name ? undefined : name, title: title.trim() === of.title ? undefined : title.trim() } }),
    onSuccess: (now) => { toast(`It is called ${now.name}`, { meaning: 'good' }); onClose() },
    onSettled: () => client.invalidateQueries({ queryKey: ['workspaces'] }),
  })
  const ready = name !== '' && title.trim() !== '' && !problem && (name !== of.name || title.trim() !== of.title) && !change.isPending
  return (
    <Dialog title={`Rename ${of.name}`} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="main" disabled={!ready && !change.isPending} busy={change.isPending} onClick={() => { change.mutate() }}>Save</Button></>}>
      <form className="grid gap-4" onSubmit={(e) => { e.preventDefault(); if (ready) change.mutate() }}>
        <Input label="Name" mono value={name} problem={problem} maxLength={60} onChange={(e) => { setName(e.target.value.trim().toLowerCase()) }} hint="In addresses of the page and the API." />
        <Input label="Title" value={title} maxLength={100} onChange={(e) => { setTitle(e.target.value) }} hint="For people." />
        {name !== of.name && !problem && name !== '' && <p className="rounded-outer bg-warning-tint px-3 py-2"><code className="font-mono">{of.name}</code> leads here for 90 days, and nobody else can have it in that time. Webhooks and programs that are to work for ever use an environment’s id in place of its address.{here && ' Links to this page change.'}</p>}
        {change.error && <ErrorBox problem={problemOf(change.error)} />}
        <button type="submit" hidden />
      </form>
    </Dialog>
  )
}

/** What a workspace may use: nothing typed is no limit. */
export function QuotaDialog({ of, onClose }: { of: Workspace; onClose: () => void }) {
  const [typed, setTyped] = useState<Record<string, string>>(() => Object.fromEntries(quotas.map((q) => [q.quota, writeQuota(q.quota, of.quotas[q.quota])])))
  const client = useQueryClient()
  const today = useInfiniteQuery(usageQuery({ workspace: of.name })).data?.pages[0]?.today
  const values = quotas.map((q) => ({ ...q, value: readQuota(q.quota, typed[q.quota] ?? '') }))
  const wrong = values.some((v) => Number.isNaN(v.value))
  const body: Quotas = Object.fromEntries(values.flatMap((v) => v.value === undefined ? [] : [[v.quota, v.value]]))
  const same = quotas.every((q) => body[q.quota] === of.quotas[q.quota])
  const set = useMutation({
    mutationFn: () => call('set-quotas', { params: { workspace: of.id }, body }),
    onSuccess: () => { toast(`The quotas of ${of.name} hold from now on`, { meaning: 'good' }); onClose() },
    onSettled: () => client.invalidateQueries({ queryKey: ['workspaces'] }),
  })
  const ready = !wrong && !same && !set.isPending
  return (
    <Dialog wide title={`Quotas of ${of.name}`} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="main" disabled={!ready && !set.isPending} busy={set.isPending} onClick={() => { set.mutate() }}>Set them</Button></>}>
      <form className="grid gap-4" onSubmit={(e) => { e.preventDefault(); if (ready) set.mutate() }}>
        <p className="text-soft">For all environments together, from the next request on. A day begins at 0:00 UTC. Empty is no limit, 0 is nothing at all.</p>
        <div className="grid gap-x-6 gap-y-4 wide:grid-cols-2">
          {values.map((v) => {
            const used = today?.find((t) => t.quota === v.quota)?.used
            const over = used !== undefined && v.value !== undefined && used > v.value
            return <Input key={v.quota} label={`${v.title}${v.daily ? ' a day' : ''}`} value={typed[v.quota] ?? ''} placeholder="no limit" inputMode="text" onChange={(e) => { const text = e.target.value; setTyped((before) => ({ ...before, [v.quota]: text })) }}
              problem={Number.isNaN(v.value) ? `Write it as ${v.quota.includes('bytes') ? '20 GiB' : v.quota === 'query_seconds_per_day' ? '2 h or 7200' : '1,000,000 or 1M'}` : undefined}
              hint={<>{v.about}{used !== undefined && <> {v.daily ? 'Today' : 'Now'}: {v.write(v.daily && v.write === number ? Math.round(used) : used)}{over && <span className="text-warning-text">, which is more than this</span>}.</>}</>} />
          })}
        </div>
        {set.error && <ErrorBox problem={problemOf(set.error)} />}
        <button type="submit" hidden />
      </form>
    </Dialog>
  )
}

export type WorkspaceAct = 'suspend' | 'resume' | 'delete' | 'undelete'

/** Asks before a workspace is suspended, resumed, deleted or had back. */
export function ConfirmWorkspace({ of, act, onClose }: { of: Workspace; act: WorkspaceAct; onClose: () => void }) {
  const [reason, setReason] = useState('')
  const [typed, setTyped] = useState('')
  const client = useQueryClient()
  const zone = useZone()
  const here = useQuery(sessionQuery).data?.workspace === of.id
  const usage = useInfiniteQuery({ ...usageQuery({ workspace: of.name }), enabled: act === 'delete' }).data?.pages[0]
  const params = { workspace: of.id }
  const doing = useMutation({
    mutationFn: () => {
      switch (act) {
        case 'suspend': return call('suspend-workspace', { params, body: { reason: reason.trim() || undefined } })
        case 'resume': return call('resume-workspace', { params })
        case 'delete': return call('delete-workspace', { params })
        case 'undelete': return call('undelete-workspace', { params })
      }
    },
    onSuccess: (now) => { toast(act === 'delete' ? deletedUntil(of.name, now.purge_after, zone) : texts[act].done(of.name), { meaning: 'good' }); onClose() },
    onSettled: () => client.invalidateQueries({ queryKey: ['workspaces'] }),
  })
  const text = texts[act]
  const sure = act !== 'delete' || typed.trim() === of.name
  const events = usage?.days.reduce((n, d) => n + d.events, 0)
  const stored = usage?.today.find((t) => t.quota === 'storage_bytes')?.used
  return (
    <Dialog title={text.title(of.name)} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look={text.look} disabled={!sure} busy={doing.isPending} onClick={() => { doing.mutate() }}>{text.verb}</Button></>}>
      <form className="grid gap-3" onSubmit={(e) => { e.preventDefault(); if (sure && !doing.isPending) doing.mutate() }}>
        <p>{text.about}</p>
        {here && act !== 'undelete' && act !== 'resume' && <p className="rounded-outer bg-warning-tint px-3 py-2">You are in it: this page can show nothing of it then.</p>}
        {act === 'delete' && usage && <p>It has {of.environments.length === 1 ? 'one environment' : `${of.environments.length} environments`}{stored !== undefined && stored > 0 && <>, {bytes(stored)} in archive and warehouse</>}{events !== undefined && <>, and took in {number(events)} {events === 1 ? 'event' : 'events'} in the last 30 days</>}.</p>}
        {act === 'suspend' && <Input label="Reason" value={reason} maxLength={500} onChange={(e) => { setReason(e.target.value) }} placeholder="unpaid" hint="Its people and senders are shown it." />}
        {act === 'delete' && <Input label={`Type ${of.name} to go on`} mono value={typed} onChange={(e) => { setTyped(e.target.value) }} />}
        {doing.error && <ErrorBox problem={problemOf(doing.error)} />}
        <button type="submit" hidden />
      </form>
    </Dialog>
  )
}

const texts: Record<WorkspaceAct, { title: (name: string) => string; verb: string; done: (name: string) => string; look: Look; about: ReactNode }> = {
  suspend: { title: (n) => `Suspend ${n}?`, verb: 'Suspend it', done: (n) => `${n} is suspended`, look: 'danger', about: 'Its senders are told to keep what they have and to come back, after a day to give up. Nothing can be asked of it until it is resumed. Nothing that it has is lost.' },
  resume: { title: (n) => `Resume ${n}?`, verb: 'Resume it', done: (n) => `${n} is active again`, look: 'main', about: 'It takes events in and answers again, from the next request on.' },
  delete: { title: (n) => `Delete ${n}?`, verb: 'Delete it', done: (n) => `${n} is deleted`, look: 'danger', about: 'It stops at once: nothing is taken in and nothing answered. For 7 days it can be had back as it is. Then all of it is destroyed and nobody can bring it back: records, tables, secrets, keys, versions and roles.' },
  undelete: { title: (n) => `Have ${n} back?`, verb: 'Have it back', done: (n) => `${n} is back as it was`, look: 'main', about: 'It is as it was when it was deleted, and takes events in again.' },
}
