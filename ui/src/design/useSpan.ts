import { parseRange, type Range } from '@/format/range'
import { useNow } from './now'
import { useZone } from './zone'

/** useSpan is the span of a typed range at this moment, moving on every ten seconds. */
export function useSpan(range: string): Range {
  const zone = useZone()
  const now = Math.floor(useNow() / 10_000) * 10_000
  return parseRange(range, now, zone) ?? { from: now - 3 * 3600_000, until: now }
}
