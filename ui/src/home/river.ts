// Where the nodes of the river stand and how its edges run.
import type { Status } from '@/api/schema'
import type { Counts } from '@/api/rates'
import type { Meaning } from '@/design/Badge'
import type { IconName } from '@/design/Icon'
import { bytes, compact, duration, plural, rate } from '@/format/format'

export interface Node {
  id: string
  title: string
  icon: IconName
  to: string
  state: { word: string; meaning: Meaning }
  lines: string[]
  column: number
  /** Rows from the top; may be halves. */
  row: number
}

export interface Edge { from: string; to: string; perSecond: number }

export const nodeWidth = 232
export const nodeHeight = 92
/** Between columns, when nothing else is said. */
export const columnGap = 96
const rowGap = 20
const mostSources = 6

const total = (c: Counts | undefined) => c ? c.accepted + c.duplicates + c.rejected : 0

/** Records a second that came out at the end, of the last minute. */
export interface Written { archive?: number; warehouse?: number }

/** river lays out sources → log → archive and warehouse. Of many sources the busiest are nodes, the others one. */
export function river(status: Status, rates: ReadonlyMap<string, Counts>, now: number, written: Written = {}): { nodes: Node[]; edges: Edge[] } {
  const nodes: Node[] = []
  const edges: Edge[] = []
  const busiest = [...status.sources].sort((a, b) => total(rates.get(b.name)) - total(rates.get(a.name)) || b.accepted - a.accepted || a.name.localeCompare(b.name))
  // Those that are shown keep their places, however their rates go.
  const shown = busiest.slice(0, busiest.length > mostSources ? mostSources - 1 : mostSources).sort((a, b) => a.name.localeCompare(b.name))
  const rest = busiest.slice(shown.length)
  // One look at counts tells no rate yet.
  const told = (per: number) => rate(rates.size === 0 ? undefined : per)
  for (const [row, source] of shown.entries()) {
    const per = total(rates.get(source.name))
    const fresh = source.last_received !== undefined && now - Date.parse(source.last_received) < 60_000
    nodes.push({ id: `source:${source.name}`, title: source.name, icon: 'source', to: `/sources/${source.name}`, column: 0, row,
      state: source.silent ? { word: 'Fell silent', meaning: 'warning' } : fresh ? { word: 'Receiving', meaning: 'good' } : { word: source.last_received ? 'Quiet' : 'Nothing yet', meaning: 'neutral' },
      lines: [told(per), `${compact(source.accepted)} accepted${source.rejected > 0 ? `, ${compact(source.rejected)} rejected` : ''}`] })
    edges.push({ from: `source:${source.name}`, to: 'log', perSecond: per })
  }
  if (rest.length > 0) {
    const per = rest.reduce((n, s) => n + total(rates.get(s.name)), 0)
    nodes.push({ id: 'rest', title: plural(rest.length, 'more source'), icon: 'source', to: '/sources', column: 0, row: shown.length, state: { word: 'See them all', meaning: 'neutral' }, lines: [told(per)] })
    edges.push({ from: 'rest', to: 'log', perSecond: per })
  }
  const rows = Math.max(2, nodes.length)
  const sinks = status.archive && status.warehouse ? 2 : 1
  const middle = (rows - 1) / 2
  const all = [...rates.values()].reduce((n, c) => n + total(c), 0)
  const log = status.log
  nodes.push({ id: 'log', title: 'Log', icon: 'live', to: '/live', column: 1, row: middle,
    state: log?.refusing ? { word: 'Refusing', meaning: 'bad' } : { word: 'Taking', meaning: 'good' }, lines: [told(all), log ? `${bytes(log.size_bytes)}, kept ${duration(log.retention_seconds * 1000)}` : ''] })
  const place = (i: number) => sinks === 1 ? middle : Math.max(0, middle - 0.6) + i * (middle < 0.6 ? 1 : 1.2)
  if (status.archive) nodes.push(sink('archive', 'Archive', 'file', status, status.archive.problem, written.archive, [plural(status.archive.files ?? 0, 'file'), bytes(status.archive.size_bytes ?? 0)], place(0)))
  if (status.warehouse) nodes.push(sink('warehouse', 'Warehouse', 'warehouse', status, status.warehouse.problem, written.warehouse, [`${status.warehouse.backend}, ${bytes(status.warehouse.size_bytes)}`], place(sinks - 1)))
  for (const node of nodes) if (node.column === 2) edges.push({ from: 'log', to: node.id, perSecond: node.state.meaning === 'good' ? all : 0 })
  return { nodes, edges }
}

function sink(id: string, title: string, icon: IconName, status: Status, problem: string | undefined, perSecond: number | undefined, about: string[], row: number): Node {
  const reader = status.readers.find((r) => r.name === id)
  const lag = reader?.lag_seconds ?? 0
  const behind = lag > 1 ? `${duration(lag * 1000)} behind` : 'up to date'
  const state: Node['state'] = problem || reader?.state === 'failing' || reader?.state === 'stopped' ? { word: 'Stuck', meaning: 'bad' }
    : reader?.state === 'paused' ? { word: 'Paused', meaning: 'warning' } : lag > 120 ? { word: 'Behind', meaning: 'warning' } : { word: 'Keeping up', meaning: 'good' }
  return { id, title, icon, to: id === 'warehouse' ? '/warehouse' : '/status', state, column: 2, row, lines: [perSecond === undefined ? behind : id === 'warehouse' ? rate(perSecond).replace('/s', ' rows/s') : rate(perSecond), [...(perSecond === undefined ? [] : [behind]), ...about].join(', ')] }
}

export function placeOf(node: Node, gap = columnGap): { x: number; y: number } {
  return { x: node.column * (nodeWidth + gap), y: node.row * (nodeHeight + rowGap) }
}

/** gapFor spreads the columns over a width, as far as it is still one picture. */
export const gapFor = (width: number): number => Math.max(columnGap, Math.min(240, Math.floor((width - 3 * nodeWidth) / 2)))

export function sizeOf(nodes: Node[], gap = columnGap): { width: number; height: number } {
  return { width: 3 * nodeWidth + 2 * gap, height: Math.max(...nodes.map((n) => placeOf(n).y)) + nodeHeight }
}

/** curve is the path of an edge. */
export function curve(from: Node, to: Node, gap = columnGap): string {
  const a = placeOf(from, gap)
  const b = placeOf(to, gap)
  const [x1, y1, x2, y2] = [a.x + nodeWidth, a.y + nodeHeight / 2, b.x, b.y + nodeHeight / 2]
  const bend = (x2 - x1) / 2
  return `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`
}

/** strength is the width of an edge, and how long its flow takes for a step. */
export function strength(perSecond: number): { width: number; seconds: number } {
  if (perSecond <= 0) return { width: 1, seconds: 0 }
  const power = Math.log10(1 + perSecond)
  return { width: 1.5 + power * 1.4, seconds: Math.max(0.35, 2.4 - power * 0.55) }
}
