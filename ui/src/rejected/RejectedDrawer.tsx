import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useId, useState } from 'react'
import { call, problemOf } from '@/api/client'
import { rejectedOneQuery } from '@/api/queries'
import type { Rejected, Resent } from '@/api/schema'
import { Badge, type Meaning } from '@/design/Badge'
import { Button } from '@/design/Button'
import { CodeBlock } from '@/design/CodeBlock'
import { CopyButton } from '@/design/CopyButton'
import { Drawer } from '@/design/Drawer'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { SkeletonRows } from '@/design/Skeleton'
import { TimeText } from '@/design/TimeText'
import { Facts } from '@/design/View'
import { sentence } from '@/format/format'
import { mistakeIn, pretty } from './mend'

interface Props { id: string; onClose: () => void; onNext?: () => void; onPrevious?: () => void }

/** One rejected event: why, what was received, and mending it. */
export function RejectedDrawer({ id, ...rest }: Props) {
  const { data, error } = useQuery(rejectedOneQuery(id))
  return (
    <Drawer title={data ? sentence(data.reason) : 'Rejected event'} about={data && <>{data.source} · <TimeText at={data.received_at} /></>} {...rest}>
      {error ? <div className="p-4"><ErrorBox problem={problemOf(error)} /></div> : data ? <Body rejected={data} /> : <SkeletonRows />}
    </Drawer>
  )
}

function Body({ rejected }: { rejected: Rejected }) {
  return (
    <div className="grid gap-5 p-4">
      <Facts facts={[
        ['Reason', <strong key="r" className="font-semibold text-bad-text">{sentence(rejected.reason)}</strong>],
        ...(rejected.field ? [['Field', <code key="f" className="font-mono text-12">{rejected.field}</code>] as [string, React.ReactNode]] : []),
        ['Source', rejected.source],
        ['Received', <TimeText key="t" at={rejected.received_at} full />],
        ['Id', <span key="i" className="inline-flex max-w-full items-center gap-1"><code className="truncate font-mono text-12">{rejected.id}</code><CopyButton text={rejected.id} /></span>],
        ...(rejected.outcome ? [['Sent again', <Badge key="o" meaning={meanings[rejected.outcome]}>{rejected.outcome}</Badge>] as [string, React.ReactNode]] : []),
      ]} />
      {rejected.raw === undefined
        ? <section><h3 className="mb-1 text-12 font-medium text-soft">What was received is no text</h3><CodeBlock label="Base64" code={rejected.raw_base64 ?? ''} wrap /></section>
        : <Mend key={rejected.id} rejected={rejected} raw={rejected.raw} />}
    </div>
  )
}

const meanings: Record<Resent['outcome'], Meaning> = { accepted: 'good', 'partly accepted': 'warning', duplicate: 'neutral', rejected: 'bad' }

function Mend({ rejected, raw }: { rejected: Rejected; raw: string }) {
  const start = pretty(raw)
  const [text, setText] = useState(start)
  const id = useId()
  const client = useQueryClient()
  const mistake = mistakeIn(text)
  const changed = text !== start
  const resend = useMutation({
    mutationFn: () => call('resend-rejected', { params: { id: rejected.id }, body: changed ? { body: JSON.parse(text) as unknown } : {} }),
    onSettled: () => Promise.all([client.invalidateQueries({ queryKey: ['rejected'] }), client.invalidateQueries({ queryKey: ['status'] })]),
  })
  return (
    <section className="grid gap-2">
      <label htmlFor={id} className="text-12 font-medium text-soft">What was received: mend it and send it again</label>
      <textarea id={id} value={text} onChange={(e) => { setText(e.target.value); resend.reset() }} spellCheck={false} aria-invalid={mistake ? true : undefined} aria-describedby={`${id}-more`}
        rows={Math.min(24, Math.max(6, text.split('\n').length + 1))} onKeyDown={(e) => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey) && !mistake) resend.mutate() }}
        className="w-full rounded-outer border border-control bg-surface p-2.5 font-mono text-12 leading-5" />
      <p id={`${id}-more`} className={mistake ? 'text-12 text-bad-text' : 'text-12 text-soft'}>{mistake ?? (rejected.truncated ? 'It was too large to keep whole: this is its beginning.' : changed ? 'Changed.' : 'Unchanged.')}</p>
      <div className="flex items-center gap-2">
        <Button look="main" icon="send" busy={resend.isPending} disabled={mistake !== undefined} onClick={() => { resend.mutate() }}>{changed ? 'Send the mended event' : 'Send again as it is'}</Button>
        {changed && <Button look="quiet" onClick={() => { setText(start); resend.reset() }}>Undo</Button>}
      </div>
      {resend.error && <ErrorBox problem={problemOf(resend.error)} />}
      {resend.data && <Outcome resent={resend.data} />}
    </section>
  )
}

function Outcome({ resent }: { resent: Resent }) {
  const texts: Record<Resent['outcome'], string> = {
    accepted: 'It was accepted and is in the log.', 'partly accepted': 'A part of it was accepted.', duplicate: 'It was taken, and is a duplicate: an earlier event has its id.', rejected: 'It was rejected again.',
  }
  const good = resent.outcome === 'accepted'
  return (
    <div role="status" className={`flex gap-2 rounded-outer px-3 py-2.5 ${good ? 'bg-good-tint' : resent.outcome === 'rejected' ? 'bg-bad-tint' : 'bg-warning-tint'}`}>
      <Icon name={good ? 'check' : 'rejected'} className={`mt-0.5 ${good ? 'text-good-text' : resent.outcome === 'rejected' ? 'text-bad-text' : 'text-warning-text'}`} />
      <div className="min-w-0">
        <p className="font-semibold">{texts[resent.outcome]}</p>
        {resent.reason && <p className="break-words">{sentence(resent.reason)}</p>}
        {resent.position && <p className="text-12 text-soft">Position <code className="font-mono">{resent.position}</code></p>}
      </div>
    </div>
  )
}
