import type { UseMutationResult } from '@tanstack/react-query'
import { useState } from 'react'
import { problemOf } from '@/api/client'
import type { FileConflict, FileProblem } from '@/api/schema'
import { Button } from '@/design/Button'
import { Dialog } from '@/design/Dialog'
import { Diff } from '@/design/Diff'
import { ErrorBox } from '@/design/ErrorBox'
import { Input } from '@/design/Input'
import { plural } from '@/format/format'
import { decided, hasMarks, partsOf, type Choice } from './merge'
import { Merge } from './Merge'

interface Props {
  path: string
  before: string
  text: string
  problems: FileProblem[]
  /** Each save is a version, which has to be without mistakes. */
  versioned: boolean
  save: UseMutationResult<unknown, unknown, string>
  /** What comes of both sides is edited on, in place of what somebody else has saved. */
  onBoth: (text: string, theirs: FileConflict) => void
  onClose: () => void
}

/** What is about to be saved; and when somebody else was faster, what comes of both. */
export function SaveFile(props: Props) {
  const { path, before, text, problems, versioned, save, onBoth, onClose } = props
  const [why, setWhy] = useState('')
  const theirs = save.error ? problemOf(save.error).conflict : undefined
  if (theirs) return <Both path={path} text={text} theirs={theirs} onBoth={onBoth} onClose={onClose} />
  const open = hasMarks(text)
  const wrong = versioned && problems.length > 0
  return (
    <Dialog wide title={`Save ${path}?`} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Go on editing</Button><Button look="main" disabled={open || wrong} busy={save.isPending} onClick={() => { save.mutate(why) }}>{versioned ? 'Save and deploy' : 'Save'}</Button></>}>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-3">
        <Diff before={before} after={text} />
        {versioned && !open && !wrong && <Input label="Why" value={why} maxLength={2000} placeholder={`Edit ${path}`} hint="It is in the list of versions, with your name." onChange={(e) => { setWhy(e.target.value) }} />}
        {open && <p className="rounded-outer bg-bad-tint px-3 py-2">There are still marks between yours and theirs in it: decide what is to stand there, and take the marks out.</p>}
        {!open && problems.length > 0 && <p className="rounded-outer bg-bad-tint px-3 py-2">{wrong ? `It has ${plural(problems.length, 'mistake')}, so it cannot be a version: mend ${problems.length === 1 ? 'it' : 'them'} first.` : `It has ${plural(problems.length, 'mistake')}: it can be saved, but the version before goes on until ${problems.length === 1 ? 'it is' : 'they are'} mended.`}</p>}
        {save.error ? <ErrorBox problem={problemOf(save.error)} /> : null}
      </div>
    </Dialog>
  )
}

interface BothProps { path: string; text: string; theirs: FileConflict; onBoth: (text: string, theirs: FileConflict) => void; onClose: () => void }

function Both({ path, text, theirs, onBoth, onClose }: BothProps) {
  const [choices, setChoices] = useState<(Choice | undefined)[]>([])
  const parts = partsOf(theirs.marked ?? '')
  const clashes = parts.filter((p) => typeof p !== 'string').length
  const gone = !theirs.etag
  const result = theirs.merged ?? (clashes > 0 ? decided(parts, choices) : undefined)
  const main = gone ? <Button look="main" onClick={() => { onBoth(text, theirs) }}>Make it anew</Button>
    : theirs.merged === undefined && clashes === 0 ? <Button look="main" onClick={() => { onBoth(text, theirs) }}>Take theirs as the base</Button>
      : <Button look="main" disabled={result === undefined} onClick={() => { if (result !== undefined) onBoth(result, theirs) }}>Put both together</Button>
  return (
    <Dialog wide title={`${path} was changed meanwhile`} onClose={onClose} actions={<><Button look="quiet" onClick={onClose}>Go on editing</Button>{clashes > 0 && <Button onClick={() => { onBoth(theirs.marked ?? '', theirs); onClose() }}>Decide in the text</Button>}{main}</>}>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-3">
        <p>Somebody else has {gone ? 'removed' : 'changed'} the file since you opened it. Nothing of yours is saved yet, and nothing is saved by going on: what comes out can be looked at first.</p>
        {gone ? null : theirs.merged !== undefined ? <div className="min-w-0"><h3 className="mb-1 text-12 font-medium text-soft">Both go together: your changes in their file</h3><Diff before={theirs.text} after={theirs.merged} /></div>
          : clashes > 0 ? <><p className="rounded-outer bg-warning-tint px-3 py-2">Both of you changed the same, in different ways, in {plural(clashes, 'place')}. All else goes together.</p><Merge parts={parts} choices={choices} onChoose={(at, choice) => { setChoices((all) => { const next = [...all]; next[at] = choice; return next }) }} /></>
            : <div className="min-w-0"><h3 className="mb-1 text-12 font-medium text-soft">From their file to yours</h3><Diff before={theirs.text} after={text} /></div>}
      </div>
    </Dialog>
  )
}
