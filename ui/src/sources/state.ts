import type { ProjectFile, Source, SourceKey } from '@/api/schema'
import type { Meaning } from '@/design/Badge'

/** stateOf says in a word whether a source receives. */
export function stateOf(source: Source, now: number): { word: string; meaning: Meaning; hollow: boolean } {
  if (source.silent) return { word: 'Fell silent', meaning: 'warning', hollow: false }
  if (!source.last_received) return { word: 'Nothing yet', meaning: 'neutral', hollow: true }
  if (now - Date.parse(source.last_received) < 60_000) return { word: 'Receiving', meaning: 'good', hollow: false }
  return { word: 'Quiet', meaning: 'neutral', hollow: false }
}

/** unserved are the names of sources that have a file and are not served. */
export function unserved(files: ProjectFile[], sources: Source[]): string[] {
  return files.flatMap((f) => /^sources\/([^/]+)\.yaml$/.exec(f.path)?.[1] ?? []).filter((name) => !sources.some((s) => s.name === name))
}

/** inUse says whether a key was used within a day: whoever takes it away shuts somebody out. */
export function inUse(key: SourceKey, now: number): boolean {
  return key.last_used !== undefined && now - Date.parse(key.last_used) < 86_400_000
}
