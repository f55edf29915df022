import { exact, nothing, relative } from '@/format/format'
import { useNow } from './now'
import { useZone } from './zone'

/** A time: how long ago in lists, to the millisecond in detail; the other one on hover. */
export function TimeText({ at, full = false }: { at: string | number | undefined | null; full?: boolean }) {
  const now = useNow()
  const zone = useZone()
  if (at === undefined || at === null) return <span className="text-faint">{nothing}</span>
  const ms = typeof at === 'number' ? at : Date.parse(at)
  if (Number.isNaN(ms)) return <span>{String(at)}</span>
  const written = exact(ms, zone)
  const ago = relative(ms, Math.max(now, Math.min(ms, now + 1500)))
  return <time dateTime={new Date(ms).toISOString()} title={full ? ago : written} className="whitespace-nowrap">{full ? written : ago}</time>
}
