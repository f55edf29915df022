// What a chart over time shows of the range that was asked for.

export interface Axis {
  from: number
  until: number
  /** Where what is known begins, when that is much later than what was asked for. */
  since?: number
}

/**
 * axisOf is the whole range, unless what is known fills less than a quarter of
 * it: then it begins where that begins. The last numbers of a range that ends
 * now may be some seconds old: it ends with them. All in milliseconds.
 */
export function axisOf(x: readonly number[], span: { from: number; until: number }): Axis {
  const first = x[0]
  const last = x.at(-1)
  const whole = span.until - span.from
  if (first === undefined || last === undefined || whole <= 0) return span
  const until = span.until - last <= Math.max(30_000, whole * 0.03) ? Math.max(last, first + 1) : span.until
  if (first - span.from > whole * 0.75) return { from: first, until, since: first }
  // A step that began before the range is a part of it.
  return { from: Math.min(span.from, first), until }
}

interface Mark { at: number; text: string }

/** together joins marks that would be drawn within so many pixels: "reload ×5". */
export function together(marks: readonly Mark[], placeOf: (at: number) => number, within: number): { x: number; text: string }[] {
  const groups: { x: number; counts: Map<string, number> }[] = []
  for (const mark of [...marks].sort((a, b) => a.at - b.at)) {
    const x = placeOf(mark.at)
    let group = groups.at(-1)
    if (!group || x - group.x > within) groups.push(group = { x, counts: new Map() })
    group.counts.set(mark.text, (group.counts.get(mark.text) ?? 0) + 1)
  }
  return groups.map(({ x, counts }) => ({ x, text: [...counts].map(([text, n]) => n > 1 ? `${text} ×${n}` : text).join(', ') }))
}

/**
 * capOf is where a chart may be cut so that usual times are readable beside a
 * burst, such as an import: a little above the highest of the usual values.
 * Undefined when nothing stands out that far.
 */
export function capOf(values: readonly number[]): number | undefined {
  const some = values.filter((v) => v > 0).sort((a, b) => a - b)
  const usual = some[Math.floor(some.length * 0.8)]
  const most = some.at(-1)
  if (some.length < 6 || usual === undefined || most === undefined || most < usual * 10) return undefined
  return (some.filter((v) => v <= usual * 4).at(-1) ?? usual) * 1.25
}

/** peaksOf finds the highest point of each stretch that lies above the cut. */
export function peaksOf(values: readonly number[], cap: number): { at: number; value: number }[] {
  const peaks: { at: number; value: number }[] = []
  let inside = false
  for (const [at, value] of values.entries()) {
    const last = peaks.at(-1)
    if (value <= cap) inside = false
    else if (!inside || !last) { peaks.push({ at, value }); inside = true } else if (value > last.value) { last.at = at; last.value = value }
  }
  return peaks
}
