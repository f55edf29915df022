import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useEffect, useMemo, useRef, useState } from 'react'
import { call, curlOf, problemOf, ProblemError, shell } from '@/api/client'
import { catalogQuery, tablesQuery } from '@/api/queries'
import type { Job, StoredResult, TableSummary } from '@/api/schema'
import { Button } from '@/design/Button'
import { copyText } from '@/design/CopyButton'
import { cx } from '@/design/cx'
import { Editor, type EditorHandle, type Mistake } from '@/design/Editor'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { IconButton } from '@/design/IconButton'
import { Kbd } from '@/design/Kbd'
import { useKeys } from '@/design/keys'
import { Menu } from '@/design/Menu'
import { useNow } from '@/design/now'
import { Popover } from '@/design/Popover'
import { SplitPane } from '@/design/SplitPane'
import { useChoice } from '@/design/theme'
import { TimeText } from '@/design/TimeText'
import { toast } from '@/design/Toast'
import { View } from '@/design/View'
import { duration, number, plural } from '@/format/format'
import { Result } from './Result'
import { mistakeOf, name } from './sqltext'
import { add, close, open, ran, remember, tabs as tabsChoice } from './tabs'

const route = getRouteApi('/warehouse/')

type Run =
  | { state: 'running'; since: number; stop: () => void; job?: Job }
  | { state: 'done'; sql: string; result: StoredResult }
  | { state: 'failed'; sql: string; problem: ProblemError; mistake?: Mistake }
  | { state: 'stopped' }

export default function Sql() {
  const { sql: linked } = route.useSearch()
  const [all, setAll] = useChoice(tabsChoice)
  const [runs, setRuns] = useState<Record<string, Run>>({})
  const editor = useRef<EditorHandle>(null)
  const client = useQueryClient()
  const tables = useQuery(tablesQuery)
  const tab = all.open.find((t) => t.id === all.chosen) ?? all.open[0]
  const run = tab && runs[tab.id]
  // A link to a query opens it, once.
  useEffect(() => { if (linked) tabsChoice.set(open(tabsChoice.get(), linked)) }, [linked])

  const start = () => {
    if (!tab) return
    const { text, line } = editor.current?.chosen() ?? { text: tab.sql, line: 1 }
    if (text.trim() === '') return
    const control = new AbortController()
    const put = (next: Run) => { setRuns((before) => ({ ...before, [tab.id]: next })) }
    const since = Date.now()
    put({ state: 'running', since, stop: () => { control.abort() } })
    ask(text, control.signal, (job) => { put({ state: 'running', since, job, stop: () => { control.abort() } }) }).then((result) => {
      put({ state: 'done', sql: text, result })
      remember({ sql: text, at: Date.now(), rows: result.rows, ms: result.elapsed_ms })
      void client.invalidateQueries({ queryKey: ['tables'] })
    }).catch((thrown: unknown) => {
      if (control.signal.aborted) { put({ state: 'stopped' }); return }
      const problem = problemOf(thrown)
      put({ state: 'failed', sql: text, problem, mistake: problem.line !== undefined ? { line: problem.line + line - 1, column: problem.column ?? 1, message: problem.detail } : mistakeOf(problem.detail, text, line) })
      remember({ sql: text, at: Date.now(), failed: true })
    })
  }
  const change = (sql: string) => { if (tab) tabsChoice.set({ ...tabsChoice.get(), open: tabsChoice.get().open.map((t) => t.id === tab.id ? { ...t, sql } : t) }) }
  const known = useQuery(catalogQuery).data
  const mistakes = useMemo(() => run?.state === 'failed' && run.mistake ? [run.mistake] : [], [run])
  useKeys([{ keys: 'Mod+Enter', label: 'Run the statement', group: 'SQL', run: start }])
  if (!tab) return null
  const copy = (text: string, what: string) => { void copyText(text).then(() => { toast(`Copied ${what}`) }) }
  return (
    <View crumbs={[{ title: 'Warehouse' }, { title: 'SQL' }]}
      actions={<>
        {run?.state === 'running' ? <Button icon="stop" onClick={run.stop}>Stop</Button> : <Button look="main" icon="play" disabled={tab.sql.trim() === ''} onClick={start}>Run</Button>}
        <History onOpen={(sql) => { setAll(open(all, sql)) }} />
        <Menu label="More" button={<IconButton icon="more" label="More" />} items={[
          { label: 'Copy a link', icon: 'link', onChoose: () => { copy(`${location.origin}/warehouse?${new URLSearchParams({ sql: tab.sql })}`, 'a link') } },
          { label: 'Copy as curl', icon: 'copy', onChoose: () => { copy(curlOf('query', { body: { sql: tab.sql } }, location.origin), 'as curl') } },
          { label: 'Copy as command', icon: 'copy', onChoose: () => { copy(`millrace query ${shell(tab.sql)}`, 'as command') } },
        ]} />
      </>}>
      <TabLine all={all} onChange={setAll} />
      <SplitPane name="sql" label="Editor and result" vertical start={0.36} className="grow"
        first={<Editor key={tab.id} ref={editor} label="SQL" language="sql" value={tab.sql} onChange={change} onRun={start} mistakes={mistakes} tables={known?.tables} functions={known?.functions} />}
        second={<Outcome run={run} onExample={(sql) => { setAll(open(all, sql)) }} example={exampleOf(tables.data)} />} />
    </View>
  )
}

