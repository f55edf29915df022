import { lazy, Suspense, type Ref } from 'react'
import { Skeleton } from './Skeleton'

export interface Mistake { line: number; column: number; message: string }

export interface Completions { from: number; to: number; items: { label: string; insert: string; doc: string; kind: string }[] }

export interface EditorHandle {
  focus(): void
  /** The text that is selected, or the statement at the cursor, and where it begins. */
  chosen(): { text: string; line: number }
  /** Puts another text in the place of what is selected, or of all; one undo takes it back. */
  transform(change: (text: string) => Promise<string>): Promise<void>
  /** Puts the cursor at a place; lines and columns from 1. */
  reveal(line: number, column: number): void
}

export interface EditorProps {
  label: string
  language: 'sql' | 'json' | 'yaml' | 'text'
  value: string
  onChange?: (value: string) => void
  /** Ctrl or ⌘ with Enter. */
  onRun?: () => void
  /** Shift with Alt and F. */
  onFormat?: () => void
  mistakes?: Mistake[]
  /** For SQL: the columns of each table, by "schema.table". */
  tables?: Record<string, string[]>
  /** For SQL: names of functions. */
  functions?: string[]
  /** What may be written at a place, as the server knows it; lines and columns from 1. */
  complete?: (text: string, line: number, column: number) => Promise<Completions>
  readOnly?: boolean
  /** The cursor goes to this line, from 1. */
  line?: number
  ref?: Ref<EditorHandle>
}

const Code = lazy(() => import('./EditorCode'))

/** A text editor for code, loaded when the first one is seen. */
export function Editor(props: EditorProps) {
  return <Suspense fallback={<div className="p-4"><Skeleton className="w-1/2" /></div>}><Code {...props} /></Suspense>
}
