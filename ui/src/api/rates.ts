// Rates of sources, from how their counts grow between two looks at the status.
import { useSyncExternalStore } from 'react'
import type { Status } from './schema'

export interface Counts { accepted: number; duplicates: number; rejected: number }

interface Sample { at: number; sources: Map<string, Counts> }

const most = 900 // half an hour at one look each two seconds
const over = 6_000 // a rate is of the last so many milliseconds

let samples: Sample[] = []
const listeners = new Set<() => void>()

/** noteStatus keeps the counts of a status. Counts that fell begin anew: the server was started again. */
export function noteStatus(status: Status, at: number): void {
  const sources = new Map(status.sources.map((s) => [s.name, { accepted: s.accepted, duplicates: s.duplicates, rejected: s.rejected }]))
  const last = samples.at(-1)
  const fell = last && [...sources].some(([name, now]) => now.accepted < (last.sources.get(name)?.accepted ?? 0))
  samples = [...(fell ? [] : samples.slice(1 - most)), { at, sources }]
  for (const listener of listeners) listener()
}

/** ratesOf returns records a second by source, over the last seconds before the end of the samples: of none, when there was one look only. */
export function ratesOf(all: readonly Sample[], end = all.length - 1): Map<string, Counts> {
  const last = all[end]
  const rates = new Map<string, Counts>()
  if (!last) return rates
  let from = end
  while (from > 0 && last.at - (all[from - 1]?.at ?? 0) <= over) from--
  const first = all[from]
  const seconds = first ? (last.at - first.at) / 1000 : 0
  if (seconds <= 0) return rates
  for (const [name, now] of last.sources) {
    const then = first?.sources.get(name)
    const per = (a: number, b: number | undefined) => b !== undefined ? Math.max(0, a - b) / seconds : 0
    rates.set(name, { accepted: per(now.accepted, then?.accepted), duplicates: per(now.duplicates, then?.duplicates), rejected: per(now.rejected, then?.rejected) })
  }
  return rates
}

/** seriesOf returns the rate of one count over the samples, for each source. */
export function seriesOf(all: readonly Sample[], of: keyof Counts | 'all'): { x: number[]; sources: Map<string, number[]> } {
  const sources = new Map<string, number[]>()
  const kept = all.slice(1)
  for (const [i, sample] of kept.entries()) {
    for (const [name, counts] of ratesOf(all, i + 1)) {
      const value = of === 'all' ? counts.accepted + counts.duplicates + counts.rejected : counts[of]
      let line = sources.get(name)
      if (!line) sources.set(name, line = Array.from({ length: kept.length }, () => 0))
      line[i] = value
    }
    void sample
  }
  return { x: kept.map((s) => s.at), sources }
}

/** useSamples are the samples of this visit. */
export function useSamples(): readonly Sample[] {
  return useSyncExternalStore((told) => { listeners.add(told); return () => listeners.delete(told) }, () => samples)
}
