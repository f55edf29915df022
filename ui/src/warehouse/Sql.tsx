import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useRef, useState } from 'react'
import { curlOf, problemOf, shell } from '@/api/client'
import { catalogQuery, statusQuery, tablesQuery } from '@/api/queries'
import type { TableSummary } from '@/api/schema'
import { here, pageOf } from '@/api/space'
import { useMay } from '@/api/may'
import { Button } from '@/design/Button'
import { copyText } from '@/design/CopyButton'
import { cx } from '@/design/cx'
import { Editor, type EditorHandle } from '@/design/Editor'
import { IconButton } from '@/design/IconButton'
import { useKeys } from '@/design/keys'
import { Menu } from '@/design/Menu'
import { SplitPane } from '@/design/SplitPane'
import { useChoice } from '@/design/theme'
import { toast } from '@/design/Toast'
import { View } from '@/design/View'
import { ask } from './ask'
import { History } from './History'
import { Outcome, type Run } from './Outcome'
import { linkOf, nameOf, suggestedName } from './saved'
import { Conflicted, Rename, SaveAs } from './SavedDialogs'
import { mistakeOf, name } from './sqltext'
import { add, change, close, isChanged, open, remember, tabs as tabsChoice, titleOf } from './tabs'
import { useLink } from './useLink'
import { useSaved } from './useSaved'

