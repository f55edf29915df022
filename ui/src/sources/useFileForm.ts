import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { editQuery, valuesQuery } from '@/api/queries'
import type { FileChange, FileProblem } from '@/api/schema'
import { changesOf, merge, pathOf, valuesOf, type Path, type Values } from './edits'

/** A version of the file that is saved; no etag: there is none yet. */
export interface Saved { text: string; etag?: string }

/** A Draft is a text, as it is saved or was typed, and what the form wants of it. */
interface Draft { saved: Saved; text: string; wanted?: Values }

export interface FileForm {
  saved: Saved
  /** The text as it will be. */
  text: string
  /** What the form shows; undefined while the text cannot be read. */
  values?: Values
  shared: Set<string>
  problems: FileProblem[]
  changes: FileChange[]
  /** Why the text cannot be read as values. */
  unreadable: FileProblem[]
  /** Why what the form wants cannot be written. */
  error: unknown
  /** The text and its problems are still being asked for. */
  busy: boolean
  changed: boolean
  want: (values: Values) => void
  type: (text: string) => void
  undo: () => void
  /** Goes on with another version: with what was changed put into it, or the text as it is. */
  rebase: (theirs: Saved, how: { values: Values } | 'text') => void
  /** The text for saving, which knows of every change. */
  latest: { path: string; text: string; changes: FileChange[] }
}

/** useFileForm keeps a file, its values and its text together: a value that is changed
 * changes the text on the server, where comments and order are kept, and a text that is
 * typed is read again. The text is what counts. */
export function useFileForm(path: string, start: Saved): FileForm {
  const [draft, setDraft] = useState<Draft>({ saved: start, text: start.text })
  const read = useQuery(valuesQuery(draft.text))
  // What was read before stays in sight while a new text is read.
  const [before, setBefore] = useState<{ text: string; values: Values; shared: Set<string> }>()
  if (read.data && read.data.problems.length === 0 && before?.text !== draft.text) {
    setBefore({ text: draft.text, values: valuesOf(read.data.values), shared: new Set(read.data.places.filter((p) => p.shared).map((p) => pathOf(p.path as Path))) })
  }
  const fresh = before?.text === draft.text
  const unreadable = read.data?.problems ?? []
  const changes = fresh && draft.wanted ? changesOf(before.values, draft.wanted) : []
  const edited = useQuery(editQuery(path, draft.text, changes))
  const now = edited.isPlaceholderData ? undefined : edited.data
  const text = changes.length === 0 ? draft.text : edited.data?.text ?? draft.text
  return {
    saved: draft.saved, text, values: unreadable.length > 0 ? undefined : (draft.wanted ?? before?.values), shared: before?.shared ?? new Set(),
    problems: edited.data?.problems ?? [], changes, unreadable, error: edited.error ?? read.error, busy: now === undefined && !edited.error, changed: text !== draft.saved.text || draft.saved.etag === undefined,
    want: (values) => { if (fresh) setDraft((d) => ({ ...d, wanted: values })) },
    type: (typed) => { setDraft((d) => ({ saved: d.saved, text: d.saved.text.includes('\r\n') ? typed.replace(/\r?\n/g, '\r\n') : typed })) },
    undo: () => { setDraft((d) => ({ saved: d.saved, text: d.saved.text })) },
    rebase: (theirs, how) => { setDraft((d) => how === 'text' ? { saved: theirs, text: d.wanted ? text : d.text } : { saved: theirs, text: theirs.text, wanted: how.values }) },
    latest: { path, text: draft.text, changes },
  }
}

/** mergedInto is what theirs is with what was changed here: from, as it was saved, to what is wanted now. */
export const mergedInto = (theirs: Values, from: Values, wanted: Values): Values => merge(from, wanted, theirs)
