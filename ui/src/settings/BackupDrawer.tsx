import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call, problemOf } from '@/api/client'
import type { Backup } from '@/api/schema'
import { Badge, StateDot } from '@/design/Badge'
import { Button } from '@/design/Button'
import { CodeBlock } from '@/design/CodeBlock'
import { CopyButton } from '@/design/CopyButton'
import { Dialog } from '@/design/Dialog'
import { Drawer } from '@/design/Drawer'
import { ErrorBox } from '@/design/ErrorBox'
import { Bytes, NumberText } from '@/design/NumberText'
import { TimeText } from '@/design/TimeText'
import { toast } from '@/design/Toast'
import { Facts } from '@/design/View'
import { bytes, duration, position } from '@/format/format'

interface Props { backup: Backup; newest: boolean; target: string; onClose: () => void; onNext?: () => void; onPrevious?: () => void; onJob: (id: string) => void }

/** One backup: what is in it, whether it is good, and how to begin again from it. */
export function BackupDrawer({ backup, newest, target, onJob, ...rest }: Props) {
  const [deleting, ask] = useState(false)
  const client = useQueryClient()
  const verify = useMutation({
    mutationFn: () => call('start-backup-verification', { params: { id: backup.id } }),
    onSuccess: (job) => { onJob(job.id) },
    onSettled: () => client.invalidateQueries({ queryKey: ['jobs'] }),
  })
  const whole: [string, React.ReactNode][] = backup.problem ? [] : [
    ['Records', <NumberText key="r" value={backup.accepted} />],
    ['Through', <span key="p" className="inline-flex flex-wrap items-center gap-x-1">{backup.time && <TimeText at={backup.time} full />}<code className="font-mono text-12">{position(backup.through)}</code></span>],
    ['Archive', <span key="a">{backup.archive_included ? <>in the backup, with <NumberText value={backup.archive_rows} /> records</> : <>not in the backup: it is in S3, with <NumberText value={backup.archive_rows} /> records</>}</span>],
  ]
  return (
    <Drawer title={<TimeText at={backup.taken} full />} about={backup.problem ? <StateDot meaning="bad">Cannot be read</StateDot> : <StateDot meaning="good">Whole</StateDot>} {...rest}>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-5 p-4">
        <div className="flex flex-wrap gap-2"><Button icon="check" busy={verify.isPending} onClick={() => { verify.mutate() }}>Verify</Button><Button icon="cross" onClick={() => { ask(true) }}>Delete</Button></div>
        {verify.error && <ErrorBox problem={problemOf(verify.error)} />}
        {backup.problem && <ErrorBox problem={{ title: 'It cannot be read', detail: `${backup.problem}. Verify it to see what is damaged, and take another one.` }} />}
        <Facts facts={[
          ['Name', <span key="n" className="inline-flex max-w-full items-center gap-1"><code className="truncate font-mono text-12">{backup.id}</code><CopyButton text={backup.id} label="Copy the name" /></span>],
          ...whole,
          ['Holds', <Bytes key="s" value={backup.size_bytes} />], ['New in it', <Bytes key="o" value={backup.stored_bytes} />], ['Files', <NumberText key="f" value={backup.files} />],
          ['Took', duration(backup.seconds * 1000)],
          ...(backup.project ? [['Project', backup.project] as [string, React.ReactNode]] : []), ...(backup.version ? [['Millrace', backup.version] as [string, React.ReactNode]] : []),
          ...(backup.master_keys?.length ? [['Master keys', <span key="m" className="flex flex-wrap items-center gap-1">{backup.master_keys.map((k) => <Badge key={k} mono>{k}</Badge>)}</span>] as [string, React.ReactNode]] : []),
        ]} />
        {!backup.problem && (
          <section className="grid grid-cols-[minmax(0,1fr)] gap-2">
            <h3 className="text-12 font-medium text-soft">Begin again from it</h3>
            <CodeBlock label="Command" wrap code={`millrace restore --from '${target}'${newest ? '' : ` --backup ${backup.id}`} --key-file /etc/millrace/backup.key --data ./data --project ./project`} />
            <p className="text-12 text-soft">Into an empty folder, such as on another machine. Master keys are not in a backup: a restore needs them, for secrets and records to be read. Tables are made anew.</p>
          </section>
        )}
      </div>
      {deleting && <DeleteBackup backup={backup} newest={newest} onClose={() => { ask(false) }} onDeleted={() => { ask(false); rest.onClose() }} />}
    </Drawer>
  )
}

function DeleteBackup({ backup, newest, onClose, onDeleted }: { backup: Backup; newest: boolean; onClose: () => void; onDeleted: () => void }) {
  const client = useQueryClient()
  const remove = useMutation({
    mutationFn: () => call('delete-backup', { params: { id: backup.id } }),
    onSuccess: () => { toast('The backup is deleted', { meaning: 'good' }); onDeleted() },
    onSettled: () => client.invalidateQueries({ queryKey: ['backups'] }),
  })
  return (
    <Dialog title="Delete this backup?" onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="danger" busy={remove.isPending} onClick={() => { remove.mutate() }}>Delete it</Button></>}>
      <div className="grid gap-3">
        <p>The backup of <TimeText at={backup.taken} full />{backup.size_bytes > 0 && ` (${bytes(backup.size_bytes)})`} goes, with what no other backup has of it. That cannot be undone. Other backups stay whole.</p>
        {newest && <p className="rounded-outer bg-warning-tint px-3 py-2">It is the newest one: what came in since the one before can then not be had back, until another is taken.</p>}
        {remove.error && <ErrorBox problem={problemOf(remove.error)} />}
      </div>
    </Dialog>
  )
}
