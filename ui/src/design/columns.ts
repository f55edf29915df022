import { useCallback, useState } from 'react'

interface Kept {
  widths: Record<string, number>
  hidden: string[]
}

const leastWidth = 40
const mostWidth = 1200

function read(key: string): Kept {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key) ?? 'null')
    if (kept !== null && typeof kept === 'object' && 'widths' in kept && 'hidden' in kept && Array.isArray(kept.hidden)) return kept as Kept
  } catch { /* as if nothing were kept */ }
  return { widths: {}, hidden: [] }
}

/** useColumns remembers under a name which columns are hidden and how wide the others are. */
export function useColumns(name: string) {
  const key = `millrace.columns.${name}`
  const [state, setState] = useState({ key, kept: read(key) })
  let kept = state.kept
  if (state.key !== key) {
    kept = read(key)
    setState({ key, kept })
  }
  const save = useCallback((change: (kept: Kept) => Kept) => {
    setState((before) => {
      const next = change(before.kept)
      try { localStorage.setItem(before.key, JSON.stringify(next)) } catch { /* it holds for this visit */ }
      return { key: before.key, kept: next }
    })
  }, [])
  return {
    widths: kept.widths,
    hidden: kept.hidden,
    resize: useCallback((id: string, width: number) => {
      save((k) => ({ ...k, widths: { ...k.widths, [id]: Math.round(Math.max(leastWidth, Math.min(mostWidth, width))) } }))
    }, [save]),
    toggle: useCallback((id: string) => {
      save((k) => ({ ...k, hidden: k.hidden.includes(id) ? k.hidden.filter((h) => h !== id) : [...k.hidden, id] }))
    }, [save]),
  }
}
