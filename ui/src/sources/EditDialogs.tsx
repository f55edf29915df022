import { useQuery } from '@tanstack/react-query'
import { call, problemOf } from '@/api/client'
import { valuesQuery } from '@/api/queries'
import type { FileConflict, FileValues } from '@/api/schema'
import { Button } from '@/design/Button'
import { Dialog } from '@/design/Dialog'
import { Diff } from '@/design/Diff'
import { ErrorBox } from '@/design/ErrorBox'
import { SkeletonRows } from '@/design/Skeleton'
import { plural } from '@/format/format'
import { valuesOf } from './edits'
import { mergedInto, type FileForm } from './useFileForm'

/** What is about to be saved. */
export function SaveDialog({ path, form, saving, error, onSave, onClose }: { path: string; form: FileForm; saving: boolean; error: unknown; onSave: () => void; onClose: () => void }) {
  const mistakes = form.problems.length
  return (
    <Dialog wide title={`Save ${path}?`} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Go on editing</Button><Button look="main" busy={saving} disabled={form.busy} onClick={onSave}>{mistakes > 0 ? `Save with ${plural(mistakes, 'mistake')}` : 'Save'}</Button></>}>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-3">
        <Diff before={form.saved.text} after={form.text} />
        {mistakes > 0 && <p className="rounded-outer bg-bad-tint px-3 py-2">It can be saved, but the version before goes on until {mistakes === 1 ? 'the mistake is' : 'the mistakes are'} mended: {form.problems[0]?.message}</p>}
        {error ? <ErrorBox problem={problemOf(error)} /> : null}
      </div>
    </Dialog>
  )
}

const readable = (read: FileValues | undefined) => read?.problems.length === 0 ? valuesOf(read.values) : undefined

interface ConflictProps { path: string; form: FileForm; told?: FileConflict; onClose: () => void; onDone: () => void }

/** Somebody else has saved the file: what they wrote, and the ways to go on. */
export function Conflict({ path, form, told, onClose, onDone }: ConflictProps) {
  const read = useQuery({ queryKey: ['files', 'conflict', path], queryFn: () => call('read-file', { params: { path } }), enabled: told === undefined, gcTime: 0 })
  const theirs = told ?? read.data
  const [base, now] = [useQuery(valuesQuery(form.saved.text)), useQuery({ ...valuesQuery(theirs?.text ?? ''), enabled: theirs !== undefined })]
  const values = form.values
  const [from, to] = [readable(base.data), readable(now.data)]
  const able = theirs !== undefined && values !== undefined && from !== undefined && to !== undefined
  const put = () => {
    if (!able) return
    form.rebase({ text: theirs.text, etag: theirs.etag }, { values: mergedInto(to, from, values) })
    onDone()
  }
  const overwrite = () => { if (theirs) { form.rebase({ text: theirs.text, etag: theirs.etag }, 'text'); onDone() } }
  return (
    <Dialog wide title={`${path} was changed meanwhile`} onClose={onClose} actions={<><Button look="quiet" disabled={!theirs} onClick={overwrite}>Keep my text instead</Button><Button look="main" disabled={!able} onClick={put}>Put my changes into theirs</Button></>}>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-3">
        <p>Somebody else has saved it since it was opened here. Nothing of yours is saved yet, and nothing is saved by going on: what comes out can be looked at first.</p>
        {theirs?.etag === '' && <p className="rounded-outer bg-warning-tint px-3 py-2">They have removed the file. Keeping your text makes it anew.</p>}
        {read.error ? <ErrorBox problem={problemOf(read.error)} /> : !theirs ? <SkeletonRows /> : <div className="min-w-0"><h3 className="mb-1 text-12 font-medium text-soft">From their version to yours</h3><Diff before={theirs.text} after={form.text} /></div>}
      </div>
    </Dialog>
  )
}

/** Leaving would lose what was changed. */
export function Leave({ path, onStay, onLeave }: { path: string; onStay: () => void; onLeave: () => void }) {
  return (
    <Dialog title="Leave without saving?" onClose={onStay} actions={<><Button look="quiet" onClick={onLeave}>Leave</Button><Button look="main" onClick={onStay}>Go on editing</Button></>}>
      <p>What was changed in {path} is not saved and would be gone.</p>
    </Dialog>
  )
}
