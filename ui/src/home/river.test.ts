import { expect, test } from 'vitest'
import type { Status } from '@/api/schema'
import { river, sizeOf, strength } from './river'

const source = (name: string, accepted = 0) => ({ name, kind: 'http', write_keys: ['k'], keys: [], dedup: '24h', accepted, duplicates: 0, rejected: 0, silent: false })
const status = (names: string[], change: Partial<Status> = {}): Status => ({
  name: 'shop', version: '1', mode: 'dev', workspace: 'default', started: '2026-01-31T08:00:00Z', ready: true, problems: [], notices: [],
  readers: [{ name: 'warehouse', state: 'running', position: '1-1-1', lag_seconds: 0, actions: [] }], sources: names.map((n, i) => source(n, i)),
  archive: { location: 'file:archive', through: '1-1-1' }, warehouse: { backend: 'duckdb', committed: '1-1-1', lag_seconds: 0, restarts: 0, queries: 0 }, ...change,
})

test('every source flows into the log, the log into its sinks', () => {
  const { nodes, edges } = river(status(['web', 'shop']), new Map([['web', { accepted: 5, duplicates: 1, rejected: 0 }]]), 0)
  expect(nodes.map((n) => n.id)).toEqual(['source:shop', 'source:web', 'log', 'archive', 'warehouse'])
  expect(edges).toContainEqual({ from: 'source:web', to: 'log', perSecond: 6 })
  expect(edges).toContainEqual({ from: 'log', to: 'warehouse', perSecond: 6 })
  expect(sizeOf(nodes).height).toBeGreaterThan(0)
  expect(nodes[1]?.lines[0]).toBe('6/s')
  expect(river(status(['web']), new Map(), 0).nodes[0]?.lines[0]).toBe('–')
})

test('of many sources some are one node', () => {
  const { nodes } = river(status(Array.from({ length: 20 }, (_, i) => `s${i}`)), new Map(), 0)
  expect(nodes.filter((n) => n.column === 0)).toHaveLength(6)
  expect(nodes.find((n) => n.id === 'rest')?.title).toBe('15 more sources')
})

test('a stuck sink says so, and nothing flows into it', () => {
  const stuck = status(['web'], { readers: [{ name: 'warehouse', state: 'failing', position: '', lag_seconds: 900, actions: [] }] })
  const { nodes, edges } = river(stuck, new Map([['web', { accepted: 5, duplicates: 0, rejected: 0 }]]), 0)
  expect(nodes.find((n) => n.id === 'warehouse')?.state).toEqual({ word: 'Stuck', meaning: 'bad' })
  expect(edges.find((e) => e.to === 'warehouse')?.perSecond).toBe(0)
})

test('more flows wider and faster', () => {
  expect(strength(0).seconds).toBe(0)
  expect(strength(1000).width).toBeGreaterThan(strength(10).width)
  expect(strength(1000).seconds).toBeLessThan(strength(10).seconds)
})
