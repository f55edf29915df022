import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call, problemOf, urlOf } from '@/api/client'
import { releaseDiffQuery, releasePlanQuery } from '@/api/control'
import { useMay } from '@/api/may'
import type { Deployment, DiffFile, Plan, Release } from '@/api/schema'
import { Badge, StateDot } from '@/design/Badge'
import { Button } from '@/design/Button'
import { cx } from '@/design/cx'
import { Dialog } from '@/design/Dialog'
import { Drawer } from '@/design/Drawer'
import { ErrorBox } from '@/design/ErrorBox'
import { Input } from '@/design/Input'
import { Bytes } from '@/design/NumberText'
import { Select } from '@/design/Select'
import { SkeletonRows } from '@/design/Skeleton'
import { TimeText } from '@/design/TimeText'
import { toast } from '@/design/Toast'
import { Facts } from '@/design/View'
import { plural, sentence } from '@/format/format'
import { origins, resourceOf, severityOf, signOf, wayOf } from './releases'

interface Props { release: Release; running: number; onClose: () => void; onNext?: () => void; onPrevious?: () => void }

/** One version: who made it and why, how it differs from another, and running it here. */
export function ReleaseDrawer({ release, running, ...rest }: Props) {
  const [asking, ask] = useState(false)
  const may = useMay()
  const here = release.number === running
  return (
    <Drawer title={`Version ${release.number}`} about={here && <StateDot meaning="good">Runs here</StateDot>} {...rest}>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-5 p-4">
        <div className="flex flex-wrap gap-2">
          {!here && may('release:deploy') && <Button look="main" icon={wayOf(release.number, running) === 'back' ? 'history' : 'play'} onClick={() => { ask(true) }}>{wayOf(release.number, running) === 'back' ? 'Roll back to it' : 'Run it here'}</Button>}
          <Button icon="download" onClick={() => { location.assign(urlOf('get-release-files', { number: release.number })) }}>Download its files</Button>
        </div>
        <Facts facts={[
          ['Why', release.message ? <span dir="auto" key="m" className="break-words whitespace-pre-wrap">{release.message}</span> : 'no message'],
          ['Who', release.author], ['How', `${origins[release.origin]}${release.source ? `, of version ${release.source}` : ''}`],
          ['When', <TimeText key="c" at={release.created} full />],
          ['Made of', release.parent > 0 ? `version ${release.parent}` : 'nothing before'],
          ['Holds', <span key="f">{plural(release.files, 'file')}, <Bytes value={release.size_bytes} /></span>],
          ...(release.runs_in.length > 0 ? [['Runs in', <span key="r" className="flex flex-wrap gap-1">{release.runs_in.map((e) => <Badge key={e} meaning="good">{e}</Badge>)}</span>] as [string, React.ReactNode]] : []),
        ]} />
        <Differs release={release} running={running} />
      </div>
      {asking && <RunDialog release={release} running={running} onClose={() => { ask(false) }} />}
    </Drawer>
  )
}

function Differs({ release, running }: { release: Release; running: number }) {
  const [from, setFrom] = useState(release.parent)
  const { data, error } = useQuery(releaseDiffQuery(release.number, from))
  const options = [{ value: String(release.parent), label: release.parent > 0 ? `version ${release.parent}, of which it was made` : 'nothing' }, ...(running > 0 && running !== release.number && running !== release.parent ? [{ value: String(running), label: `version ${running}, which runs here` }] : [])]
  return (
    <section className="grid grid-cols-[minmax(0,1fr)] gap-3">
      <Select label="How it differs from" value={String(from)} onValue={(v) => { setFrom(Number(v)) }} options={options} />
      {error ? <ErrorBox problem={problemOf(error)} /> : !data ? <SkeletonRows rows={3} /> : data.files.length === 0 ? <p className="text-soft">In nothing: all files are the same.</p> : data.files.map((f) => <FileDiff key={f.path} file={f} />)}
    </section>
  )
}

/** What changes in one file. */
export function FileDiff({ file }: { file: DiffFile }) {
  return (
    <section aria-label={file.path} className="min-w-0">
      <h3 className="mb-1 flex items-center gap-2"><code className="min-w-0 truncate font-mono text-12 font-medium" title={file.path}>{file.path}</code><Badge>{file.op}</Badge></h3>
      {file.binary || !file.hunks ? <p className="text-12 text-soft">{file.binary ? 'It is no text.' : 'Its text is the same.'}</p> : (
        // Long lines scroll, also with the keyboard.
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        <div tabIndex={0} role="region" aria-label={`What changes in ${file.path}`} className="relative max-h-100 overflow-auto rounded-outer bg-sunken py-1 font-mono text-12">
          {file.hunks.map((h, i) => (
            <div key={i}>
              <div className="px-3 text-faint">line {h.new_line}</div>
              {h.lines.map((l, j) => (
                <div key={j} className={cx('flex gap-3 px-3', l.op === '+' && 'bg-good-tint', l.op === '-' && 'bg-bad-tint')}>
                  <span className={cx('w-3 shrink-0', l.op === '+' ? 'text-good-text' : 'text-bad-text')}>{l.op === '+' ? <><span aria-hidden="true">+</span><span className="sr-only">added</span></> : l.op === '-' ? <><span aria-hidden="true">−</span><span className="sr-only">removed</span></> : ''}</span>
                  <span className="whitespace-pre">{l.text || ' '}</span>
                </div>
              ))}
            </div>
          ))}
        </div>
      )}
    </section>
  )
}

