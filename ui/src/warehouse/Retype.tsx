import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState, type ReactNode } from 'react'
import { call, problemOf, ProblemError } from '@/api/client'
import { jobQuery, typeQuery } from '@/api/queries'
import type { FileProblem, Job, TableColumn, TypePreview, ValueCount } from '@/api/schema'
import { Badge } from '@/design/Badge'
import { Button } from '@/design/Button'
import { cx } from '@/design/cx'
import { Dialog } from '@/design/Dialog'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { Progress } from '@/design/Progress'
import { Select } from '@/design/Select'
import { SkeletonRows } from '@/design/Skeleton'
import { number, plural } from '@/format/format'
import { rebuilt, whyNot, wordsOf, type Edited } from './retype'
import { written } from './sqltext'

const types = ['bool', 'bigint', 'double', 'timestamptz', 'text', 'json'] as const
type Type = (typeof types)[number]

interface Props { schema: string; table: string; kind: string; column: TableColumn; onClose: () => void }

/** Changes a column's type: what would change first, then the source's file, then the tables. */
export function Retype(props: Props) {
  const not = whyNot(props.kind, props.schema, props.column)
  if (not !== undefined) {
    return <Dialog title={`${props.column.name} stays ${props.column.type}`} onClose={props.onClose} actions={<Button look="main" onClick={props.onClose}>Close</Button>}><p>{not}</p></Dialog>
  }
  return <Change {...props} />
}

/** save writes the type into the source's file, and leaves it as it was when the project would not be served then. */
async function save(preview: TypePreview): Promise<Edited> {
  const { file, path, value } = preview.apply
  const [{ reloads }, before] = await Promise.all([call('list-files', {}), call('read-file', { params: { path: file } })])
  const body = { path: file, etag: before.etag, changes: [{ op: 'set' as const, path, value }] }
  const dry = await call('edit-file', { body: { ...body, dry: true } })
  if (dry.problems.length > 0) throw new ProblemError({ kind: 'conflict', status: 409, title: 'The type was not changed', detail: `The project would not be served with it:\n${dry.problems.map(said).join('\n')}` })
  const done = await call('edit-file', { body })
  return { file, reloads, before: before.text, etag: done.etag, from: preview.from, to: preview.to }
}

const said = (p: FileProblem) => `${p.path}:${p.line}: ${p.message}`

