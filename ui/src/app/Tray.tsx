import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { jobsQuery } from '@/api/queries'
import { call } from '@/api/client'
import type { Job } from '@/api/schema'
import { Icon } from '@/design/Icon'
import { IconButton } from '@/design/IconButton'
import { Popover } from '@/design/Popover'
import { Progress } from '@/design/Progress'
import { TimeText } from '@/design/TimeText'
import { duration, number } from '@/format/format'

const kinds: Record<string, string> = { 'warehouse.rebuild': 'Rebuild the warehouse', 'archive.verify': 'Verify the archive', 'log.verify': 'Verify the log', 'audit.verify': 'Verify the audit trail', 'backup.take': 'Take a backup', 'backup.verify': 'Verify a backup', 'rejected.resend': 'Resend rejected events', 'table.profile': 'Profile a table', query: 'A query' }

/** The long work that someone asked for: it goes on when one leaves the page. */
export function Tray() {
  const { data } = useQuery(jobsQuery)
  const running = data?.jobs.filter((job) => job.state === 'running').length ?? 0
  return (
    <span className="relative">
      <Popover label="Jobs" button={<IconButton icon="tray" label={running > 0 ? `Jobs: ${number(running)} running` : 'Jobs'} />} className="w-90 p-3">
        {() => data && data.jobs.length > 0
          ? <ul className="grid gap-3">{data.jobs.slice(0, 12).map((job) => <li key={job.id}><One job={job} /></li>)}</ul>
          : <p className="text-soft">Nothing runs. Rebuilds, verifications and resends are listed here while they run and after.</p>}
      </Popover>
      {running > 0 && <span aria-hidden="true" className="pointer-events-none absolute top-1 right-1 size-2 rounded-full bg-accent" />}
    </span>
  )
}

function One({ job }: { job: Job }) {
  const client = useQueryClient()
  const cancel = useMutation({ mutationFn: () => call('cancel-job', { params: { id: job.id } }), onSettled: () => client.invalidateQueries({ queryKey: ['jobs'] }) })
  const share = job.total > 0 ? job.done / job.total : undefined
  const running = job.state === 'running'
  const took = job.finished && duration(Date.parse(job.finished) - Date.parse(job.started))
  return (
    <div className="grid gap-1">
      <div className="flex items-center gap-2">
        <Icon name={running ? 'refresh' : job.state === 'done' ? 'check' : 'cross'} size={14} className={running ? 'spin text-accent-text' : job.state === 'done' ? 'text-good-text' : 'text-bad-text'} />
        <span className="grow font-medium">{kinds[job.kind] ?? job.kind}</span>
        {running && <IconButton small icon="stop" label="Stop" onClick={() => { cancel.mutate() }} />}
      </div>
      {running && <Progress label={kinds[job.kind] ?? job.kind} share={share} />}
      <div className="text-12 text-soft">
        {number(job.done)}{job.total > 0 && ` of ${number(job.total)}`} {job.unit ?? ''}{job.message && `, ${job.message}`} · {running ? <TimeText at={job.started} /> : <>{job.state} in {took}</>}
      </div>
      {job.error && <div className="text-12 break-words text-bad-text">{job.error}</div>}
    </div>
  )
}
