import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { call, curlOf, problemOf } from '@/api/client'
import { fileQuery } from '@/api/queries'
import type { FileProblem } from '@/api/schema'
import { useMay } from '@/api/may'
import { Button } from '@/design/Button'
import { copyAs } from '@/design/copyAs'
import { Dialog } from '@/design/Dialog'
import { Editor } from '@/design/Editor'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { IconButton } from '@/design/IconButton'
import { Input } from '@/design/Input'
import { useKeys } from '@/design/keys'
import { Menu } from '@/design/Menu'
import { SkeletonRows } from '@/design/Skeleton'
import { useChoice } from '@/design/theme'
import { toast } from '@/design/Toast'
import { plural } from '@/format/format'
import { drafts as draftsChoice, keep } from './drafts'
import { SaveFile } from './SaveFile'

interface Props { path: string; line: number | undefined; problems: FileProblem[]; reloads: boolean; versioned: boolean; onMoved: (path: string | undefined, line?: number) => void }

const languageOf = (path: string) => /\.ya?ml$/.test(path) ? 'yaml' : path.endsWith('.sql') ? 'sql' : path.endsWith('.json') ? 'json' : 'text'

/** One file: edited with checks as one types, saved after one has seen what changes. */
export function FileEditor({ path, line, problems, reloads, versioned, onMoved }: Props) {
  const [drafts] = useChoice(draftsChoice)
  const draft = drafts[path]
  const fresh = draft !== undefined && draft.etag === undefined
  const file = useQuery({ ...fileQuery(path), enabled: !fresh })
  const [over, setOver] = useState<'save' | 'rename' | 'remove'>()
  const client = useQueryClient()
  const before = draft?.before ?? file.data?.text ?? ''
  const text = draft?.text ?? before
  const etag = draft ? draft.etag : file.data?.etag
  const changed = fresh || text !== before
  const mistakes = useMemo(() => problems.map((p) => ({ line: p.line, column: p.column, message: p.message })), [problems])
  const again = () => Promise.all([client.invalidateQueries({ queryKey: ['files'] }), client.invalidateQueries({ queryKey: ['status'] })])
  const save = useMutation({
    mutationFn: (why: string) => call('save-file', { params: { path }, body: { text, etag, before: etag === undefined ? undefined : before, message: why.trim() || undefined } }),
    onSuccess: async (saved) => {
      client.setQueryData(fileQuery(path).queryKey, { path, text, etag: saved.etag })
      keep(path, undefined)
      setOver(undefined)
      toast(saved.problems.length > 0 ? `Saved, with ${plural(saved.problems.length, 'mistake')}: the version before goes on` : saved.version ? `Version ${String(saved.version)} runs` : reloads ? 'Saved, and served' : 'Saved; it is served when the server is started again', { meaning: saved.problems.length > 0 ? 'warning' : 'good' })
      await again()
    },
  })
  const writes = useMay()('file:write')
  useKeys([{ keys: 'Mod+s', label: 'Save the file', group: 'Project', run: () => { if (changed) setOver('save') } }])
  if (file.error && !fresh && !file.data) return <div className="p-4"><ErrorBox problem={problemOf(file.error)} onRetry={() => void file.refetch()} /></div>
  if (!fresh && !file.data) return <SkeletonRows />
  return (
    <>
      <div className="flex min-h-10 items-center gap-2 border-b border-line px-3">
        <span className="grow text-12 text-soft">{!writes ? 'To be read: changing files needs the permission file:write' : fresh ? 'New, not saved' : changed ? 'Changed, not saved' : 'As it is saved'}</span>
        {changed && !fresh && <Button small look="quiet" onClick={() => { keep(path, undefined) }}>Undo all</Button>}
        {writes && <Button small look={changed ? 'main' : 'plain'} disabled={!changed} onClick={() => { save.reset(); setOver('save') }}>Save</Button>}
        <Menu label="More" button={<IconButton small icon="more" label="More" />} items={[
          ...copyAs({ curl: curlOf('read-file', { params: { path } }, location.origin), command: 'millrace check' }), ...(writes ? [{ kind: 'line' } as const,
          { label: 'Rename', icon: 'file', disabled: changed, onChoose: () => { setOver('rename') } } as const,
          { label: fresh ? 'Throw it away' : 'Remove', icon: 'cross', danger: true, onChoose: () => { if (fresh) { keep(path, undefined); onMoved(undefined) } else setOver('remove') } } as const] : []),
        ]} />
      </div>
      <div className="min-h-0 grow">
        <Editor label={path} readOnly={!writes} language={languageOf(path)} value={text} mistakes={mistakes} onRun={() => { if (changed) setOver('save') }} line={line}
          onChange={(next) => { keep(path, { text: next, etag, before }) }}
          complete={languageOf(path) === 'yaml' ? (now, line, column) => call('complete-file', { body: { path, text: now, line, column } }) : undefined} />
      </div>
      {problems.length > 0 && (
        <ul aria-label="Mistakes in this file" className="max-h-40 shrink-0 overflow-auto border-t border-line p-2">
          {problems.map((p, i) => <li key={i}><button type="button" onClick={() => { onMoved(path, p.line) }} className="flex w-full gap-2 rounded-inner px-2 py-1 text-left hover:bg-hover"><Icon name="rejected" className="mt-0.5 text-bad-text" /><span className="min-w-0 break-words whitespace-pre-wrap">{p.line > 0 && <span className="mr-2 font-mono text-12 text-soft">{p.line}:{p.column}</span>}{p.message}</span></button></li>)}
        </ul>
      )}
      {over === 'save' && (
        <SaveFile path={path} before={before} text={text} problems={problems} versioned={versioned} save={save} onClose={() => { setOver(undefined) }}
          onBoth={(both, theirs) => { keep(path, { text: both, etag: theirs.etag || undefined, before: theirs.etag ? theirs.text : '' }); save.reset() }} />
      )}
      {over === 'rename' && etag !== undefined && <Rename path={path} etag={etag} onClose={() => { setOver(undefined) }} onDone={(to) => { void again(); onMoved(to) }} />}
      {over === 'remove' && etag !== undefined && <Remove path={path} etag={etag} versioned={versioned} onClose={() => { setOver(undefined) }} onDone={() => { keep(path, undefined); void again(); onMoved(undefined) }} />}
    </>
  )
}