/** What a plan says: what follows first, then what changes. */
export function PlanView({ plan }: { plan: Plan }) {
  if (plan.outcome === 'none') return <p>Nothing would change.</p>
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-3">
      {plan.effects.length > 0 && (
        <ul className="grid gap-1.5">{plan.effects.map((e, i) => {
          const s = severityOf(e)
          return <li key={i} className={cx('rounded-outer px-3 py-2', s.meaning === 'bad' ? 'bg-bad-tint' : s.meaning === 'warning' ? 'bg-warning-tint' : 'bg-info-tint')}><p className="break-words"><strong className="font-semibold">{sentence(s.word)}:</strong> {e.message}</p>{e.do && !/^nothing\.?$/i.test(e.do) && <p className="text-12 break-words text-soft">{e.do}</p>}</li>
        })}</ul>
      )}
      <ul className="grid gap-1 font-mono text-12">
        {plan.resources.map((r) => <li key={`${r.folder ?? ''}/${r.name}/${r.file}`} className="break-all"><span aria-hidden="true" className="inline-block w-4">{signOf(r.op)}</span>{resourceOf(r)} <span className="font-sans text-soft">{r.op}{r.fields && r.fields.length > 0 && `: ${r.fields.slice(0, 6).map((f) => f.path).join(', ')}${r.fields.length > 6 ? ' …' : ''}`}</span></li>)}
        {plan.files.map((f) => <li key={f.path} className="break-all"><span aria-hidden="true" className="inline-block w-4">{signOf(f.op)}</span>{f.path} <span className="font-sans text-soft">{f.op}</span></li>)}
      </ul>
    </div>
  )
}

function RunDialog({ release, running, onClose }: { release: Release; running: number; onClose: () => void }) {
  const [message, setMessage] = useState('')
  const plan = useQuery(releasePlanQuery(release.number))
  const client = useQueryClient()
  const back = wayOf(release.number, running) === 'back'
  const why = message.trim() ? { message: message.trim() } : {}
  const run = useMutation({
    mutationFn: (): Promise<Deployment> => back ? call('roll-back-release', { body: { to: release.number, base: running, ...why } }) : call('promote-release', { body: { version: release.number, ...why } }),
    onSuccess: (d) => {
      if (d.state !== 'healthy') return
      toast(`Version ${d.version} runs here`, { meaning: 'good' })
      onClose()
    },
    onSettled: () => Promise.all(['releases', 'files', 'status', 'sources'].map((key) => client.invalidateQueries({ queryKey: [key] }))),
  })
  const breaks = plan.data?.outcome === 'breaking'
  return (
    <Dialog wide title={back ? `Back to version ${release.number}?` : `Run version ${release.number} here?`} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look={breaks ? 'danger' : 'main'} busy={run.isPending} disabled={!plan.data} onClick={() => { run.mutate() }}>{back ? 'Roll back' : 'Run it'}</Button></>}>
      <form className="grid grid-cols-[minmax(0,1fr)] gap-4" onSubmit={(e) => { e.preventDefault(); if (plan.data && !run.isPending) run.mutate() }}>
        <p>What would change here against version {running}. It is all or nothing: no event is lost or doubled, and when it is not healthy after, the version before runs again by itself.</p>
        {plan.error ? <ErrorBox problem={problemOf(plan.error)} onRetry={() => void plan.refetch()} /> : !plan.data ? <SkeletonRows rows={3} /> : <PlanView plan={plan.data} />}
        <Input label="Why" value={message} maxLength={1000} onChange={(e) => { setMessage(e.target.value) }} placeholder={back ? 'what went wrong' : ''} hint="Whoever looks at the list later knows." />
        {run.error && <ErrorBox problem={problemOf(run.error)} />}
        {run.data && run.data.state !== 'healthy' && <ErrorBox problem={{ title: 'It does not run', detail: run.data.error ?? `It is ${run.data.state}: look at the deployments.` }} />}
      </form>
    </Dialog>
  )
}
