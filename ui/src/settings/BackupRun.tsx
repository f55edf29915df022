import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { call, problemOf } from '@/api/client'
import { jobQuery } from '@/api/queries'
import type { Backup } from '@/api/schema'
import { Button } from '@/design/Button'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { IconButton } from '@/design/IconButton'
import { Progress } from '@/design/Progress'
import { TimeText } from '@/design/TimeText'
import { bytes, duration, number, plural } from '@/format/format'
import { shareOf } from './backups'

interface Taken { id: string; files: number; size_bytes: number; stored_bytes: number; deleted: string[] }
interface Report { backup: string; problems: string[] | null; advice?: string[] | null; files: number; bytes: number }

/** How far a backup or its verification is, and what came of it. It goes on when one leaves the page. */
export function BackupRun({ id, before, onClose }: { id: string; before: Backup | undefined; onClose?: () => void }) {
  const { data: job, error } = useQuery(jobQuery(id))
  const client = useQueryClient()
  const state = job?.state
  // What it made is in the list then.
  useEffect(() => { if (state !== undefined && state !== 'running') void client.invalidateQueries({ queryKey: ['backups'] }) }, [client, state])
  const cancel = useMutation({ mutationFn: () => call('cancel-job', { params: { id } }), onSettled: () => client.invalidateQueries({ queryKey: ['jobs'] }) })
  const close = onClose && <IconButton small icon="cross" label="Close" onClick={onClose} />
  if (error && !job) return <div className="flex items-start gap-2 px-4 pt-2"><div className="grow"><ErrorBox problem={problemOf(error)} /></div>{close}</div>
  if (!job) return null
  const verifies = job.kind === 'backup.verify'
  if (job.state === 'running') {
    return (
      <div role="status" className="flex flex-wrap items-center gap-x-3 gap-y-1 bg-sunken px-4 py-2">
        <span className="shrink-0">{verifies ? 'Reading all of it' : 'Taking a backup'}{job.message && `: ${job.message}`}</span>
        <Progress label={verifies ? 'Verify a backup' : 'Take a backup'} share={shareOf(job, before)} className="min-w-24 grow basis-40" />
        <span className="text-12 text-soft tabular-nums">{bytes(job.done)}{job.total > 0 ? ` of ${bytes(job.total)}` : before ? ` of about ${bytes(before.size_bytes)}` : ''}, begun <TimeText at={job.started} /></span>
        <Button small icon="stop" busy={cancel.isPending} onClick={() => { cancel.mutate() }}>Stop</Button>
      </div>
    )
  }
  if (job.state !== 'done') return <div className="flex items-start gap-2 px-4 pt-2"><div className="grow"><ErrorBox problem={{ title: job.state === 'canceled' ? 'It was stopped' : verifies ? 'The backup could not be verified' : 'The backup could not be taken', detail: job.error ?? (verifies ? 'Nothing is known of what was not read.' : 'The backups that there are stay as they are; take one again.') }} /></div>{close}</div>
  const took = job.finished && duration(Date.parse(job.finished) - Date.parse(job.started))
  if (!verifies) {
    const made = job.result as Taken
    return <Said good close={close} title={`A backup of ${bytes(made.size_bytes)} is taken; it added ${bytes(made.stored_bytes)} to the store, compressed`}><p className="text-12 text-soft">{plural(made.files, 'file')} in {took}.{made.deleted.length > 0 && ` ${plural(made.deleted.length, 'older one was', 'older ones were')} deleted, as the rules say.`}</p></Said>
  }
  const found = job.result as Report
  const problems = found.problems ?? []
  const advice = found.advice ?? []
  return (
    <Said good={problems.length === 0} close={close} title={problems.length === 0 ? `All of ${found.backup} is as it was stored` : `${found.backup} is damaged`}>
      {problems.length > 0 && <ul className="list-disc pl-4">{problems.slice(0, 20).map((p) => <li key={p} className="break-words">{p}</li>)}</ul>}
      <p className="text-12 text-soft">Verified <TimeText at={job.finished} /> in {took}{found.files > 0 && <>: {number(found.files)} files</>}.</p>
      {advice.slice(0, 20).map((text) => <p key={text} className="break-words">{text}.</p>)}
    </Said>
  )
}

function Said({ good, title, close, children }: { good: boolean; title: string; close: React.ReactNode; children: React.ReactNode }) {
  return (
    <div role="status" className={`flex items-start gap-2 px-4 py-2 ${good ? 'bg-good-tint' : 'bg-bad-tint'}`}>
      <Icon name={good ? 'check' : 'rejected'} className={`mt-0.5 ${good ? 'text-good-text' : 'text-bad-text'}`} />
      <div className="min-w-0 grow"><p className="font-medium break-words">{title}</p>{children}</div>
      {close}
    </div>
  )
}
