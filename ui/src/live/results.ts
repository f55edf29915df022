import type { TailLine } from '@/api/schema'
import type { Meaning } from '@/design/Badge'

/** What each result means, everywhere in this room. */
export const resultMeanings: Record<TailLine['result'], Meaning> = { accepted: 'good', duplicate: 'neutral', rejected: 'bad', received: 'info' }
