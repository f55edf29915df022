import type { SecretInfo } from '@/api/schema'

/** keyOf tells secrets apart: one path may be of this environment and of all. */
export const keyOf = (s: Pick<SecretInfo, 'path' | 'all_environments'>): string => (s.all_environments ? 'all:' : 'own:') + s.path

/** nameOf is how the API is told which secret is meant. */
export const nameOf = (s: Pick<SecretInfo, 'path' | 'all_environments'>): { path: string; all_environments?: boolean } => ({ path: s.path, ...(s.all_environments ? { all_environments: true } : {}) })

/** pathProblem says what is wrong with the path of a new secret. */
export function pathProblem(path: string, all: boolean, there: SecretInfo[]): string | undefined {
  if (path === '') return undefined
  if (!/^[a-z0-9_]+(\/[a-z0-9_]+)*$/.test(path)) return 'Small letters, digits and _, with / between names: stripe/live_key'
  if (there.some((s) => s.path === path && s.all_environments === all)) return 'There is one already: open it to set a new value'
  return undefined
}

/** linesOf are the words of a text, one in a line or with commas between. */
export const linesOf = (text: string): string[] => [...new Set(text.split(/[\s,]+/).filter(Boolean))]

/** usersOf says in a few words who may use a secret. */
export function usersOf(s: SecretInfo): string {
  const who = s.resources.length === 0 ? 'nobody' : s.resources.includes('*') ? 'everything' : s.resources.slice(0, 2).join(', ') + (s.resources.length > 2 ? ` and ${s.resources.length - 2} more` : '')
  return s.hosts.length === 0 ? who : `${who} → ${s.hosts[0] ?? ''}${s.hosts.length > 1 ? ` and ${s.hosts.length - 1} more` : ''}`
}
