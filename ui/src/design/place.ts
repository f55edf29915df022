// Where something that floats goes beside what it belongs to.

export type Side = 'below' | 'above' | 'right'

const gap = 4
const edge = 8

/** place moves a fixed element beside its anchor, turned over where there is no room. */
export function place(floating: HTMLElement, anchor: DOMRect, side: Side = 'below', align: 'start' | 'end' | 'center' = 'start'): void {
  const { width, height } = floating.getBoundingClientRect()
  const { innerWidth, innerHeight } = window
  let left: number
  let top: number
  if (side === 'right') {
    left = anchor.right + gap
    if (left + width > innerWidth - edge) left = anchor.left - width - gap
    top = anchor.top + (anchor.height - height) / 2
  } else {
    left = align === 'start' ? anchor.left : align === 'end' ? anchor.right - width : anchor.left + (anchor.width - width) / 2
    const below = anchor.bottom + gap
    const above = anchor.top - height - gap
    top = side === 'below' ? below : above
    if (side === 'below' && below + height > innerHeight - edge && above > edge) top = above
    if (side === 'above' && above < edge) top = below
  }
  floating.style.left = `${Math.round(Math.max(edge, Math.min(left, innerWidth - width - edge)))}px`
  floating.style.top = `${Math.round(Math.max(edge, Math.min(top, innerHeight - height - edge)))}px`
}
