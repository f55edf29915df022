import { useCallback, useLayoutEffect, useState, type RefObject } from 'react'

// Browsers give up on elements higher than about 17 million pixels; above this
// the scroll bar stands for more rows than it has pixels.
const mostHeight = 12_000_000

export interface Window {
  /** First row to draw, and the one after the last. */
  from: number
  to: number
  /** Height of the whole, in pixels. */
  height: number
  /** Where the first row is drawn. */
  top: number
}

/** windowOf says which of count rows are seen at a scroll position. */
export function windowOf(count: number, rowHeight: number, scrollTop: number, viewport: number, over = 8): Window {
  const real = count * rowHeight
  const height = Math.min(real, mostHeight)
  const offset = real > height && height > viewport ? scrollTop * ((real - viewport) / (height - viewport)) : scrollTop
  const from = Math.max(0, Math.min(count, Math.floor(offset / rowHeight + 1e-6)) - over)
  const to = Math.min(count, Math.ceil((offset + viewport) / rowHeight - 1e-6) + over)
  return { from, to, height, top: scrollTop - (offset - from * rowHeight) }
}

/** scrollFor is the scroll position at which the row is seen, or undefined when it is seen already. */
export function scrollFor(row: number, count: number, rowHeight: number, scrollTop: number, viewport: number): number | undefined {
  const real = count * rowHeight
  const height = Math.min(real, mostHeight)
  const ratio = real > height && height > viewport ? (real - viewport) / (height - viewport) : 1
  const offset = scrollTop * ratio
  const top = row * rowHeight
  if (top < offset) return top / ratio
  if (top + rowHeight > offset + viewport) return (top + rowHeight - viewport) / ratio
  return undefined
}

/** useWindowed draws of a long list what is seen. head is the height of what sticks to the top. */
export function useWindowed(box: RefObject<HTMLElement | null>, count: number, rowHeight: number, head: number) {
  const [seen, setSeen] = useState({ scrollTop: 0, viewport: 600 })
  const measure = useCallback(() => {
    const element = box.current
    if (!element) return
    const next = { scrollTop: element.scrollTop, viewport: Math.max(0, element.clientHeight - head) }
    setSeen((before) => before.scrollTop === next.scrollTop && before.viewport === next.viewport ? before : next)
  }, [box, head])
  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    measure()
    const sized = new ResizeObserver(measure)
    sized.observe(element)
    element.addEventListener('scroll', measure, { passive: true })
    return () => {
      sized.disconnect()
      element.removeEventListener('scroll', measure)
    }
  }, [box, measure])
  const reveal = useCallback((row: number) => {
    const element = box.current
    if (!element) return
    const to = scrollFor(row, count, rowHeight, element.scrollTop, Math.max(rowHeight, element.clientHeight - head))
    if (to !== undefined) element.scrollTop = to
  }, [box, count, rowHeight, head])
  return { window: windowOf(count, rowHeight, seen.scrollTop, seen.viewport), reveal, scrollTop: seen.scrollTop }
}
