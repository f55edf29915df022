// What was typed and is not saved yet, kept in the browser so that nothing is lost.
import { choice } from '@/design/theme'

/** A draft is the text of a file, and of which version it was made; no etag: the file is new. */
export interface Draft { text: string; etag?: string; before: string }

export type Drafts = Record<string, Draft>

const isDrafts = (value: unknown): value is Drafts => value !== null && typeof value === 'object' && !Array.isArray(value)
  && Object.values(value).every((d: unknown) => d !== null && typeof d === 'object' && 'text' in d && typeof d.text === 'string')

export const drafts = choice<Drafts>('drafts', {}, isDrafts, true)

/** keep keeps a draft, or forgets it when it says what the file says. */
export function keep(path: string, draft: Draft | undefined): void {
  const { [path]: _, ...others } = drafts.get()
  drafts.set(draft === undefined || (draft.etag !== undefined && draft.text === draft.before) ? others : { ...others, [path]: draft })
}
