import { cloneElement, useId, useRef, type ReactElement, type ReactNode } from 'react'
import { Kbd } from './Kbd'
import { place } from './place'

interface Handlers {
  'aria-describedby'?: string
}

/** A tooltip says more about one control, on hover and on focus; Escape hides it. */
export function Tooltip({ text, keys, children, describes = false }: { text: ReactNode; keys?: string; children: ReactElement<Handlers>; describes?: boolean }) {
  const id = useId()
  const tip = useRef<HTMLSpanElement>(null)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const show = (target: HTMLElement, wait: number) => {
    clearTimeout(timer.current)
    timer.current = setTimeout(() => {
      const anchor = target.firstElementChild?.getBoundingClientRect()
      if (!tip.current || !anchor || (anchor.width === 0 && anchor.height === 0)) return
      tip.current.showPopover()
      place(tip.current, anchor, 'below', 'center')
    }, wait)
  }
  const hide = () => {
    clearTimeout(timer.current)
    tip.current?.hidePopover()
  }
  return (
    // The wrapper takes no place and no focus; it only hears of the control inside.
    // eslint-disable-next-line jsx-a11y/no-static-element-interactions
    <span className="contents" onPointerEnter={(e) => { if (e.pointerType === 'mouse') show(e.currentTarget, 350) }} onPointerLeave={hide} onPointerDown={hide}
      onFocus={(e) => { if (e.target.matches(':focus-visible')) show(e.currentTarget, 0) }} onBlur={hide}
      onKeyDown={(e) => { if (e.key === 'Escape') hide() }}>
      {describes ? cloneElement(children, { 'aria-describedby': id }) : children}
      <span ref={tip} id={id} role="tooltip" popover="manual" className="fixed z-50 max-w-80 rounded-inner bg-ink px-2 py-1 text-12 font-normal text-surface pointer-events-none whitespace-normal">
        {text}{keys && <span className="ml-2 opacity-80"><Kbd keys={keys} plain /></span>}
      </span>
    </span>
  )
}
