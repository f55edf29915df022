import { useEffect, useRef, useState, type KeyboardEvent, type PointerEvent, type ReactNode } from 'react'
import { cx } from './cx'

interface Props {
  /** Under this name the division is remembered. */
  name: string
  label: string
  first: ReactNode
  second: ReactNode
  /** Share of the first part, 0 to 1. */
  start?: number
  vertical?: boolean
  className?: string
}

const least = 0.12

/** Two parts with a line between them that is moved by pointer or arrow keys. */
export function SplitPane({ name, label, first, second, start = 0.5, vertical = false, className }: Props) {
  const key = `millrace.split.${name}`
  const box = useRef<HTMLDivElement>(null)
  const [share, setShare] = useState(() => {
    const kept = Number(localStorage.getItem(key))
    return kept >= least && kept <= 1 - least ? kept : start
  })
  useEffect(() => { localStorage.setItem(key, share.toFixed(3)) }, [key, share])
  const to = (next: number) => { setShare(Math.max(least, Math.min(1 - least, next))) }
  const drag = (event: PointerEvent<HTMLDivElement>) => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId) || !box.current) return
    const area = box.current.getBoundingClientRect()
    to(vertical ? (event.clientY - area.top) / area.height : (event.clientX - area.left) / area.width)
  }
  const onKey = (event: KeyboardEvent) => {
    const back = vertical ? 'ArrowUp' : 'ArrowLeft'
    const on = vertical ? 'ArrowDown' : 'ArrowRight'
    if (event.key !== back && event.key !== on) return
    event.preventDefault()
    to(share + (event.key === on ? 0.04 : -0.04))
  }
  return (
    <div ref={box} className={cx('flex min-h-0 min-w-0', vertical && 'flex-col', className)}>
      <div className="flex min-h-0 min-w-0 flex-col overflow-hidden" style={{ flexBasis: 0, flexGrow: share }}>{first}</div>
      {/* A separator with a value is a control. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
      <div role="separator" aria-label={label} aria-orientation={vertical ? 'horizontal' : 'vertical'} aria-valuenow={Math.round(share * 100)} aria-valuemin={12} aria-valuemax={88}
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0} onKeyDown={onKey} onPointerDown={(e) => { e.currentTarget.setPointerCapture(e.pointerId) }} onPointerMove={drag}
        className={cx('relative z-10 shrink-0 touch-none bg-line transition-colors hover:bg-accent focus-visible:bg-accent', vertical ? 'h-px cursor-row-resize before:absolute before:inset-x-0 before:-inset-y-1' : 'w-px cursor-col-resize before:absolute before:inset-y-0 before:-inset-x-1')} />
      <div className="flex min-h-0 min-w-0 flex-col overflow-hidden" style={{ flexBasis: 0, flexGrow: 1 - share }}>{second}</div>
    </div>
  )
}
