import { useCallback, useEffect, useId, useImperativeHandle, useMemo, useRef, useState, type CSSProperties, type KeyboardEvent, type PointerEvent, type ReactNode, type Ref } from 'react'
import { useColumns } from './columns'
import { copyText } from './CopyButton'
import { cx } from './cx'
import { Icon } from './Icon'
import { IconButton } from './IconButton'
import { Menu } from './Menu'
import { toast } from './Toast'
import { useWindowed } from './windowed'

export interface Column<Row> {
  id: string
  title: ReactNode
  /** For the column menu when the title is no text. */
  name?: string
  /** Pixels to begin with; a column without takes what is left. */
  width?: number
  align?: 'right'
  mono?: boolean
  cell: (row: Row, at: number) => ReactNode
  /** What is copied. */
  text?: (row: Row) => string
  /** A click on its title sorts. */
  sortable?: boolean
}

export interface Sorting { column: string; down: boolean }

export interface TableHandle {
  focus(): void
  reveal(row: number): void
}

interface Props<Row> {
  /** Under this name widths and hidden columns are remembered. */
  name: string
  label: string
  columns: Column<Row>[]
  count: number
  /** The row at a place, or undefined while it is fetched. */
  rowAt: (at: number) => Row | undefined
  rowKey?: (row: Row, at: number) => string
  /** Which row is open beside the table. */
  chosen?: number
  onOpen?: (at: number) => void
  sort?: Sorting
  onSort?: (sorting: Sorting | undefined) => void
  empty?: ReactNode
  compact?: boolean
  ref?: Ref<TableHandle>
  /** Told which rows are drawn, and whether one has scrolled down, when that changes. */
  onSeen?: (from: number, to: number, scrolled: boolean) => void
  className?: string
}

const head = 32

/** Rows under columns: of any number, with a keyboard cursor. */
export function Table<Row>(props: Props<Row>) {
  const { name, label, count, rowAt, rowKey, chosen, onOpen, sort, onSort, empty, compact = false, ref, className, onSeen } = props
  const id = useId()
  const box = useRef<HTMLDivElement>(null)
  const kept = useColumns(name)
  const shown = useMemo(() => props.columns.filter((c) => !kept.hidden.includes(c.id)), [props.columns, kept.hidden])
  const rowHeight = compact ? 28 : 32
  const { window: seen, reveal, scrollTop } = useWindowed(box, count, rowHeight, head)
  const [cursor, setCursor] = useState({ row: 0, column: 0 })
  const row = Math.max(0, Math.min(cursor.row, count - 1))
  const column = Math.max(0, Math.min(cursor.column, shown.length - 1))
  const tell = useRef(onSeen)
  useEffect(() => { tell.current = onSeen })
  const scrolled = scrollTop > rowHeight / 2
  useEffect(() => { tell.current?.(seen.from, seen.to, scrolled) }, [seen.from, seen.to, scrolled])
  useImperativeHandle(ref, () => ({ focus: () => box.current?.focus(), reveal: (at) => { setCursor((c) => ({ ...c, row: at })); reveal(at) } }), [reveal])

  const move = useCallback((to: number, across: number) => {
    const next = { row: Math.max(0, Math.min(count - 1, to)), column: Math.max(0, Math.min(shown.length - 1, across)) }
    setCursor(next)
    reveal(next.row)
  }, [count, shown.length, reveal])

  const copy = (whole: boolean) => {
    const value = rowAt(row)
    if (value === undefined) return
    const written = (whole ? shown : shown.slice(column, column + 1)).map((c) => c.text?.(value) ?? '').join('\t')
    void copyText(written).then((ok) => { toast(ok ? (whole ? 'Row copied' : 'Cell copied') : 'Could not copy') })
  }
  const onKey = (event: KeyboardEvent<HTMLDivElement>) => {
    if (event.target !== event.currentTarget) return
    const page = Math.max(1, Math.floor((box.current?.clientHeight ?? 400) / rowHeight) - 2)
    const mod = event.ctrlKey || event.metaKey
    if (mod && !['Home', 'End', 'c'].includes(event.key)) return // of the page or the browser
    switch (event.key) {
      case 'ArrowDown': case 'j': move(row + 1, column); break
      case 'ArrowUp': case 'k': move(row - 1, column); break
      case 'ArrowRight': move(row, column + 1); break
      case 'ArrowLeft': move(row, column - 1); break
      case 'PageDown': move(row + page, column); break
      case 'PageUp': move(row - page, column); break
      case 'Home': move(mod ? 0 : row, mod ? column : 0); break
      case 'End': move(mod ? count - 1 : row, mod ? column : shown.length - 1); break
      case 'Enter': if (count > 0) onOpen?.(row); break
      case 'c':
        if (!mod || window.getSelection()?.toString()) return
        copy(event.altKey)
        break
      default: return
    }
    event.preventDefault()
  }

  const template = shown.map((c) => {
    const width = kept.widths[c.id] ?? c.width
    return width === undefined ? 'minmax(160px, 1fr)' : `${width}px`
  }).join(' ')
  const least = shown.reduce((sum, c) => sum + (kept.widths[c.id] ?? c.width ?? 160), 0)
  const rows: ReactNode[] = []
  for (let at = seen.from; at < seen.to; at++) {
    const value = rowAt(at)
    rows.push(
      <div key={value === undefined ? `at${at}` : rowKey?.(value, at) ?? at} role="row" aria-rowindex={at + 2} aria-selected={chosen === at ? true : undefined}
        className={cx('absolute inset-x-0 grid [contain:strict] [grid-template-columns:var(--columns)] border-b border-line/60', onOpen && 'cursor-pointer', chosen === at ? 'bg-accent-tint' : 'hover:bg-hover')}
        style={{ height: rowHeight, transform: `translateY(${seen.top + (at - seen.from) * rowHeight}px)` }}>
        {shown.map((c, i) => (
          // The grid itself has the keys.
          // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
          <div key={c.id} id={at === row && i === column ? `${id}-cursor` : undefined} role="gridcell" aria-colindex={i + 1}
            onClick={() => { setCursor({ row: at, column: i }); if (!window.getSelection()?.toString()) onOpen?.(at) }}
            className={cx('flex min-w-0 items-center px-3 text-12 first:pl-4', c.align === 'right' && 'justify-end text-right', c.mono && 'font-mono', at === row && i === column && 'cursor-cell-mark')}>
            {value === undefined ? <span className="skeleton h-3 w-2/3" /> : <span className="min-w-0 truncate">{c.cell(value, at)}</span>}
          </div>
        ))}
      </div>,
    )
  }
  return (
    <div className={cx('relative flex min-h-0 min-w-0 grow flex-col', className)}>
      <div ref={box} role="grid" aria-label={label} aria-rowcount={count + 1} aria-colcount={shown.length} tabIndex={0} onKeyDown={onKey} aria-activedescendant={row >= seen.from && row < seen.to && count > 0 ? `${id}-cursor` : undefined}
        className="group/grid min-h-0 grow overflow-auto -outline-offset-2" style={{ '--columns': template } as CSSProperties}>
        <div role="row" aria-rowindex={1} className="sticky top-0 z-10 grid h-8 border-b border-line bg-surface [grid-template-columns:var(--columns)]" style={{ minWidth: least }}>
          {shown.map((c, i) => <Head key={c.id} column={c} at={i} sort={sort} onSort={onSort} resize={kept.resize} />)}
        </div>
        <div role="rowgroup" className="relative" style={{ height: seen.height, minWidth: least }}>{rows}</div>
      </div>
      {/* Beside the grid, which may hold rows only. */}
      {count === 0 && empty && <div className="absolute inset-x-0 top-8 bottom-0 overflow-auto">{empty}</div>}
      <div className="absolute top-0 right-0 z-20 flex h-7.5 items-center bg-surface px-1">
        <Menu label="Columns" button={<IconButton small icon="columns" label="Columns" />} items={[
          { kind: 'title', label: 'Columns' },
          ...props.columns.map((c) => ({ kind: 'check' as const, label: nameOf(c), checked: !kept.hidden.includes(c.id), onChoose: () => { kept.toggle(c.id) } })),
        ]} />
      </div>
    </div>
  )
}

