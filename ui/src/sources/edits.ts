// Values of a file, as the server reads them, and the changes that make others of them.
import type { FileChange, FileProblem } from '@/api/schema'

export type Value = null | boolean | number | string | Value[] | { [name: string]: Value }
export type Values = Record<string, Value>
export type Path = (string | number)[]

export const isMap = (value: Value | undefined): value is Values => value !== null && typeof value === 'object' && !Array.isArray(value)

/** valuesOf takes what the server read. */
export const valuesOf = (read: unknown): Values => isMap(read as Value) ? read as Values : {}

/** at is the value at a path; undefined when there is none. */
export function at(values: Value | undefined, path: Path): Value | undefined {
  let value = values
  for (const step of path) {
    if (Array.isArray(value)) value = value[Number(step)]
    else if (isMap(value)) value = Object.hasOwn(value, step) ? value[step] : undefined
    else return undefined
  }
  return value
}

/** put sets a value; undefined takes it away, and a mapping that is empty then. */
export function put(values: Values, path: string[], value: Value | undefined): Values {
  const [name, ...rest] = path
  if (name === undefined) return values
  const next = { ...values }
  const inner = isMap(values[name]) ? values[name] : {}
  const set = rest.length === 0 ? value : put(inner, rest, value)
  if (set === undefined || (rest.length > 0 && isMap(set) && Object.keys(set).length === 0)) {
    const { [name]: _, ...others } = next
    return others
  }
  next[name] = set
  return next
}

export function same(a: Value | undefined, b: Value | undefined): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((v, i) => same(v, b[i]))
  if (isMap(a) && isMap(b)) {
    const names = Object.keys(a)
    return names.length === Object.keys(b).length && names.every((n) => Object.hasOwn(b, n) && same(a[n], b[n]))
  }
  return a === b
}

/** changesOf are the changes that make one of the other; what is the same in both is not touched. */
export function changesOf(base: Values, wanted: Values, path: Path = []): FileChange[] {
  const out: FileChange[] = []
  for (const [name, value] of Object.entries(wanted)) {
    const before = Object.hasOwn(base, name) ? base[name] : undefined
    if (same(before, value)) continue
    if (isMap(before) && isMap(value) && Object.keys(value).length > 0) out.push(...changesOf(before, value, [...path, name]))
    else out.push({ op: 'set', path: [...path, name], value })
  }
  for (const name of Object.keys(base)) if (!Object.hasOwn(wanted, name)) out.push({ op: 'remove', path: [...path, name] })
  return out
}

/** merge does to theirs what was done to base to make mine: of lists, item by item. */
export function merge(base: Values, mine: Values, theirs: Values): Values {
  let out: Values = { ...theirs }
  for (const name of new Set([...Object.keys(base), ...Object.keys(mine)])) {
    const [b, m, t] = [base[name], mine[name], theirs[name]]
    if (same(b, m)) continue
    if (m === undefined) out = Object.fromEntries(Object.entries(out).filter(([other]) => other !== name))
    else if (isMap(m) && isMap(t)) out[name] = merge(isMap(b) ? b : {}, m, t)
    else if (Array.isArray(m) && Array.isArray(t)) out[name] = mergeList(Array.isArray(b) ? b : [], m, t)
    else out[name] = m
  }
  return out
}

function mergeList(base: Value[], mine: Value[], theirs: Value[]): Value[] {
  const has = (list: Value[], value: Value) => list.some((v) => same(v, value))
  return [...theirs.filter((v) => has(mine, v) || !has(base, v)), ...mine.filter((v) => !has(base, v) && !has(theirs, v))]
}

/** written is how a value stands in a field of text. */
export const written = (value: Value | undefined): string => value === undefined || value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value)

/** numberOf reads what was typed into a field of numbers; what is none stays text, and the check says so. */
export function numberOf(typed: string): Value | undefined {
  const text = typed.trim()
  if (text === '') return undefined
  return /^-?\d+(\.\d+)?$/.test(text) && Number.isSafeInteger(Math.trunc(Number(text))) ? Number(text) : text
}

/** pathOf writes a path as problems begin: "write_keys[1]". */
export const pathOf = (path: Path): string => path.reduce<string>((text, step) => typeof step === 'number' ? `${text}[${step}]` : text ? `${text}.${step}` : step, '')

/** problemAt finds what is wrong with a field itself, without its name before it. */
export function problemAt(problems: FileProblem[], path: Path): string | undefined {
  const start = `${pathOf(path)}: `
  const found = problems.filter((p) => p.message.startsWith(start)).map((p) => p.message.slice(start.length))
  return found.length > 0 ? found.join('; ') : undefined
}

/** isWithin says whether a problem is about a field or something in it. */
export function isWithin(problem: FileProblem, field: string): boolean {
  const rest = problem.message.startsWith(field) ? problem.message.slice(field.length) : undefined
  return rest !== undefined && /^(: |\.|\[)/.test(rest)
}
