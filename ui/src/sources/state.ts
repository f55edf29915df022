import type { Source } from '@/api/schema'
import type { Meaning } from '@/design/Badge'

/** stateOf says in a word whether a source receives. */
export function stateOf(source: Source, now: number): { word: string; meaning: Meaning; hollow: boolean } {
  if (source.silent) return { word: 'Fell silent', meaning: 'warning', hollow: false }
  if (!source.last_received) return { word: 'Nothing yet', meaning: 'neutral', hollow: true }
  if (now - Date.parse(source.last_received) < 60_000) return { word: 'Receiving', meaning: 'good', hollow: false }
  return { word: 'Quiet', meaning: 'neutral', hollow: false }
}
