import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useBlocker, useNavigate } from '@tanstack/react-router'
import { useMemo, useState, type ReactNode } from 'react'
import { call, problemOf } from '@/api/client'
import { catalogQuery, editQuery, fileQuery, filesQuery, schemaQuery, secretsQuery, statusQuery } from '@/api/queries'
import { StateDot } from '@/design/Badge'
import { Button } from '@/design/Button'
import { Diff } from '@/design/Diff'
import { diff } from '@/design/differences'
import { Editor } from '@/design/Editor'
import { ErrorBox } from '@/design/ErrorBox'
import { useKeys } from '@/design/keys'
import { SkeletonRows } from '@/design/Skeleton'
import { Tabs } from '@/design/Tabs'
import { toast } from '@/design/Toast'
import { useMedia } from '@/design/useMedia'
import { View } from '@/design/View'
import { plural } from '@/format/format'
import { Conflict, Leave, SaveDialog } from './EditDialogs'
import { FormFields, FormNotes, Problems } from './FormFields'
import { fieldsOf, fileOf } from './form'
import { newKey } from './key'
import { useFileForm, type FileForm, type Saved } from './useFileForm'

/** The file of a source, changed by a form and as text; tab is where one came from, and goes back to. */
export default function EditSource({ source, tab }: { source: string; tab?: string }) {
  const path = fileOf(source)
  const file = useQuery({ ...fileQuery(path), staleTime: Infinity, refetchOnMount: 'always' })
  if (file.error && !file.data) return <View crumbs={[{ title: 'Sources', to: '/sources' }, { title: source }]}><div className="p-4"><ErrorBox problem={problemOf(file.error)} onRetry={() => void file.refetch()} /></div></View>
  // What is edited is what was there when it was opened; later versions are told of.
  if (!file.data || !file.isFetchedAfterMount) return <View crumbs={[{ title: 'Sources', to: '/sources' }, { title: source }]}><SkeletonRows /></View>
  return <Editing key={path} source={source} path={path} start={file.data} title="Edit" tab={tab} />
}

interface Props {
  /** The name; empty while a new source has none. */
  source: string
  path: string
  start: Saved
  title: string
  /** Of the source's page, to be on when one is through. */
  tab?: string
  /** Of a new source: its name and kind. */
  head?: ReactNode
  /** Why it cannot be saved yet. */
  missing?: string
}

type Side = 'form' | 'file' | 'changes'

/** Form and file side by side; on narrow screens one after the other. */
export function Editing({ source, path, start, title, tab, head, missing }: Props) {
  const form = useFileForm(path, start)
  const wide = useMedia('(min-width: 1000px)')
  const [side, setSide] = useState<Side>('form')
  const [asking, ask] = useState<'save' | 'conflict'>()
  const navigate = useNavigate()
  const files = useQuery(filesQuery)
  const fresh = form.saved.etag === undefined
  const save = useSave(form, path)
  const theirs = save.error ? problemOf(save.error).conflict : undefined
  const now = files.data?.files.find((f) => f.path === path)
  const moved = !fresh && files.data !== undefined && files.dataUpdatedAt > save.submittedAt && now?.etag !== form.saved.etag
  const blocker = useBlocker({ shouldBlockFn: () => form.changed && !save.isSuccess && form.text !== start.text, enableBeforeUnload: () => form.changed && form.text !== start.text, withResolver: true })
  const mine = form.problems.filter((p) => p.path === path)
  const done = (problems: number) => {
    const reloads = files.data?.reloads ?? true
    toast(problems > 0 ? `Saved, with ${plural(problems, 'mistake')}: the version before goes on` : reloads ? 'Saved, and served' : 'Saved; it is served when the server is started again', { meaning: problems > 0 ? 'warning' : 'good' })
    if (fresh && (!reloads || problems > 0)) void navigate({ to: '/sources', ignoreBlocker: true })
    else void navigate({ to: '/sources/$source', params: { source }, search: { tab: fresh ? 'setup' : tab }, ignoreBlocker: true })
  }
  const go = () => { save.mutate(undefined, { onSuccess: (saved) => { ask(undefined); done(saved.problems.length) }, onError: (thrown) => { if (problemOf(thrown).conflict) ask('conflict') } }) }
  const able = form.changed && missing === undefined && !form.error
  const onSave = () => { save.reset(); if (fresh && form.problems.length === 0) go(); else ask('save') }
  useKeys([{ keys: 'Mod+s', label: fresh ? 'Save the new source' : 'Save the source', group: 'Sources', run: () => { if (able) onSave() } }])
  const counts = useMemo(() => { const lines = diff(form.saved.text, form.text); return [lines.filter((l) => l.kind === 'added').length, lines.filter((l) => l.kind === 'removed').length] as const }, [form.saved.text, form.text])
  const sides = [...(wide ? [] : [{ id: 'form', label: 'Form', count: mine.length > 0 ? String(mine.length) : undefined }]), { id: 'file', label: path }, ...(fresh ? [] : [{ id: 'changes', label: 'Changes', count: form.changed ? `+${counts[0]} −${counts[1]}` : undefined }])]
  const shown = wide && side === 'form' ? 'file' : side
  const fields = <FormSide form={form} path={path} source={source} head={head} />
  return (
    <View crumbs={[{ title: 'Sources', to: '/sources' }, ...(fresh ? [] : [{ title: source, to: `/sources/${source}` }]), { title }]}
      state={<>{missing !== undefined ? null : mine.length > 0 ? <StateDot meaning="bad">{plural(mine.length, 'mistake')}</StateDot> : <StateDot meaning="good">No mistakes</StateDot>}<span className="max-wide:hidden">{fresh ? 'New, not saved' : form.changed ? 'Changed, not saved' : 'As it is saved'}</span></>}
      actions={<><Button look="quiet" onClick={() => { void navigate(fresh ? { to: '/sources' } : { to: '/sources/$source', params: { source }, search: { tab } }) }}>Cancel</Button><Button look="main" disabled={!able} title={missing} busy={save.isPending} onClick={onSave}>{fresh ? 'Create the source' : 'Save'}</Button></>}>
      {moved && <p role="status" className="flex flex-wrap items-center gap-3 bg-warning-tint px-4 py-1.5">{now ? 'Somebody has changed the file meanwhile.' : 'Somebody has removed the file meanwhile.'}{now && <Button small onClick={() => { ask('conflict') }}>Look at it</Button>}</p>}
      <div className="flex min-h-0 grow">
        {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
        {wide && <div tabIndex={0} role="region" aria-label="Form" className="min-h-0 w-1/2 max-w-170 shrink-0 overflow-auto border-r border-line -outline-offset-2">{fields}</div>}
        <Tabs label="The file" className="min-w-0 grow" tabs={sides} chosen={shown} onChoose={(id) => { setSide(id as Side) }} panelClassName={shown === 'file' ? 'flex flex-col' : 'overflow-auto'}
          trailing={wide && form.changed && !fresh && <Button small look="quiet" onClick={form.undo}>Undo all</Button>}>
          {shown === 'form' ? fields : shown === 'changes' ? <div className="p-4">{form.changed ? <Diff before={form.saved.text} after={form.text} /> : <p className="text-soft">Nothing is changed.</p>}</div> : <FileSide form={form} path={path} onSave={() => { if (able) onSave() }} />}
        </Tabs>
      </div>
      {asking === 'save' && <SaveDialog path={path} form={form} saving={save.isPending} error={save.error} onSave={go} onClose={() => { ask(undefined) }} />}
      {asking === 'conflict' && <Conflict path={path} form={form} told={theirs} onClose={() => { ask(undefined) }} onDone={() => { save.reset(); ask(undefined); void files.refetch() }} />}
      {blocker.status === 'blocked' && <Leave path={path} onStay={blocker.reset} onLeave={blocker.proceed} />}
    </View>
  )
}

/** useSave writes the text with every change that the form has made. */
function useSave(form: FileForm, path: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: async () => {
      const { text: base, changes } = form.latest
      const text = changes.length === 0 ? base : (await client.ensureQueryData(editQuery(path, base, changes))).text ?? base
      const saved = await call('save-file', { params: { path }, body: { text, etag: form.saved.etag } })
      client.setQueryData(fileQuery(path).queryKey, { path, text, etag: saved.etag })
      return saved
    },
    onSuccess: async () => {
      await Promise.all([client.invalidateQueries({ queryKey: ['sources'] }), client.invalidateQueries({ queryKey: ['files'], refetchType: 'active' }), client.invalidateQueries({ queryKey: ['status'] })])
    },
  })
}

