import { useMutation, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { call, problemOf } from '@/api/client'
import { secretHistoryQuery } from '@/api/control'
import { useMay } from '@/api/may'
import type { SecretInfo } from '@/api/schema'
import { Badge, StateDot } from '@/design/Badge'
import { Button } from '@/design/Button'
import { CodeBlock } from '@/design/CodeBlock'
import { CopyButton } from '@/design/CopyButton'
import { Drawer } from '@/design/Drawer'
import { ErrorBox } from '@/design/ErrorBox'
import { IconButton } from '@/design/IconButton'
import { Menu } from '@/design/Menu'
import { SkeletonRows } from '@/design/Skeleton'
import { TimeText } from '@/design/TimeText'
import { Facts } from '@/design/View'
import { plural } from '@/format/format'
import { AllowSecret, ConfirmSecret, RotateSecret, type SecretAct } from './SecretDialogs'
import { nameOf } from './secrets'

interface Props { secret: SecretInfo; onClose: () => void; onNext?: () => void; onPrevious?: () => void }

/** One secret: who may use it and who does, its versions, and what to do with it. */
export function SecretDrawer({ secret, ...rest }: Props) {
  const [doing, act] = useState<'rotate' | 'allow' | SecretAct>()
  const may = useMay()
  const close = () => { act(undefined) }
  const reference = `\${secret:${secret.path}}`
  return (
    <Drawer title={<code className="font-mono">{secret.path}</code>} about={secret.deleted ? <StateDot meaning="neutral" hollow>Deleted <TimeText at={secret.deleted} /></StateDot> : <StateDot meaning="good">Version {secret.version}</StateDot>} {...rest}>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-5 p-4">
        {may('secret:set') && (
          <div className="flex flex-wrap gap-2">
            {secret.deleted ? <Button look="main" icon="history" onClick={() => { act({ what: 'restore' }) }}>Restore</Button> : <>
              <Button icon="refresh" onClick={() => { act('rotate') }}>New value</Button><Button icon="people" onClick={() => { act('allow') }}>Who may use it</Button>
              <Menu label="More of this secret" align="start" button={<IconButton icon="more" label="More of this secret" />} items={[{ label: 'Delete', icon: 'cross', danger: true, onChoose: () => { act({ what: 'delete' }) } }]} />
            </>}
          </div>
        )}
        <Facts facts={[
          ['Of', secret.all_environments ? 'all environments that have none of their own' : 'this environment'],
          ['In files', <span key="r" className="inline-flex max-w-full items-center gap-1"><code className="truncate font-mono text-12">{reference}</code><CopyButton text={reference} label="Copy the reference" /></span>],
          ['Used by', <Words key="u" words={secret.resources} none="nobody yet" />],
          ['Sent to', <Words key="h" words={secret.hosts} none="nowhere: it does not leave the server" />],
          ...(secret.note ? [['Note', <span key="n" className="whitespace-pre-wrap">{secret.note}</span>] as [string, React.ReactNode]] : []),
          ['Changed', <TimeText key="c" at={secret.changed} full />],
          ['Audit', <Link key="a" to="/settings/audit" search={{ q: secret.path, action: 'secret' }} className="rounded-inner text-accent-text underline underline-offset-2">What was done with it</Link>],
        ]} />
        {!secret.deleted && may('secret:reveal') && <Reveal secret={secret} />}
        <History secret={secret} onAct={act} />
      </div>
      {doing === 'rotate' && <RotateSecret secret={secret} onClose={close} />}
      {doing === 'allow' && <AllowSecret secret={secret} onClose={close} />}
      {typeof doing === 'object' && <ConfirmSecret secret={secret} act={doing} onClose={close} />}
    </Drawer>
  )
}

function Words({ words, none }: { words: string[]; none: string }) {
  if (words.length === 0) return <span className="text-soft">{none}</span>
  return <span className="flex flex-wrap gap-1">{words.map((w) => <Badge key={w} mono>{w}</Badge>)}</span>
}

/** The value, when somebody asks for it; it is not kept when it is hidden again. */
function Reveal({ secret }: { secret: SecretInfo }) {
  const reveal = useMutation({ mutationFn: () => call('reveal-secret', { body: nameOf(secret) }), gcTime: 0 })
  return (
    <section className="grid grid-cols-[minmax(0,1fr)] gap-2">
      <div className="flex items-center gap-2"><h3 className="grow text-12 font-medium text-soft">Value</h3>
        {reveal.data ? <Button small look="quiet" onClick={() => { reveal.reset() }}>Hide it</Button> : <Button small icon="eye" busy={reveal.isPending} onClick={() => { reveal.mutate() }}>Show it</Button>}
      </div>
      {reveal.error && <ErrorBox problem={problemOf(reveal.error)} />}
      {reveal.data ? <CodeBlock label="Value" code={reveal.data.value} wrap className="[&_pre]:break-all" /> : <p className="text-12 text-soft">Showing it is written down in the audit trail.</p>}
    </section>
  )
}

function History({ secret, onAct }: { secret: SecretInfo; onAct: (act: SecretAct) => void }) {
  const { data, error, refetch } = useQuery(secretHistoryQuery(nameOf(secret)))
  const may = useMay()
  if (error && !data) return <ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} />
  if (!data) return <SkeletonRows rows={3} />
  return (
    <>
      <section>
        <h3 className="mb-1 text-12 font-medium text-soft">Versions</h3>
        <ul className="border-t border-line/60">
          {data.versions.map((v) => (
            <li key={v.version} className="flex min-h-9 flex-wrap items-center gap-x-3 border-b border-line/60">
              <span className="w-6 text-right font-medium tabular-nums">{v.version}</span>
              {v.current ? <Badge meaning="good">current</Badge> : v.destroyed ? <Badge>destroyed</Badge> : null}
              <span className="min-w-0 grow truncate text-12 text-soft"><TimeText at={v.created} /> by {v.actor}</span>
              {!v.current && !v.destroyed && !secret.deleted && may('secret:set') && <Menu label={`Version ${v.version}`} button={<IconButton small icon="more" label={`What may be done with version ${v.version}`} />} items={[{ label: 'Roll back to it', icon: 'history', onChoose: () => { onAct({ what: 'rollback', version: v }) } }, { label: 'Destroy its value', icon: 'cross', danger: true, onChoose: () => { onAct({ what: 'destroy', version: v }) } }]} />}
            </li>
          ))}
        </ul>
      </section>
      <section>
        <h3 className="mb-1 text-12 font-medium text-soft">Who has used it</h3>
        {data.uses.length === 0 ? <p className="text-soft">Nobody yet, in this environment.</p> : (
          <ul className="border-t border-line/60">
            {data.uses.map((u) => <li key={`${u.resource} ${u.host ?? ''}`} className="flex min-h-9 flex-wrap items-center gap-x-3 border-b border-line/60"><code className="min-w-0 grow truncate font-mono text-12">{u.resource}{u.host && ` → ${u.host}`}</code><span className="text-12 text-soft">{plural(u.uses, 'time')}, last <TimeText at={u.last} /></span></li>)}
          </ul>
        )}
      </section>
    </>
  )
}
