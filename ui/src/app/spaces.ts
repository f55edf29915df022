import { score } from '@/design/fuzzy'
import { defaultSpace, pageOf } from '@/api/space'
import type { Workspace } from '@/api/schema'

/** A Place is an environment that one can go to. */
export interface Place { space: string; address: string; workspace: string; title: string; environment: string; main: boolean; suspended: boolean }

/** placesOf are the environments of workspaces that can be gone to, the default one of each first. */
export function placesOf(workspaces: Workspace[]): Place[] {
  return workspaces.filter((w) => w.state === 'active' || w.state === 'suspended').flatMap((w) => w.environments.filter((e) => e.state === 'active')
    .sort((a, b) => Number(b.main) - Number(a.main) || a.name.localeCompare(b.name))
    .map((e) => ({ space: e.space, address: e.address, workspace: w.name, title: w.title, environment: e.name, main: e.main, suspended: w.state === 'suspended' })))
}

/** found are the places that match what is typed, the best first; all of them in their order when nothing is. */
export function found(places: Place[], typed: string): Place[] {
  if (typed.trim() === '') return places
  return places.map((place) => ({ place, score: score(typed, `${place.address} ${place.title} ${place.environment}`) }))
    .filter((f): f is { place: Place; score: number } => f.score !== undefined)
    .sort((a, b) => b.score - a.score).map((f) => f.place)
}

// Rooms that are there wherever one goes: what was open in them is not.
const rooms = ['sources', 'live', 'rejected', 'warehouse', 'project', 'status', 'settings', 'api']

/** linkTo is where the page of a place is, in the room that one is in. */
export function linkTo(place: Pick<Place, 'space' | 'address'>, path: string): string {
  const [room = '', part = ''] = path.split('/').filter(Boolean)
  const same = room === 'settings' || room === 'api' ? [room, part].filter(Boolean).join('/') : rooms.includes(room) ? room : ''
  return `${pageOf(place.space === defaultSpace ? '' : place.address)}/${same}`
}
