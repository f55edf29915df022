// A name has the same colour everywhere.

/** How many hues charts have. */
export const hues = 8

/** hueOf returns the chart hue of a name, 1 to 8. */
export function hueOf(name: string): number {
  let sum = 2166136261
  for (let i = 0; i < name.length; i++) sum = Math.imul(sum ^ name.charCodeAt(i), 16777619)
  return ((sum >>> 0) % hues) + 1
}

/** huesOf gives each of several names a hue: its own, or where two would share one, the next that is free. */
export function huesOf(names: string[]): Map<string, number> {
  const given = new Map<string, number>()
  const taken = new Set<number>()
  for (const name of [...names].sort()) {
    let hue = hueOf(name)
    for (let i = 0; i < hues && taken.has(hue); i++) hue = (hue % hues) + 1
    taken.add(hue)
    given.set(name, hue)
  }
  return given
}
