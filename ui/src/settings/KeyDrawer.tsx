import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { call, problemOf } from '@/api/client'
import { useActorName } from '@/api/control'
import { useMay } from '@/api/may'
import { permissions } from '@/api/permissions'
import type { APIKey } from '@/api/schema'
import { Badge, StateDot } from '@/design/Badge'
import { Button } from '@/design/Button'
import { Checkbox } from '@/design/Checkbox'
import { CopyButton } from '@/design/CopyButton'
import { Dialog } from '@/design/Dialog'
import { Drawer } from '@/design/Drawer'
import { ErrorBox } from '@/design/ErrorBox'
import { useNow } from '@/design/now'
import { Select } from '@/design/Select'
import { TimeText } from '@/design/TimeText'
import { toast } from '@/design/Toast'
import { Facts } from '@/design/View'
import { sentence } from '@/format/format'
import { makerOf, stateOf, whereOf, works } from './keys'
import { TokenOnce } from './TokenOnce'

interface Props { of: APIKey; server: boolean; onClose: () => void; onNext?: () => void; onPrevious?: () => void }

/** One key: what it may do, when it was used and from where, its tokens, and what to do with it. */
export function KeyDrawer({ of: key, server, onClose, ...rest }: Props) {
  const [doing, act] = useState<'rotate' | 'revoke'>()
  const now = useNow()
  const may = useMay()
  const manages = may(server ? 'server_key:manage' : 'key:manage')
  const called = useActorName()
  const state = stateOf(key, now)
  return (
    <Drawer title={key.name} about={<StateDot meaning={state.meaning} hollow={state.hollow}>{state.word}</StateDot>} onClose={onClose} {...rest}>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-5 p-4">
        {manages && works(key, now) && <div className="flex flex-wrap gap-2"><Button icon="refresh" onClick={() => { act('rotate') }}>Rotate</Button><Button icon="cross" onClick={() => { act('revoke') }}>Revoke</Button></div>}
        <Facts facts={[
          ['May do', key.role ? sentence(key.role) : 'what is listed below'],
          ['Works in', whereOf(key)],
          ['Last used', key.last_used ? <span key="u"><TimeText at={key.last_used} full />{key.last_address && <> from <code className="font-mono text-12">{key.last_address}</code></>}</span> : 'never'],
          ['Expires', key.expires ? <TimeText key="e" at={key.expires} full /> : 'never'],
          ...(key.revoked ? [['Revoked', <TimeText key="r" at={key.revoked} full />] as [string, React.ReactNode]] : []),
          ['Made', <span key="m"><TimeText at={key.created} full />{key.maker && <> by {key.maker_name ?? makerOf(key.maker, called)}</>}</span>],
          ['Id', <span key="i" className="inline-flex max-w-full items-center gap-1"><code className="truncate font-mono text-12">{key.id}</code><CopyButton text={key.id} label="Copy the id" /></span>],
          ['Audit', <Link key="a" to="/settings/audit" search={{ object: key.id, of: server ? 'server' : undefined }} className="rounded-inner text-accent-text underline underline-offset-2">What was done with it</Link>],
        ]} />
        <section>
          <h3 className="mb-1 text-12 font-medium text-soft">{key.tokens.length > 1 ? 'Tokens: both work until the old one ends' : 'Token'}</h3>
          <ul className="grid">
            {key.tokens.map((t, i) => (
              <li key={t.begins} className="flex min-h-8 flex-wrap items-center gap-x-3 border-b border-line/60">
                <code className="font-mono text-12">{t.begins}…</code>
                {key.tokens.length > 1 && <Badge meaning={i === 0 ? 'good' : 'warning'}>{i === 0 ? 'new' : 'old'}</Badge>}
                <span className="ml-auto text-12 text-soft">{t.until ? <>works until <TimeText at={t.until} full /></> : <>made <TimeText at={t.created} /></>}</span>
              </li>
            ))}
          </ul>
        </section>
        {!key.role && (
          <section>
            <h3 className="mb-1 text-12 font-medium text-soft">Permissions</h3>
            <ul className="grid gap-1.5">{key.permissions.map((name) => <li key={name}><code className="font-mono text-12">{name}</code><span className="block text-12 text-soft">{permissions.find((p) => p.name === name)?.lets}</span></li>)}</ul>
          </section>
        )}
      </div>
      {doing === 'rotate' && <Rotate of={key} server={server} onClose={() => { act(undefined) }} />}
      {doing === 'revoke' && <Revoke of={key} server={server} onClose={() => { act(undefined) }} />}
    </Drawer>
  )
}

