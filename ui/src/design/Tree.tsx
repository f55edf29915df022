import { useRef, useState, type KeyboardEvent } from 'react'
import { CopyButton } from './CopyButton'
import { Icon } from './Icon'

/** What JSON may hold. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

interface Row {
  path: string
  key: string
  depth: number
  value: Json
  open: boolean | undefined // undefined: it has nothing inside
}

const most = 200 // of the children of one value; a longer list says how many more

/** rowsOf lays a value out as the rows that are seen, when the paths in toggled are turned over. */
export function rowsOf(value: Json, toggled: ReadonlySet<string>, openTo: number): Row[] {
  const rows: Row[] = []
  const visit = (v: Json, key: string, path: string, depth: number) => {
    const inside = children(v)
    const open = inside && inside.length > 0 ? (depth < openTo) !== toggled.has(path) : undefined
    rows.push({ path, key, depth, value: v, open })
    if (!open || !inside) return
    for (const [k, child] of inside.slice(0, most)) visit(child, k, `${path}/${k.replaceAll('~', '~0').replaceAll('/', '~1')}`, depth + 1)
    if (inside.length > most) rows.push({ path: `${path}/…`, key: '…', depth: depth + 1, value: `${inside.length - most} more`, open: undefined })
  }
  for (const [k, child] of children(value) ?? [['', value] as [string, Json]]) visit(child, k, `/${k.replaceAll('~', '~0').replaceAll('/', '~1')}`, 0)
  return rows
}

function children(value: Json): [string, Json][] | undefined {
  if (Array.isArray(value)) return value.map((v, i) => [String(i), v])
  if (value !== null && typeof value === 'object') return Object.entries(value)
  return undefined
}

/** A JSON value as a tree: arrows move, right and left open and close, c copies. */
export function Tree({ value, label, openTo = 2 }: { value: Json; label: string; openTo?: number }) {
  const [toggled, setToggled] = useState<ReadonlySet<string>>(new Set())
  const [cursor, setCursor] = useState(0)
  const box = useRef<HTMLDivElement>(null)
  const rows = rowsOf(value, toggled, openTo)
  const at = Math.min(cursor, rows.length - 1)
  const toggle = (path: string) => {
    setToggled((before) => {
      const next = new Set(before)
      if (!next.delete(path)) next.add(path)
      return next
    })
  }
  const move = (to: number) => {
    const next = Math.max(0, Math.min(rows.length - 1, to))
    setCursor(next)
    box.current?.querySelectorAll<HTMLElement>('[role=treeitem]')[next]?.focus()
  }
  const onKey = (event: KeyboardEvent) => {
    const row = rows[at]
    if (!row || event.ctrlKey || event.metaKey) return
    const parent = () => rows.findLastIndex((r, i) => i < at && r.depth < row.depth)
    switch (event.key) {
      case 'ArrowDown': move(at + 1); break
      case 'ArrowUp': move(at - 1); break
      case 'Home': move(0); break
      case 'End': move(rows.length - 1); break
      case 'ArrowRight': if (row.open === false) toggle(row.path); else if (row.open) move(at + 1); break
      case 'ArrowLeft': if (row.open) toggle(row.path); else if (parent() >= 0) move(parent()); break
      case 'Enter': case ' ': if (row.open !== undefined) toggle(row.path); break
      default: return
    }
    event.preventDefault()
    event.stopPropagation()
  }
  if (rows.length === 0) return <p className="p-3 text-faint">Empty</p>
  return (
    <div ref={box} role="tree" aria-label={label} tabIndex={-1} onKeyDown={onKey} className="py-1 font-mono text-12">
      {rows.map((row, i) => (
        <div key={row.path} role="treeitem" aria-level={row.depth + 1} aria-expanded={row.open} aria-selected={i === at} tabIndex={i === at ? 0 : -1} onFocus={() => { setCursor(i) }}
          className="group/row flex min-h-6 items-start gap-1 rounded-inner px-1 -outline-offset-2 hover:bg-hover" style={{ paddingLeft: 4 + row.depth * 16 }}>
          {/* The keys do the same as the click. */}
          {/* eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-static-element-interactions */}
          <span className="flex min-w-0 grow items-start gap-1 py-1" onClick={() => { setCursor(i); if (row.open !== undefined) toggle(row.path) }}>
            <Icon name="right" size={12} className={`mt-0.5 text-faint transition-transform ${row.open === undefined ? 'invisible' : row.open ? 'rotate-90' : ''}`} />
            <span className="shrink-0 text-soft">{row.key}:</span>
            <Value row={row} />
          </span>
          <span className="opacity-0 group-focus-within/row:opacity-100 group-hover/row:opacity-100"><CopyButton text={() => typeof row.value === 'string' ? row.value : JSON.stringify(row.value, null, 2)} label={`Copy ${row.key}`} /></span>
        </div>
      ))}
    </div>
  )
}

function Value({ row }: { row: Row }) {
  const { value, open } = row
  if (value === null) return <span className="text-faint italic">null</span>
  switch (typeof value) {
    case 'string': return <Text value={value} />
    case 'number': return <span className="text-info-text">{String(value)}</span>
    case 'boolean': return <span className="text-warning-text">{String(value)}</span>
    default: {
      const list = Array.isArray(value)
      const size = list ? value.length : Object.keys(value).length
      if (open) return <span className="text-faint">{list ? `[${size}]` : ''}</span>
      return <span className="truncate text-faint">{list ? `[${size}]` : size === 0 ? '{}' : `{ ${Object.keys(value).slice(0, 4).join(', ')}${size > 4 ? ', …' : ''} }`}</span>
    }
  }
}

/** Text is text, and a link only when it is an address of the web. */
function Text({ value }: { value: string }) {
  if (/^https?:\/\/[^\s]+$/i.test(value)) {
    return <a href={value} target="_blank" rel="noopener noreferrer nofollow" className="break-all text-accent-text underline decoration-line-strong underline-offset-2">{value}</a>
  }
  return <span className="break-words whitespace-pre-wrap text-good-text [overflow-wrap:anywhere]">{value === '' ? '""' : value}</span>
}