function Change({ schema, table, column, onClose }: Props) {
  const [to, setTo] = useState<Type>(() => types.find((t) => t !== column.type && t === (column.type === 'text' ? 'double' : 'text')) ?? 'json')
  const [job, setJob] = useState<string>()
  const [edited, setEdited] = useState<Edited>()
  const [back, setBack] = useState(false)
  const client = useQueryClient()
  const preview = useQuery({ ...typeQuery(schema, table, column.name, to), enabled: edited === undefined })
  const running = useQuery({ ...jobQuery(job ?? ''), enabled: job !== undefined })
  const again = () => { void client.invalidateQueries({ queryKey: ['tables'] }); void client.invalidateQueries({ queryKey: ['files'] }) }
  const rebuild = async (yes = false) => { setJob((await call('start-rebuild', { body: { source: schema, ...(yes ? { yes } : {}) } })).id) }
  const apply = useMutation({ mutationFn: async (p: TypePreview) => {
    const made = await save(p)
    setEdited(made)
    again()
    if (made.reloads) await rebuild()
  } })
  const swap = useMutation({ mutationFn: () => rebuild(true) })
  const undo = useMutation({ mutationFn: async (e: Edited) => {
    const saved = await call('save-file', { params: { path: e.file }, body: { text: e.before, etag: e.etag } })
    setBack(true)
    setEdited({ ...e, etag: saved.etag })
    again()
    if (e.reloads) await rebuild()
  } })
  const busy = job !== undefined && running.data?.state !== 'done' && running.data?.state !== 'failed' && running.data?.state !== 'canceled'
  const ended = running.data?.state === 'done' ? running.data.id : undefined
  useEffect(() => { if (ended !== undefined) void client.invalidateQueries({ queryKey: ['tables'] }) }, [ended, client])
  const close = () => { again(); onClose() }
  const problem = apply.error ?? undo.error ?? swap.error
  const title = `Change the type of ${table}.${column.name}`
  if (edited === undefined) {
    const p = preview.data
    return (
      <Dialog wide title={title} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="main" busy={apply.isPending} disabled={!p || p.to !== to} onClick={() => { if (p) apply.mutate(p) }}>Change to {to}, and rebuild {schema}</Button></>}>
        <div className="grid gap-4 *:min-w-0">
          <div className="flex items-end gap-3"><span className="flex h-8 items-center"><Badge mono>{column.type}</Badge></span><Icon name="right" size={14} className="mb-2 text-faint" />
            <Select label="New type" hideLabel className="max-w-72 min-w-0 grow" value={to} onValue={(v) => { setTo(types.find((t) => t === v) ?? 'text') }} options={types.filter((t) => t !== column.type).map((t) => ({ value: t, label: `${t}: ${wordsOf[t]}` }))} /></div>
          {preview.error ? <ErrorBox problem={problemOf(preview.error)} onRetry={() => void preview.refetch()} /> : !p ? <SkeletonRows rows={4} /> : <Preview preview={p} old={p.to !== to} />}
          {problem && <ErrorBox problem={problemOf(problem)} />}
        </div>
      </Dialog>
    )
  }
  return (
    <Dialog wide title={title} onClose={close} actions={<>
      {!busy && !back && <Button look="quiet" busy={undo.isPending} onClick={() => { undo.mutate(edited) }}>Change back to {edited.from}</Button>}
      <Button look="main" onClick={close}>{busy ? 'Go on in the background' : 'Close'}</Button></>}>
      <div className="grid gap-3">
        <Step done>{back ? <><code className="font-mono text-12">{edited.file}</code> says again what it said before.</> : <><code className="font-mono text-12">{edited.file}</code> says <code className="font-mono text-12">{table}.{column.name}: {edited.to}</code>.</>}</Step>
        {edited.reloads ? <Rebuild job={running.data} schema={schema} table={table} onSwap={() => { swap.mutate() }} /> : <Step>This server reads its project when it starts: start it again, then run <code className="font-mono text-12">millrace warehouse rebuild --source {schema}</code>. Until then the column stays {edited.from}.</Step>}
        {problem && <ErrorBox problem={problemOf(problem)} />}
        {!busy && !back && <p className="text-12 text-soft">Changing back puts the file as it was and rebuilds again. Nothing is lost either way: log and archive have every record as it was sent.</p>}
      </div>
    </Dialog>
  )
}

function Step({ done = false, children }: { done?: boolean; children: ReactNode }) {
  return <p className="flex gap-2"><Icon name={done ? 'check' : 'right'} className={cx('mt-0.5', done ? 'text-good-text' : 'text-faint')} /><span className="min-w-0 break-words">{children}</span></p>
}