function Rename({ path, etag, onClose, onDone }: { path: string; etag: string; onClose: () => void; onDone: (to: string) => void }) {
  const [to, setTo] = useState(path)
  const rename = useMutation({ mutationFn: () => call('rename-file', { body: { from: path, to: to.trim(), etag } }), onSuccess: () => { onDone(to.trim()) } })
  return (
    <Dialog title={`Rename ${path}`} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="main" busy={rename.isPending} disabled={to.trim() === '' || to.trim() === path} onClick={() => { rename.mutate() }}>Rename</Button></>}>
      <div className="grid gap-3"><Input label="New path" mono value={to} onChange={(e) => { setTo(e.target.value) }} hint="A resource is called as its file: a source that is renamed is another source." />{rename.error && <ErrorBox problem={problemOf(rename.error)} />}</div>
    </Dialog>
  )
}

function Remove({ path, etag, versioned, onClose, onDone }: { path: string; etag: string; versioned: boolean; onClose: () => void; onDone: () => void }) {
  const [typed, setTyped] = useState('')
  const remove = useMutation({ mutationFn: () => call('remove-file', { params: { path, etag } }), onSuccess: onDone })
  return (
    <Dialog title={`Remove ${path}?`} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Cancel</Button><Button look="danger" busy={remove.isPending} disabled={typed !== path} onClick={() => { remove.mutate() }}>Remove</Button></>}>
      <div className="grid gap-3"><p>{versioned ? 'A version without the file is deployed. The versions before keep it.' : 'The file is deleted from the project\'s folder.'} What a source has received stays in the log, the archive and the warehouse; it receives nothing more.</p><Input label={`Type ${path} to confirm`} mono value={typed} onChange={(e) => { setTyped(e.target.value) }} />{remove.error && <ErrorBox problem={problemOf(remove.error)} />}</div>
    </Dialog>
  )
}
