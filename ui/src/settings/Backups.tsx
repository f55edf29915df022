import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useRef } from 'react'
import { call, curlOf, problemOf } from '@/api/client'
import { backupsQuery } from '@/api/control'
import { jobsQuery } from '@/api/queries'
import type { Backup, BackupList } from '@/api/schema'
import { StateDot } from '@/design/Badge'
import { Button } from '@/design/Button'
import { CodeBlock } from '@/design/CodeBlock'
import { copyAs } from '@/design/copyAs'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { IconButton } from '@/design/IconButton'
import { useKeys } from '@/design/keys'
import { Menu } from '@/design/Menu'
import { useNow } from '@/design/now'
import { Bytes, NumberText } from '@/design/NumberText'
import { SkeletonRows } from '@/design/Skeleton'
import { Table, type Column, type TableHandle } from '@/design/Table'
import { TimeText } from '@/design/TimeText'
import { Facts, View } from '@/design/View'
import { BackupDrawer } from './BackupDrawer'
import { BackupRun } from './BackupRun'
import { config, everyText, keepText, standing } from './backups'

const route = getRouteApi('/settings/backups')

const columns: Column<Backup>[] = [
  { id: 'taken', title: 'Taken', width: 120, cell: (b) => <TimeText at={b.taken} />, text: (b) => b.taken },
  { id: 'state', title: 'State', width: 140, cell: (b) => b.problem ? <StateDot meaning="bad">Cannot be read</StateDot> : <StateDot meaning="good">Whole</StateDot>, text: (b) => b.problem ?? 'whole' },
  { id: 'accepted', title: 'Records', width: 120, align: 'right', cell: (b) => <NumberText value={b.accepted} />, text: (b) => String(b.accepted) },
  { id: 'size', title: 'Holds', width: 100, align: 'right', cell: (b) => <Bytes value={b.size_bytes} />, text: (b) => String(b.size_bytes) },
  { id: 'stored', title: 'New in it', width: 100, align: 'right', cell: (b) => <Bytes value={b.stored_bytes} />, text: (b) => String(b.stored_bytes) },
  { id: 'id', title: 'Name', mono: true, cell: (b) => b.id, text: (b) => b.id },
]