const overlaps = [{ value: '0', label: 'not at all: it ends at once' }, { value: '3600', label: 'an hour' }, { value: '86400', label: 'a day' }, { value: '604800', label: '7 days' }, { value: '2592000', label: '30 days' }]

interface ActProps { of: APIKey; server: boolean; onClose: () => void }

function Rotate({ of: key, server, onClose }: ActProps) {
  const [overlap, setOverlap] = useState('86400')
  const client = useQueryClient()
  const rotate = useMutation({
    mutationFn: () => call(server ? 'rotate-server-key' : 'rotate-key', { params: { id: key.id }, body: { overlap_seconds: Number(overlap) } }),
    gcTime: 0,
    onSettled: () => client.invalidateQueries({ queryKey: ['keys'] }),
  })
  if (rotate.data) {
    return <Dialog key="once" stays title={`The new token of ${key.name}`} onClose={onClose} actions={<Button look="main" onClick={onClose}>I have copied it</Button>}><TokenOnce token={rotate.data.token} note={overlap === '0' ? 'The old one has ended.' : 'The old one works until the overlap ends. Move whoever uses it over before that.'} /></Dialog>
  }
  return (
    <Dialog title={`Rotate ${key.name}?`} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look={overlap === '0' ? 'danger' : 'main'} busy={rotate.isPending} onClick={() => { rotate.mutate() }}>Rotate</Button></>}>
      <div className="grid gap-3">
        <p>The key gets a new token, and stays what it is otherwise. You answer for it from then on.</p>
        <Select label="The old token works on" value={overlap} onValue={setOverlap} options={overlaps} />
        {overlap === '0' && <p className="rounded-outer bg-warning-tint px-3 py-2">Whoever uses the old token is refused at once{key.last_used && <>: it was last used <TimeText at={key.last_used} /></>}.</p>}
        {rotate.error && <ErrorBox problem={problemOf(rotate.error)} />}
      </div>
    </Dialog>
  )
}

function Revoke({ of: key, server, onClose }: ActProps) {
  const client = useQueryClient()
  const now = useNow()
  const [stolen, setStolen] = useState(false)
  const revoke = useMutation({
    mutationFn: () => call(server ? 'revoke-server-key' : 'revoke-key', { params: { id: key.id, with_its_keys: stolen } }),
    onSuccess: ({ revoked, go_on: others }) => { toast(revokedText(key.name, revoked, others), { meaning: others.length > 0 ? 'warning' : 'good' }); onClose() },
    onSettled: () => client.invalidateQueries({ queryKey: ['keys'] }),
  })
  const busy = key.last_used !== undefined && now - Date.parse(key.last_used) < 7 * 86_400_000
  return (
    <Dialog title={`Revoke ${key.name}?`} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="danger" busy={revoke.isPending} onClick={() => { revoke.mutate() }}>Revoke it</Button></>}>
      <div className="grid gap-3">
        <p className={busy ? 'rounded-outer bg-warning-tint px-3 py-2' : ''}>{key.last_used ? <>It was last used <TimeText at={key.last_used} />{key.last_address && <> from {key.last_address}</>}.</> : 'It was never used.'} Whoever asks with it is refused at once and for good.</p>
        {busy && <p className="text-soft">To move somebody over without a gap, rotate it instead.</p>}
        <Checkbox label="It may have been stolen" hint="Keys that were made or rotated with it are revoked too. They go on otherwise." checked={stolen} onChecked={setStolen} />
        {revoke.error && <ErrorBox problem={problemOf(revoke.error)} />}
      </div>
    </Dialog>
  )
}

/** What became of the keys that were made or rotated with one that was revoked. */
function revokedText(name: string, revoked: string[], others: string[]): string {
  if (revoked.length > 0) return `${name} was revoked, and what was made with it: ${revoked.join(', ')}`
  return others.length > 0 ? `${name} was revoked. What was made with it goes on: ${others.join(', ')}` : `${name} was revoked`
}
