/** pretty lays JSON out to be read; what is not JSON stays as it is. */
export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

/** mistakeIn says why a text is no JSON, with the line, or undefined when it is. */
export function mistakeIn(text: string): string | undefined {
  if (text.trim() === '') return 'It is empty: an event is a JSON object.'
  try {
    JSON.parse(text)
    return undefined
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown)
    const at = /position (\d+)/.exec(message)
    if (!at) return `It is not JSON: ${message}`
    const before = text.slice(0, Number(at[1])).split('\n')
    return `It is not JSON: line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}: ${message.replace(/ in JSON at position.*/, '')}`
  }
}

/** merged applies a JSON merge patch (RFC 7396) to a JSON text; undefined when one of them is no JSON. */
export function merged(text: string, patch: string): string | undefined {
  try {
    return JSON.stringify(merge(JSON.parse(text), JSON.parse(patch)))
  } catch {
    return undefined
  }
}

function merge(target: unknown, patch: unknown): unknown {
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch
  const out: Record<string, unknown> = target !== null && typeof target === 'object' && !Array.isArray(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(out, key)
    else out[key] = merge(out[key], value)
  }
  return out
}
