/**
 * score says how well typed letters fit a text, higher is better, or undefined
 * when they are not in it in that order. Beginnings of words count most.
 */
export function score(typed: string, text: string): number | undefined {
  const want = typed.toLowerCase().replaceAll(' ', '')
  const have = text.toLowerCase()
  if (want === '') return 0
  const whole = have.indexOf(typed.toLowerCase().trim())
  if (whole === 0 || (whole > 0 && /\W/.test(have[whole - 1] ?? ''))) return 1000 - whole * 2 - have.length
  let total = 0
  let at = -1
  for (const letter of want) {
    const next = have.indexOf(letter, at + 1)
    if (next < 0) return undefined
    const begins = next === 0 || /[\W_]/.test(have[next - 1] ?? '')
    total += (next === at + 1 ? 8 : 0) + (begins ? 10 : 0) - Math.min(6, next - at)
    at = next
  }
  return total - have.length / 4
}

/** scoreOfNamed is score for what has a name and says more about itself: how much it says takes nothing from its name. */
export function scoreOfNamed(typed: string, name: string, about: string): number | undefined {
  const named = score(typed, name)
  const all = score(typed, `${name} ${about}`)
  return named === undefined || all === undefined ? all : Math.max(named, all)
}
