import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useId, useState } from 'react'
import { call, problemOf } from '@/api/client'
import { jobQuery, rejectedOneQuery } from '@/api/queries'
import type { Job, RejectedGroup, ResendResult } from '@/api/schema'
import { StateDot, type Meaning } from '@/design/Badge'
import { Button } from '@/design/Button'
import { CodeBlock } from '@/design/CodeBlock'
import { Dialog } from '@/design/Dialog'
import { ErrorBox } from '@/design/ErrorBox'
import { Progress } from '@/design/Progress'
import { number, plural, sentence } from '@/format/format'
import { merged, mistakeIn, pretty } from './mend'

/** Sends all open events of a group again, each mended by the same patch. */
export function ResendDialog({ group, onClose }: { group: RejectedGroup; onClose: () => void }) {
  const [patch, setPatch] = useState('{\n  \n}')
  const id = useId()
  const client = useQueryClient()
  const example = useQuery({ ...rejectedOneQuery(group.examples[0] ?? ''), enabled: group.examples.length > 0 })
  const start = useMutation({ mutationFn: () => {
    const value = JSON.parse(patch) as Record<string, unknown>
    return call('resend-many', { body: { filter: { group: group.group, source: group.source, field: group.field }, patch: Object.keys(value).length > 0 ? value : undefined } })
  } })
  const job = useQuery({ ...jobQuery(start.data?.id ?? ''), enabled: start.data !== undefined })
  const state = job.data ?? start.data
  const mistake = mistakeIn(patch)
  const after = example.data?.raw !== undefined && !mistake ? merged(example.data.raw, patch) : undefined
  const close = () => {
    void client.invalidateQueries({ queryKey: ['rejected'] })
    void client.invalidateQueries({ queryKey: ['status'] })
    void client.invalidateQueries({ queryKey: ['jobs'] })
    onClose()
  }
  return (
    <Dialog wide title={`Resend ${plural(group.open, 'event')}`} onClose={close} actions={state === undefined
      ? <><Button look="quiet" onClick={close}>Cancel</Button><Button look="main" icon="send" busy={start.isPending} disabled={mistake !== undefined} onClick={() => { start.mutate() }}>Resend {plural(group.open, 'event')}</Button></>
      : <Button onClick={close}>{state.state === 'running' ? 'Go on in the background' : 'Close'}</Button>}>
      <div className="grid gap-4">
        <p><strong className="font-semibold">{sentence(group.group)}</strong> <span className="text-soft">in {group.source}</span></p>
        {state === undefined ? (
          <>
            <div className="grid gap-1">
              <label htmlFor={id} className="text-12 font-medium text-soft">Mend each with this JSON merge patch; empty sends them as they are</label>
              <textarea id={id} rows={5} value={patch} onChange={(e) => { setPatch(e.target.value) }} spellCheck={false} aria-invalid={mistake ? true : undefined} aria-describedby={`${id}-more`} className="w-full rounded-outer border border-control bg-surface p-2.5 font-mono text-12 leading-5" />
              <p id={`${id}-more`} className={mistake ? 'text-12 text-bad-text' : 'text-12 text-soft'}>{mistake ?? `A member takes the place of the event's; null takes it away: {"${group.field ?? 'event'}": "…"}`}</p>
            </div>
            {after !== undefined && <div><p className="mb-1 text-12 font-medium text-soft">One of them would be sent as</p><CodeBlock label="Mended example" code={pretty(after)} className="max-h-60 overflow-auto" /></div>}
          </>
        ) : <Outcome job={state} />}
        {start.error && <ErrorBox problem={problemOf(start.error)} />}
      </div>
    </Dialog>
  )
}

const meanings: Record<string, Meaning> = { accepted: 'good', 'partly accepted': 'warning', duplicate: 'neutral', rejected: 'bad', failed: 'bad' }

function Outcome({ job }: { job: Job }) {
  const result = job.result as ResendResult | undefined
  return (
    <div role="status" className="grid gap-3">
      {job.state === 'running' && <><Progress label="Resending" share={job.total > 0 ? job.done / job.total : undefined} /><p className="text-soft">{number(job.done)}{job.total > 0 && ` of ${number(job.total)}`} sent</p></>}
      {job.error && <ErrorBox problem={{ title: 'It did not finish', detail: job.error }} />}
      {result && (
        <>
          <p className="flex flex-wrap gap-4">{Object.entries(result.outcomes).filter(([, n]) => n > 0).map(([word, n]) => <StateDot key={word} meaning={meanings[word] ?? 'neutral'}>{number(n)} {word}</StateDot>)}</p>
          {result.list.some((r) => r.reason) && <ul className="grid max-h-60 gap-1 overflow-auto text-12">{result.list.filter((r) => r.reason).slice(0, 50).map((r) => <li key={r.rejected_id} className="break-words"><code className="font-mono">{r.rejected_id}</code> {sentence(r.reason ?? '')}</li>)}</ul>}
        </>
      )}
    </div>
  )
}