function FormSide({ form, path, source, head }: { form: FileForm; path: string; source: string; head?: ReactNode }) {
  const schema = useQuery(schemaQuery('sources.json'))
  const status = useQuery(statusQuery)
  const catalog = useQuery(catalogQuery)
  const kind = typeof form.values?.['kind'] === 'string' ? form.values['kind'] : ''
  const fields = useMemo(() => fieldsOf(schema.data, kind), [schema.data, kind])
  const secrets = useQuery({ ...secretsQuery, enabled: fields.some((f) => f.control === 'secret' || f.fields.some((inner) => inner.control === 'secret')) })
  const columns = useMemo(() => Object.entries(catalog.data?.tables ?? {}).flatMap(([table, all]) => table.startsWith(`${source}.`) ? all.map((c) => `${table.slice(source.length + 1)}.${c}`) : []), [catalog.data, source])
  if (schema.error && !schema.data) return <div className="p-4"><ErrorBox problem={problemOf(schema.error)} onRetry={() => void schema.refetch()} /></div>
  const makeKey = () => newKey(status.data?.mode === 'dev')
  return (
    <div className="grid gap-6 p-4 pb-10">
      {head}
      {form.error ? <ErrorBox problem={problemOf(form.error)} action={<Button small onClick={form.undo}>Undo all</Button>} /> : null}
      {form.unreadable.length > 0 ? (
        <div className="grid gap-2"><p>The file has mistakes that keep the form from reading it. Mend them in the file, and the form is back.</p><Problems problems={form.unreadable.map((p) => ({ ...p, path }))} path={path} /></div>
      ) : !form.values || !schema.data ? <SkeletonRows /> : (
        <>
          <FormNotes problems={form.problems} path={path} fields={fields} values={form.values} text={form.text} shared={form.shared} />
          {fields.length === 0 && <p className="text-soft">The form does not know the kind of this file: write it in the file, as kind: http or kind: webhook.</p>}
          <FormFields key={kind} fields={fields} name={source} form={{ values: form.values, problems: form.problems.filter((p) => p.path === path), shared: form.shared, onValues: form.want, columns, secrets: secrets.data ?? [], makeKey }} />
        </>
      )}
    </div>
  )
}

function FileSide({ form, path, onSave }: { form: FileForm; path: string; onSave: () => void }) {
  const mistakes = useMemo(() => form.problems.filter((p) => p.path === path).map((p) => ({ line: p.line, column: p.column, message: p.message })), [form.problems, path])
  const shown = form.text.replaceAll('\r\n', '\n')
  return (
    <div className="min-h-0 grow">
      <Editor label={path} language="yaml" value={shown} mistakes={mistakes} onRun={onSave} onChange={(next) => { if (next !== shown) form.type(next) }}
        complete={(text, line, column) => call('complete-file', { body: { path, text, line, column } })} />
    </div>
  )
}
