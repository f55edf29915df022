import type { Deployment, PlanEffect, PlanResourceChange, Release } from '@/api/schema'
import type { Meaning } from '@/design/Badge'

export const origins: Record<Release['origin'], string> = { deploy: 'deployed', page: 'from the page', folder: 'from the server’s folder', promote: 'promoted', rollback: 'rolled back' }

const states: Record<Deployment['state'], [string, Meaning]> = {
  proposed: ['Waiting', 'info'], validated: ['Checked', 'info'], switching: ['Switching', 'info'], checking: ['Checking health', 'info'], reverting: ['Going back', 'warning'],
  healthy: ['Healthy', 'good'], refused: ['Refused', 'bad'], rolled_back: ['Rolled back', 'warning'], stuck: ['Stuck', 'bad'],
}

/** stateOf says how a deployment stands. */
export const stateOf = (d: Pick<Deployment, 'state'>): { word: string; meaning: Meaning } => ({ word: states[d.state][0], meaning: states[d.state][1] })

const severities: Record<string, [string, Meaning]> = { breaking: ['breaks', 'bad'], careful: ['look before', 'warning'], info: ['good to know', 'info'] }

export const severityOf = (e: PlanEffect): { word: string; meaning: Meaning } => { const [word, meaning] = severities[e.severity] ?? [e.severity, 'neutral' as const]; return { word, meaning } }

const signs: Record<string, string> = { add: '+', added: '+', remove: '−', removed: '−', change: '~', changed: '~' }

/** signOf is how a change is marked, beside its word. */
export const signOf = (op: string): string => signs[op] ?? '~'

export const resourceOf = (r: PlanResourceChange): string => r.folder ? `${r.folder}/${r.name}` : r.file

/** Whether a version is gone back to, or is run here for the first time. */
export const wayOf = (version: number, running: number): 'back' | 'on' => version < running ? 'back' : 'on'
