import { useSyncExternalStore, type ReactNode } from 'react'
import type { Meaning } from './Badge'
import { Button } from './Button'
import { IconButton } from './IconButton'

interface Told {
  id: number
  text: ReactNode
  meaning: Meaning
  action?: { label: string; run: () => void }
}

let told: Told[] = []
let last = 0
const listeners = new Set<() => void>()

function change(next: Told[]) {
  told = next
  for (const listener of listeners) listener()
}

/** toast tells that something happened that was asked for elsewhere. It stays long enough to read, longer when there is something to undo. */
export function toast(text: ReactNode, options: { meaning?: Meaning; action?: Told['action'] } = {}): void {
  const id = ++last
  change([...told.slice(-2), { id, text, meaning: options.meaning ?? 'neutral', action: options.action }])
  setTimeout(() => { dismiss(id) }, options.action || options.meaning === 'bad' ? 12_000 : 5_000)
}

function dismiss(id: number) {
  change(told.filter((one) => one.id !== id))
}

const marks: Record<Meaning, string> = { neutral: 'bg-mark', accent: 'bg-accent', good: 'bg-good', warning: 'bg-warning', bad: 'bg-bad', info: 'bg-info' }

export function Toasts() {
  const all = useSyncExternalStore((f) => { listeners.add(f); return () => listeners.delete(f) }, () => told)
  return (
    <div role="status" aria-live="polite" className="pointer-events-none fixed right-4 bottom-4 z-50 flex w-90 max-w-[calc(100vw-32px)] flex-col gap-2 max-wide:bottom-18">
      {all.map((one) => (
        <div key={one.id} className="slide-in pointer-events-auto flex items-center gap-2 rounded-outer bg-surface py-1 pr-1 pl-3 text-13 shadow-float">
          <span aria-hidden="true" className={`size-2 shrink-0 rounded-full ${marks[one.meaning]}`} />
          <span className="min-w-0 grow py-1.5 break-words">{one.text}</span>
          {one.action && <Button small look="quiet" onClick={() => { dismiss(one.id); one.action?.run() }}>{one.action.label}</Button>}
          <IconButton small icon="cross" label="Dismiss" onClick={() => { dismiss(one.id) }} />
        </div>
      ))}
    </div>
  )
}
