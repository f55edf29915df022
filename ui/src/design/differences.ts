export interface Line { kind: 'same' | 'added' | 'removed'; text: string; before?: number; after?: number }

const most = 4_000_000 // cells of the comparison; above it, all of the middle is other

/** diff compares two texts line by line. */
export function diff(before: string, after: string): Line[] {
  const a = before.split('\n')
  const b = after.split('\n')
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start++
  let end = 0
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++
  const out: Line[] = []
  for (let i = 0; i < start; i++) out.push({ kind: 'same', text: a[i] ?? '', before: i + 1, after: i + 1 })
  out.push(...middle(a.slice(start, a.length - end), b.slice(start, b.length - end), start))
  for (let i = end; i > 0; i--) out.push({ kind: 'same', text: a[a.length - i] ?? '', before: a.length - i + 1, after: b.length - i + 1 })
  return out
}

/** middle finds the longest common lines of what differs. */
function middle(a: string[], b: string[], offset: number): Line[] {
  const removed = (i: number): Line => ({ kind: 'removed', text: a[i] ?? '', before: offset + i + 1 })
  const added = (j: number): Line => ({ kind: 'added', text: b[j] ?? '', after: offset + j + 1 })
  if (a.length * b.length > most) return [...a.map((_, i) => removed(i)), ...b.map((_, j) => added(j))]
  const width = b.length + 1
  const common = new Uint32Array((a.length + 1) * width)
  const at = (i: number, j: number) => common[i * width + j] ?? 0
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) common[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
  }
  const out: Line[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { out.push({ kind: 'same', text: a[i] ?? '', before: offset + ++i, after: offset + ++j }) }
    else if (i < a.length && (j >= b.length || at(i + 1, j) >= at(i, j + 1))) out.push(removed(i++))
    else out.push(added(j++))
  }
  return out
}

/** near keeps the lines around what changed; undefined stands for those left out. */
export function near(lines: Line[], around = 3): (Line | undefined)[] {
  const keep = lines.map((_, i) => lines.slice(Math.max(0, i - around), i + around + 1).some((l) => l.kind !== 'same'))
  const out: (Line | undefined)[] = []
  for (const [i, line] of lines.entries()) {
    if (keep[i]) out.push(line)
    else if (i === 0 || keep[i - 1]) out.push(undefined)
  }
  return out
}
