import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { call, problemOf } from '@/api/client'
import { jobQuery } from '@/api/queries'
import { Button } from '@/design/Button'
import { CopyButton } from '@/design/CopyButton'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { IconButton } from '@/design/IconButton'
import { Progress } from '@/design/Progress'
import { TimeText } from '@/design/TimeText'
import { number, plural, shortId } from '@/format/format'

interface Verified { ok: boolean; problems: string[]; records: number; erased: number; number: number; hash: string }

/** How far a verification of the trail is, and what came of it. */
export function Verification({ id, onClose }: { id: string; onClose: () => void }) {
  const { data: job, error } = useQuery(jobQuery(id))
  const client = useQueryClient()
  const cancel = useMutation({ mutationFn: () => call('cancel-job', { params: { id } }), onSettled: () => client.invalidateQueries({ queryKey: ['jobs'] }) })
  const close = <IconButton small icon="cross" label="Close" onClick={onClose} />
  if (error && !job) return <div className="flex items-start gap-2 px-4 pt-2"><div className="grow"><ErrorBox problem={problemOf(error)} /></div>{close}</div>
  if (!job) return null
  if (job.state === 'running') {
    return (
      <div role="status" className="flex items-center gap-3 bg-sunken px-4 py-2">
        <span className="shrink-0">{number(job.done)} entries verified</span><Progress label="Verify the audit trail" share={job.total > 0 ? job.done / job.total : undefined} className="grow" />
        <Button small icon="stop" busy={cancel.isPending} onClick={() => { cancel.mutate() }}>Stop</Button>
      </div>
    )
  }
  if (job.state !== 'done') return <div className="flex items-start gap-2 px-4 pt-2"><div className="grow"><ErrorBox problem={{ title: job.state === 'canceled' ? 'The verification was stopped' : 'The trail could not be verified', detail: job.error ?? 'Nothing is known of what was not read.' }} /></div>{close}</div>
  const found = job.result as Verified
  return (
    <div role="status" className={`flex items-start gap-2 px-4 py-2 ${found.ok ? 'bg-good-tint' : 'bg-bad-tint'}`}>
      <Icon name={found.ok ? 'check' : 'rejected'} className={`mt-0.5 ${found.ok ? 'text-good-text' : 'text-bad-text'}`} />
      <div className="min-w-0 grow">
        <p className="font-medium">{found.ok ? `All ${plural(found.records, 'entry', 'entries')} are as they were written` : 'The trail is not as it was written'}{found.erased > 0 && `; ${number(found.erased)} of them were erased with their workspaces`}</p>
        {found.problems.length > 0 && <ul className="list-disc pl-4">{found.problems.slice(0, 20).map((p) => <li key={p} className="break-words">{p}</li>)}</ul>}
        <p className="flex flex-wrap items-center gap-x-1 text-12 text-soft">Verified <TimeText at={job.finished} />. Hash of number {number(found.number)}: <code className="font-mono" title={found.hash}>{shortId(found.hash, 24)}</code><CopyButton text={found.hash} label="Copy the hash" /> Whoever notes it elsewhere can hold the trail to it later.</p>
      </div>
      {close}
    </div>
  )
}
