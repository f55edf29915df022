import { useId, useLayoutEffect, useRef, type ReactNode } from 'react'
import { cx } from './cx'
import { IconButton } from './IconButton'

interface Props {
  title: string
  onClose: () => void
  children: ReactNode
  actions?: ReactNode
  wide?: boolean
  /** What is in it is shown this once: neither Escape nor a click beside it closes it. */
  stays?: boolean
}

/** What has to be decided before anything else. Rendered while it is open. */
export function Dialog({ title, onClose, children, actions, wide = false, stays = false }: Props) {
  const box = useModal(stays)
  const id = useId()
  return (
    // The browser gives a dialog its keys; the click is for the veil around it.
    // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions
    <dialog ref={box} aria-labelledby={id} onCancel={(e) => { e.preventDefault(); if (!stays) onClose() }} onClick={(e) => { if (e.target === e.currentTarget && !stays) onClose() }}
      className={cx('fixed top-[12vh] left-1/2 max-h-[80vh] w-[calc(100vw-24px)] -translate-x-1/2 overflow-hidden rounded-outer bg-surface text-13 text-ink shadow-float open:flex open:flex-col fade-in', wide ? 'max-w-180' : 'max-w-110')}>
      <header className="flex min-h-12 items-center gap-2 py-2 pr-2 pl-4"><h2 id={id} className="grow text-15 font-semibold">{title}</h2>{!stays && <IconButton icon="cross" label="Close" onClick={onClose} />}</header>
      <div className="min-h-0 overflow-auto px-4 pb-4">{children}</div>
      {actions && <footer className="flex flex-wrap justify-end gap-2 border-t border-line bg-sunken px-4 py-3">{actions}</footer>}
    </dialog>
  )
}

// Browsers close a dialog that only prevents cancel when Escape is pressed twice; it may be pressed where nothing has the focus.
function stay(event: KeyboardEvent): void {
  if (event.key === 'Escape') event.preventDefault()
}

/** useModal opens the dialog that it is put on, and gives the focus back when it leaves; from one that stays Escape does not lead. */
export function useModal(stays = false) {
  const box = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    const dialog = box.current
    if (dialog && !dialog.open) {
      dialog.showModal()
      // Whoever is asked for something can type it at once; otherwise the browser takes what comes first.
      dialog.querySelector<HTMLElement>('input:not([type=checkbox], [type=radio], [type=hidden]), select, textarea')?.focus()
    }
    if (stays) document.addEventListener('keydown', stay, true)
    return () => {
      document.removeEventListener('keydown', stay, true)
      dialog?.close()
    }
  }, [stays])
  return box
}