function nameOf<Row>(column: Column<Row>): string {
  return column.name ?? (typeof column.title === 'string' ? column.title : column.id)
}

interface HeadProps<Row> {
  column: Column<Row>
  at: number
  sort?: Sorting
  onSort?: (sorting: Sorting | undefined) => void
  resize: (id: string, width: number) => void
}

function Head<Row>({ column, at, sort, onSort, resize }: HeadProps<Row>) {
  const sorted = sort?.column === column.id ? sort : undefined
  const start = useRef<{ x: number; width: number }>(undefined)
  const down = (event: PointerEvent<HTMLSpanElement>) => {
    event.currentTarget.setPointerCapture(event.pointerId)
    start.current = { x: event.clientX, width: event.currentTarget.parentElement?.getBoundingClientRect().width ?? 100 }
    event.preventDefault()
  }
  const drag = (event: PointerEvent<HTMLSpanElement>) => {
    if (start.current && event.currentTarget.hasPointerCapture(event.pointerId)) resize(column.id, start.current.width + event.clientX - start.current.x)
  }
  const next = sorted === undefined ? { column: column.id, down: false } : sorted.down ? undefined : { column: column.id, down: true }
  return (
    <div role="columnheader" aria-colindex={at + 1} aria-sort={sorted ? (sorted.down ? 'descending' : 'ascending') : undefined}
      className={cx('relative flex min-w-0 items-center px-3 text-12 font-medium first:pl-4 text-soft', column.align === 'right' && 'justify-end')}>
      {column.sortable && onSort
        ? <button type="button" onClick={() => { onSort(next) }} className="flex h-8 min-w-0 items-center gap-1 -outline-offset-2 hover:text-ink"><span className="truncate">{column.title}</span>{sorted && <Icon name={sorted.down ? 'down' : 'up'} size={12} />}</button>
        : <span className={column.title === '' ? 'sr-only' : 'truncate'}>{column.title || column.name}</span>}
      <span aria-hidden="true" onPointerDown={down} onPointerMove={drag} onPointerUp={() => { start.current = undefined }}
        className="absolute inset-y-1 right-0 w-2 cursor-col-resize touch-none border-r border-transparent hover:border-accent" />
    </div>
  )
}