function Rebuild({ job, schema, table, onSwap }: { job: Job | undefined; schema: string; table: string; onSwap: () => void }) {
  if (!job || job.state === 'running') {
    return (
      <div role="status" className="grid gap-2"><Step>Making the tables of {schema} anew beside the live ones{job && job.done > 0 && <>: {plural(job.done, 'record')} read{job.total > job.done && ` of about ${number(job.total)}`}{job.message && `, ${job.message}`}</>}. Loading and queries go on.</Step><Progress label="Rebuild" share={job && job.total > 0 ? job.done / job.total : undefined} /></div>
    )
  }
  if (job.state !== 'done') {
    const fewer = job.error?.includes('would lose rows') === true
    return <ErrorBox problem={{ title: job.state === 'canceled' ? 'The rebuild was stopped' : 'The rebuild was not swapped in', detail: `${job.error ?? 'It ended before it was through.'} The tables are as they were; what comes from now on has to fit the old type.` }} action={fewer && <Button small look="danger" onClick={onSwap}>Rebuild with fewer rows</Button>} />
  }
  const result = rebuilt(job.result)
  const rows = result?.tables.find((t) => t.table === `${schema}.${table}`)
  const aside = result?.tables.find((t) => t.table === `${schema}.discards`)
  return (
    <>
      <Step done>{number(result?.records)} records were shaped again; the new tables are in place.</Step>
      {rows && <Step done>{schema}.{table} has {plural(rows.rows_after, 'row')}{rows.rows_after !== rows.rows_before && `, before ${number(rows.rows_before)}`}.</Step>}
      {aside && <Step done>{schema}.discards has {plural(aside.rows_after, 'row')}{aside.rows_after !== aside.rows_before && `, before ${number(aside.rows_before)}`}.</Step>}
    </>
  )
}

function Preview({ preview: p, old }: { preview: TypePreview; old: boolean }) {
  return (
    <div className={cx('grid gap-4 *:min-w-0', old && 'opacity-55')}>
      <dl className="grid gap-x-6 gap-y-2 wide:grid-cols-3">
        <Count label={p.kept === 1 ? 'row keeps its value' : 'rows keep their value'} n={p.kept} note={`of ${plural(p.filled, 'row')} that ${p.filled === 1 ? 'has' : 'have'} one`} />
        <Count label={p.lost === 1 ? `row would lose it: it is no ${p.to}` : `rows would lose it: it is no ${p.to}`} n={p.lost} note="it would go to discards" bad />
        <Count label={p.regained === 1 ? 'value would come back' : 'values would come back'} n={p.regained} note={`of ${number(p.discarded)} in discards`} good />
      </dl>
      {p.lost > 0 && <Values title="Would go to discards" values={p.lost_examples} of={p.lost} />}
      {p.regained > 0 && <Values title="Would come back from discards" values={p.regained_examples} of={p.regained} />}
      {p.truncated && <p className="text-12 text-soft">There are more than a million different values: these numbers are of those that were looked at.</p>}
      <p className="text-12 text-soft">Writes <code className="font-mono break-all">{p.apply.path.at(-1)}: {p.apply.value}</code> under <code className="font-mono">types</code> in {p.apply.file}, with its comments kept, and makes the tables of {p.schema} anew from the archive and the log.</p>
    </div>
  )
}

function Count({ label, n, note, good = false, bad = false }: { label: string; n: number; note: string; good?: boolean; bad?: boolean }) {
  return (
    <div className="max-wide:grid max-wide:grid-cols-[76px_minmax(0,1fr)] max-wide:items-baseline max-wide:gap-x-3">
      <dd className={cx('text-20 font-semibold max-wide:text-right max-wide:text-15', n > 0 && good && 'text-good-text', n > 0 && bad && 'text-bad-text')}>{number(n)}</dd><dt>{label}</dt><dd className="text-12 text-soft max-wide:col-start-2">{note}</dd>
    </div>
  )
}

function Values({ title, values, of }: { title: string; values: ValueCount[]; of: number }) {
  return (
    <section aria-label={title}>
      <h3 className="mb-1 text-12 font-medium text-soft">{title}</h3>
      <ul className="max-h-40 overflow-auto rounded-outer bg-sunken px-3 py-2 font-mono text-12">
        {values.map((v, i) => <li key={i} className="flex gap-3"><span className="min-w-0 grow truncate">{written(v.value) === '' ? <span className="text-faint italic">empty</span> : written(v.value)}</span><span className="text-soft tabular-nums">{number(v.count)}</span></li>)}
        {values.reduce((n, v) => n + v.count, 0) < of && <li className="text-soft">and others</li>}
      </ul>
    </section>
  )
}