function TabLine({ all, onChange }: { all: ReturnType<typeof tabsChoice.get>; onChange: (next: ReturnType<typeof tabsChoice.get>) => void }) {
  return (
    <div className="flex items-center gap-1 overflow-x-auto border-b border-line px-2 py-1">
      {all.open.map((t) => (
        <span key={t.id} className={cx('flex h-7 shrink-0 items-center rounded-inner', t.id === all.chosen ? 'bg-active' : 'text-soft hover:bg-hover')}>
          <button type="button" aria-pressed={t.id === all.chosen} onClick={() => { onChange({ ...all, chosen: t.id }) }} className="h-full max-w-48 truncate px-2 text-12 -outline-offset-2" title={t.sql}>{t.title}</button>
          {all.open.length > 1 && <IconButton small icon="cross" label={`Close ${t.title}`} onClick={() => { onChange(close(all, t.id)) }} />}
        </span>
      ))}
      <IconButton small icon="plus" label="New query" onClick={() => { onChange(add(all)) }} />
    </div>
  )
}

function History({ onOpen }: { onOpen: (sql: string) => void }) {
  const [all] = useChoice(ran)
  return (
    <Popover label="History" align="end" button={<IconButton icon="history" label="History" />} className="w-120 p-1">
      {(close) => all.length === 0 ? <p className="p-3 text-soft">What you run is listed here, in this browser only.</p> : (
        <ul>{all.map((one) => (
          <li key={one.sql}><button type="button" onClick={() => { onOpen(one.sql); close() }} className="block w-full rounded-inner px-2.5 py-1.5 text-left hover:bg-hover">
            <span className="line-clamp-2 font-mono text-12">{one.sql}</span>
            <span className="text-11 text-soft"><TimeText at={one.at} />{one.failed ? ' · failed' : ` · ${plural(one.rows ?? 0, 'row')} · ${duration(one.ms)}`}</span>
          </button></li>
        ))}</ul>
      )}
    </Popover>
  )
}

function Outcome({ run, example, onExample }: { run: Run | undefined; example?: string; onExample: (sql: string) => void }) {
  switch (run?.state) {
    case undefined:
      return <Empty icon="warehouse" title="Ask the warehouse" action={example && <Button onClick={() => { onExample(example) }}>Begin with an example</Button>}>Write one SELECT and press <Kbd keys="Mod+Enter" />. With several, the one at the cursor runs, or what is selected. Nothing that you run can change anything.</Empty>
    case 'running':
      return <Running since={run.since} job={run.job} />
    case 'stopped':
      return <Empty icon="stop" title="Stopped">The query was cancelled on the server too.</Empty>
    case 'failed':
      return <div className="overflow-auto p-3"><ErrorBox problem={{ ...run.problem, title: run.problem.title, detail: run.problem.detail, request_id: run.problem.request_id }} /></div>
    case 'done':
      return <Result key={run.result.id} result={run.result} />
  }
}

function Running({ since, job }: { since: number; job?: Job }) {
  const now = useNow()
  return <div role="status" className="flex items-center gap-2 p-4 text-soft"><Icon name="refresh" className="spin" />Running{now - since > 1500 && <>, {duration(Math.round((now - since) / 1000) * 1000)}</>}{job && job.done > 0 && <>, {number(job.done)} {job.unit ?? 'rows'} so far</>}</div>
}

/** ask stores what a statement answers and returns it; when signal says so, the server stops too. */
async function ask(sql: string, signal: AbortSignal, told: (job: Job) => void): Promise<StoredResult> {
  const { result, job: begun } = await call('create-result', { body: { sql, wait_ms: 1000 } }, signal)
  if (result) return result
  let job = begun
  const cancel = () => { void call('cancel-job', { params: { id: job.id } }).catch(() => undefined) }
  signal.addEventListener('abort', cancel)
  try {
    while (job.state === 'running') {
      told(job)
      await new Promise((resolve) => setTimeout(resolve, 400))
      signal.throwIfAborted()
      job = await call('get-job', { params: { id: job.id } }, signal)
    }
  } finally {
    signal.removeEventListener('abort', cancel)
  }
  if (job.state === 'done') return job.result as StoredResult
  throw new ProblemError({ kind: job.state === 'canceled' ? 'canceled' : 'invalid', status: 400, title: job.state === 'canceled' ? 'It was stopped' : 'The query failed', detail: job.error ?? 'It was stopped before it was through.' })
}

function exampleOf(tables: TableSummary[] | undefined): string | undefined {
  const table = tables?.filter((t) => t.kind === 'event' || t.kind === 'call').sort((a, b) => (b.rows ?? 0) - (a.rows ?? 0))[0]
  return table && `SELECT date_trunc('day', "timestamp") AS day, count(*) AS n\nFROM ${name(table.schema)}.${name(table.table)}\nGROUP BY day\nORDER BY day`
}