export default function Sql() {
  const [all, setAll] = useChoice(tabsChoice)
  const [runs, setRuns] = useState<Record<string, Run>>({})
  const editor = useRef<EditorHandle>(null)
  const client = useQueryClient()
  const tables = useQuery(tablesQuery)
  const engine = useQuery(statusQuery).data?.warehouse?.backend
  const tab = all.open.find((t) => t.id === all.chosen) ?? all.open[0]
  const run = tab && runs[tab.id]
  const files = useSaved(tab)
  useLink(tab, files.open)

  const may = useMay()
  const start = () => {
    if (!may('query:run')) return
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
  const format = () => {
    void editor.current?.transform(async (text) => (await import('./formatter')).format(text, engine))
      .catch((thrown: unknown) => { toast(`This is no SQL that can be put in order: ${thrown instanceof Error ? thrown.message.split('\n')[0] ?? '' : String(thrown)}`, { meaning: 'warning' }) })
  }
  const known = useQuery(catalogQuery).data
  const mistakes = useMemo(() => run?.state === 'failed' && run.mistake ? [run.mistake] : [], [run])
  useKeys([
    { keys: 'Mod+Enter', label: 'Run the statement', group: 'SQL', run: start },
    { keys: 'Mod+s', label: 'Save the query', group: 'SQL', run: files.save },
  ])
  if (!tab) return null
  const copy = (text: string, what: string) => { void copyText(text).then(() => { toast(`Copied ${what}`) }) }
  const link = () => {
    const to = linkOf(tab)
    if (to.query === undefined && to.sql === undefined) toast('The text is too long for a link: save the query, and send the link to that', { meaning: 'warning' })
    else copy(`${location.origin}${pageOf(here())}/warehouse?${new URLSearchParams(to as Record<string, string>)}`, 'a link')
  }
  const changed = isChanged(tab)
  const taken = files.saved.map((f) => nameOf(f.path))
  const { dialog } = files
  return (
    <View crumbs={[{ title: 'Warehouse' }, { title: 'SQL' }]} state={files.stale && <span className="text-warning-text">Somebody else has saved this query meanwhile</span>}
      actions={<>
        <IconButton icon="broom" label="Format" keys="Shift+Alt+F" disabled={tab.sql.trim() === ''} onClick={format} />
        <History onOpen={(sql) => { setAll(open(all, sql)) }} />
        <Menu label="More" button={<IconButton icon="more" label="More" />} items={[
          { label: 'Save as', icon: 'file', disabled: tab.sql.trim() === '', onChoose: () => { files.setDialog({ kind: 'save as' }) } },
          ...(tab.file === undefined ? [] : [
            { label: 'Undo all changes', icon: 'refresh' as const, disabled: !changed, onChoose: files.undo },
            { label: 'Rename', icon: 'project' as const, disabled: changed, onChoose: () => { files.setDialog({ kind: 'rename' }) } },
            { label: 'Delete', icon: 'cross' as const, danger: true, onChoose: () => { void files.remove() } },
          ]),
          { kind: 'line' },
          { label: 'Copy a link', icon: 'link', onChoose: link },
          { label: 'Copy as curl', icon: 'copy', onChoose: () => { copy(curlOf('query', { body: { sql: tab.sql } }, location.origin), 'as curl') } },
          { label: 'Copy as command', icon: 'copy', onChoose: () => { copy(`millrace query ${shell(tab.sql)}`, 'as command') } },
        ]} />
        <Button disabled={tab.sql.trim() === '' || (tab.file !== undefined && !changed)} busy={files.busy} onClick={files.save}>{tab.file !== undefined && !changed ? 'Saved' : 'Save'}</Button>
        {run?.state === 'running' ? <Button icon="stop" onClick={run.stop}>Stop</Button> : <Button look="main" icon="play" disabled={tab.sql.trim() === '' || !may('query:run')} onClick={start}>Run</Button>}
      </>}>
      <TabLine all={all} onChange={setAll} />
      <SplitPane name="sql" label="Editor and result" vertical start={0.36} className="grow"
        first={<Editor key={tab.id} ref={editor} label="SQL" language="sql" value={tab.sql} onChange={(sql) => { tabsChoice.set(change(tabsChoice.get(), tab.id, { sql })) }} onRun={start} onFormat={format} mistakes={mistakes} tables={known?.tables} functions={known?.functions} />}
        second={<Outcome run={run} onExample={(sql) => { setAll(open(all, sql)) }} onPlace={(line, column) => { editor.current?.reveal(line, column) }} example={exampleOf(tables.data)} />} />
      {dialog?.kind === 'save as' && <SaveAs sql={tab.sql} start={suggestedName(tab.sql, taken)} taken={taken} onClose={() => { files.setDialog(undefined) }} onDone={files.attach} />}
      {dialog?.kind === 'rename' && tab.file !== undefined && tab.etag !== undefined && <Rename path={tab.file} etag={tab.etag} taken={taken} onClose={() => { files.setDialog(undefined) }} onDone={files.renamed} />}
      {dialog?.kind === 'conflict' && tab.file !== undefined && <Conflicted path={tab.file} conflict={dialog.conflict} onClose={() => { files.setDialog(undefined) }} onMine={() => { files.overwrite(dialog.conflict.etag) }} onTheirs={() => { files.takeTheirs(dialog.conflict) }} />}
    </View>
  )
}

type Tabs = ReturnType<typeof tabsChoice.get>

function TabLine({ all, onChange }: { all: Tabs; onChange: (next: Tabs) => void }) {
  const shut = (id: string) => {
    const gone = all.open.find((t) => t.id === id)
    onChange(close(all, id))
    if (gone && gone.sql.trim() !== '' && (gone.file === undefined || isChanged(gone))) {
      toast(`${titleOf(gone)} is closed`, { action: { label: 'Undo', run: () => { const now = tabsChoice.get(); tabsChoice.set({ open: [...now.open.filter((t) => t.id !== gone.id), gone], chosen: gone.id }) } } })
    }
  }
  return (
    <div className="flex shrink-0 items-center gap-1 overflow-x-auto border-b border-line px-2 py-1">
      {all.open.map((t) => (
        <span key={t.id} className={cx('flex h-7 shrink-0 items-center rounded-inner', t.id === all.chosen ? 'bg-active' : 'text-soft hover:bg-hover')}>
          <button type="button" aria-pressed={t.id === all.chosen} onClick={() => { onChange({ ...all, chosen: t.id }) }} className="flex h-full max-w-48 items-center gap-1.5 px-2 text-12 -outline-offset-2" title={t.file ?? t.sql}>
            <span className="truncate">{titleOf(t)}</span>{isChanged(t) && <><span aria-hidden="true" className="size-1.5 shrink-0 rounded-full bg-warning" /><span className="sr-only">changed, not saved</span></>}
          </button>
          {all.open.length > 1 && <IconButton small icon="cross" label={`Close ${titleOf(t)}`} onClick={() => { shut(t.id) }} />}
        </span>
      ))}
      <IconButton small icon="plus" label="New query" onClick={() => { onChange(add(all)) }} />
    </div>
  )
}

function exampleOf(tables: TableSummary[] | undefined): string | undefined {
  const table = tables?.filter((t) => t.kind === 'event' || t.kind === 'call').sort((a, b) => (b.rows ?? 0) - (a.rows ?? 0))[0]
  return table && `SELECT date_trunc('day', "timestamp") AS day, count(*) AS n\nFROM ${name(table.schema)}.${name(table.table)}\nGROUP BY day\nORDER BY day`
}
