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
