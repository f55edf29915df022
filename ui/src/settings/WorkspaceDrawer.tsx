import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { sessionQuery } from '@/api/queries'
import { defaultSpace, pageOf } from '@/api/space'
import type { Workspace } from '@/api/schema'
import { Badge, StateDot } from '@/design/Badge'
import { Button } from '@/design/Button'
import { CopyButton } from '@/design/CopyButton'
import { Drawer } from '@/design/Drawer'
import { IconButton } from '@/design/IconButton'
import { Menu } from '@/design/Menu'
import { TimeText } from '@/design/TimeText'
import { Facts } from '@/design/View'
import { ChangeWorkspace, ConfirmWorkspace, QuotaDialog, type WorkspaceAct } from './WorkspaceDialogs'
import { mayIn, quotas, stateOf } from './workspaces'

interface Props { of: Workspace; taken: string[]; onClose: () => void; onNext?: () => void; onPrevious?: () => void }

const link = 'rounded-inner text-accent-text underline underline-offset-2'

/** One workspace: how it is, its environments, what it may use, and what to do with it. */
export function WorkspaceDrawer({ of, taken, ...rest }: Props) {
  const [doing, act] = useState<'change' | 'quotas' | WorkspaceAct>()
  const session = useQuery(sessionQuery).data
  const may = (permission: string) => mayIn(session, of.id, permission)
  const gone = of.state === 'deleted' || of.state === 'purging'
  // The server itself is in the one that it began with.
  const own = of.environments.some((e) => e.space === defaultSpace)
  const { meaning, word, hollow } = stateOf(of)
  const close = () => { act(undefined) }
  return (
    <Drawer title={of.title} about={<span className="flex flex-wrap items-center gap-x-3"><StateDot meaning={meaning} hollow={hollow}>{word} <TimeText at={of.since} /></StateDot><code className="font-mono">{of.name}</code></span>} {...rest}>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-5 p-4">
        <div className="flex flex-wrap gap-2 empty:hidden">
          {of.state === 'deleted' && may('workspace:delete') && <Button look="main" icon="history" onClick={() => { act('undelete') }}>Have it back</Button>}
          {!gone && may('workspace:update') && <Button onClick={() => { act('change') }}>Rename</Button>}
          {!gone && may('quota:set') && <Button onClick={() => { act('quotas') }}>Set quotas</Button>}
          {of.state === 'suspended' && may('workspace:suspend') && <Button look="main" icon="play" onClick={() => { act('resume') }}>Resume</Button>}
          {!gone && (may('workspace:suspend') || may('workspace:delete')) && (
            <Menu label="More of this workspace" align="start" button={<IconButton icon="more" label="More of this workspace" />} items={[
              { label: 'Suspend', icon: 'pause', disabled: !may('workspace:suspend') || of.state === 'suspended', onChoose: () => { act('suspend') } },
              { kind: 'line' },
              { label: 'Delete', icon: 'cross', danger: true, disabled: !may('workspace:delete') || own, onChoose: () => { act('delete') } },
            ]} />
          )}
        </div>
        {of.state === 'suspended' && <p className="rounded-outer bg-warning-tint px-3 py-2">{of.reason ? <>Suspended: {of.reason}.</> : 'It is suspended.'} Senders are told to come back, after a day to give up, and nothing can be asked. Nothing that it has is lost.</p>}
        {of.state === 'deleted' && <p className="rounded-outer bg-bad-tint px-3 py-2">It can be had back until <TimeText at={of.purge_after} full /> (<TimeText at={of.purge_after} />). Then its records, tables, secrets, keys and roles go for good.</p>}
        {of.state === 'purging' && <p className="rounded-outer bg-hover px-3 py-2">Its records, tables, secrets, keys and roles are being destroyed, which cannot be stopped.</p>}
        <section>
          <h3 className="mb-1 text-12 font-medium text-soft">Environments</h3>
          <ul className="border-t border-line/60">
            {of.environments.map((e) => (
              <li key={e.space} className="flex min-h-9 flex-wrap items-center gap-x-3 border-b border-line/60 py-1">
                <span className="font-medium">{e.name}</span>{e.main && <Badge>default</Badge>}{e.state !== 'active' && <Badge meaning="bad">{e.state === 'deleted' ? 'deleted' : 'goes for good'}</Badge>}
                <span className="min-w-0 grow truncate font-mono text-12 text-soft">{e.address}</span>
                {e.space === session?.space ? <span className="text-12 text-soft">you are here</span> : e.state === 'active' && of.state === 'active' && mayIn(session, of.id, 'workspace:read') && <a href={`${pageOf(e.space === defaultSpace ? '' : e.address)}/`} className={link}>Go there<span className="sr-only"> to {e.address}</span></a>}
                {e.problem && <p className="w-full text-12 text-bad-text">It is not gone for good yet: {e.problem}. It is tried again each minute.</p>}
                {e.state === 'deleted' && !e.problem && of.state !== 'deleted' && <p className="w-full text-12 text-soft">It can be had back until <TimeText at={e.purge_after} full />.</p>}
              </li>
            ))}
          </ul>
        </section>
        <section>
          <h3 className="mb-1 text-12 font-medium text-soft">Quotas</h3>
          {quotas.every((q) => of.quotas[q.quota] === undefined) ? <p className="text-soft">It may use whatever there is.</p>
            : <Facts facts={quotas.flatMap((q): [string, React.ReactNode][] => { const value = of.quotas[q.quota]; return value === undefined ? [] : [[q.title, `${q.write(value)} ${q.unit}`.trim()]] })} />}
        </section>
        <Facts facts={[
          ['Id', <span key="i" className="inline-flex max-w-full items-center gap-1"><code className="truncate font-mono text-12">{of.id}</code><CopyButton text={of.id} label="Copy the id" /></span>],
          ['Made', <TimeText key="c" at={of.created} full />],
          ...of.old_names.map((n): [string, React.ReactNode] => ['Was called', <span key={n.name}><code className="font-mono text-12">{n.name}</code>, which leads here until <TimeText at={n.until} full /></span>]),
          ...(may('usage:read') || may('workspace:list') ? [['Usage', <Link key="u" to="/settings/usage" search={{ of: of.name }} className={link}>What it used</Link>] as [string, React.ReactNode]] : []),
          ...(session?.everything || session?.server_permissions.includes('server:audit') ? [['Audit', <Link key="a" to="/settings/audit" search={{ of: 'server', object: of.id }} className={link}>What was done with it</Link>] as [string, React.ReactNode]] : []),
        ]} />
      </div>
      {doing === 'change' && <ChangeWorkspace of={of} taken={taken} onClose={close} />}
      {doing === 'quotas' && <QuotaDialog of={of} onClose={close} />}
      {doing !== undefined && doing !== 'change' && doing !== 'quotas' && <ConfirmWorkspace of={of} act={doing} onClose={close} />}
    </Drawer>
  )
}
