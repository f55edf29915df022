import { cloneElement, useCallback, useEffect, useId, useRef, useState, type ReactElement, type ReactNode } from 'react'
import { cx } from './cx'
import { place, type Side } from './place'

interface Opener {
  popoverTarget?: string
  'aria-expanded'?: boolean
  'aria-haspopup'?: 'dialog' | 'menu'
}

interface Props {
  label: string
  /** The button that opens it. */
  button: ReactElement<Opener>
  children: (close: () => void) => ReactNode
  side?: Side
  align?: 'start' | 'end' | 'center'
  role?: 'dialog' | 'menu'
  className?: string
}

/** Something small that opens beside a button and closes with Escape or a click elsewhere. */
export function Popover({ label, button, children, side = 'below', align = 'start', role = 'dialog', className }: Props) {
  const id = useId()
  const anchor = useRef<HTMLSpanElement>(null)
  const box = useRef<HTMLDivElement>(null)
  const [open, setOpen] = useState(false)
  const close = () => { box.current?.hidePopover() }
  // Once, when it opens: drawn anew meanwhile, it leaves the focus where it is.
  const settle = useCallback((element: HTMLDivElement | null) => {
    const beside = anchor.current?.querySelector('button')?.getBoundingClientRect()
    const floating = element?.parentElement
    if (!floating || !beside) return
    place(floating, beside, side, align)
    const first = floating.querySelector<HTMLElement>('[autofocus], [data-first], input, select, textarea, button, a[href]')
    first?.focus()
  }, [side, align])
  // What had the focus may go while it is open, such as the button that stops what has ended: the box takes it, and gives it back.
  useEffect(() => {
    const floating = box.current
    if (!open || !floating) return
    const lost = () => document.activeElement === null || document.activeElement === document.body
    const seen = new MutationObserver(() => { if (lost()) floating.focus({ preventScroll: true }) })
    seen.observe(floating, { childList: true, subtree: true })
    const button = anchor.current?.querySelector('button')
    return () => { seen.disconnect(); if (lost() || floating.contains(document.activeElement)) button?.focus({ preventScroll: true }) }
  }, [open])
  return (
    <>
      <span ref={anchor} className="contents">{cloneElement(button, { popoverTarget: id, 'aria-expanded': open, 'aria-haspopup': role })}</span>
      <div ref={box} id={id} popover="auto" tabIndex={-1} role={role} aria-label={label} onToggle={(e) => { setOpen(e.newState === 'open') }}
        className={cx('fixed max-h-[80vh] outline-none max-w-[calc(100vw-16px)] overflow-auto rounded-outer bg-surface text-13 text-ink shadow-float', open ? 'fade-in' : 'invisible', className)}>
        {open && <div ref={settle} className="contents">{children(close)}</div>}
      </div>
    </>
  )
}