/** Copies of everything, to begin again from: which there are, and how they go. */
export default function Backups() {
  const { open, job } = route.useSearch()
  const navigate = route.useNavigate()
  const table = useRef<TableHandle>(null)
  const client = useQueryClient()
  const list = useQuery(backupsQuery)
  const { data } = list
  // One that the schedule began is shown as well.
  const running = useQuery(jobsQuery).data?.jobs.find((j) => j.state === 'running' && (j.kind === 'backup.take' || j.kind === 'backup.verify'))
  const shown = job ?? running?.id
  const take = useMutation({
    mutationFn: () => call('start-backup', { body: {} }),
    onSuccess: (started) => { void navigate({ search: (before) => ({ ...before, job: started.id }) }) },
    onSettled: () => client.invalidateQueries({ queryKey: ['jobs'] }),
  })
  const backups = data?.backups ?? []
  const at = backups.findIndex((b) => b.id === open)
  const chosen = backups[at]
  const show = (id: string | undefined) => { void navigate({ search: (before) => ({ ...before, open: id }), replace: open !== undefined && id !== undefined }) }
  const step = (by: number) => { const next = backups[at + by]; return next && at >= 0 ? () => { show(next.id); table.current?.reveal(at + by) } : undefined }
  const can = data !== undefined && data.target !== '' && running?.kind !== 'backup.take' && !take.isPending
  const start = () => { if (can) take.mutate() }
  useKeys(can ? [{ keys: 'n', label: 'Take a backup', group: 'Backups', run: start }] : [])
  return (
    <View crumbs={[{ title: 'Settings', to: '/settings' }, { title: 'Backups' }]} state={data && <Standing list={data} />}
      actions={data && data.target !== '' && <><Button icon="plus" disabled={!can && !take.isPending} busy={take.isPending} onClick={start}>Take one now</Button><Menu label="More" button={<IconButton icon="more" label="More" />} items={copyAs({ curl: curlOf('start-backup', { body: {} }, location.origin), command: 'millrace backup list' })} /></>}>
      {list.error && !data ? <div className="p-4"><ErrorBox problem={problemOf(list.error)} onRetry={() => void list.refetch()} /></div> : !data ? <SkeletonRows /> : (
        <>
          {take.error && <div className="px-4 pt-3"><ErrorBox problem={problemOf(take.error)} /></div>}
          {shown && <BackupRun key={shown} id={shown} before={backups.find((b) => !b.problem)} onClose={job === undefined ? undefined : () => { void navigate({ search: (before) => ({ ...before, job: undefined }), replace: true }) }} />}
          {data.problem && <div className="px-4 pt-3"><ErrorBox problem={{ title: 'The last backup failed', detail: `${data.problem}. ${data.every_seconds > 0 ? 'It is tried again by the schedule; ' : ''}mend that, and take one now.` }} /></div>}
          {data.target === '' ? <Unset /> : (
            <>
              <div className="px-4 py-3"><Facts facts={[['They go to', <code key="t" className="font-mono text-12 break-all">{data.target}</code>], ['One is taken', <span key="e">{everyText(data.every_seconds)}{data.next && <>, the next <TimeText at={data.next} /></>}</span>], ['Which stay', keepText(data.keep)]]} /></div>
              <div className="relative flex min-h-0 min-w-0 grow border-t border-line/60">
                <Table name="backups" label="Backups" columns={columns} ref={table} count={backups.length} rowAt={(i) => backups[i]} rowKey={(b) => b.id} chosen={at < 0 ? undefined : at} onOpen={(i) => { show(backups[i]?.id) }}
                  empty={<Empty icon="archive" title="There are no backups yet" action={<Button look="main" icon="plus" disabled={!can} onClick={start}>Take the first one</Button>}>The server goes on meanwhile. Later ones store only what is new.</Empty>} />
                {chosen && <BackupDrawer key={chosen.id} backup={chosen} newest={at === 0} target={data.target} onClose={() => { show(undefined); table.current?.focus() }} onNext={step(1)} onPrevious={step(-1)} onJob={(id) => { void navigate({ search: (before) => ({ ...before, job: id }) }) }} />}
              </div>
            </>
          )}
        </>
      )}
    </View>
  )
}

function Standing({ list }: { list: BackupList }) {
  const { meaning, word } = standing(list, useNow())
  const newest = list.backups.find((b) => !b.problem)
  return <><StateDot meaning={meaning}>{word}</StateDot>{newest && <span className="max-wide:hidden">newest <TimeText at={newest.taken} /></span>}</>
}

/** What to do where there is no place for backups yet. */
function Unset() {
  return (
    <div className="min-h-0 overflow-auto">
      <div className="mx-auto grid max-w-160 grid-cols-[minmax(0,1fr)] gap-3 p-6">
        <h2 className="flex items-center gap-2 text-15 font-semibold"><Icon name="archive" />Nothing is backed up yet</h2>
        <p className="text-soft">A backup holds everything that it takes to begin again on another machine: people, keys, secrets as they are encrypted, versions, the audit trail, the log, the archive and the project. It is taken while the server goes on, stores only what is new, and is encrypted.</p>
        <h3 className="mt-2 font-semibold">1. Make a key, and keep a copy of it elsewhere</h3>
        <p className="text-soft">Without it nobody can read the backups.</p>
        <CodeBlock label="Command" code="millrace backup key /etc/millrace/backup.key" />
        <h3 className="mt-2 font-semibold">2. Say in millrace.yaml where they go, how often, and which stay</h3>
        <CodeBlock label="Setting" code={config} />
        <p className="text-soft">On another disk, and of another account where that is possible: who can delete the server should not be able to delete its backups. Then start the server again. The first one is taken at once, and this page shows how it goes.</p>
      </div>
    </div>
  )
}
