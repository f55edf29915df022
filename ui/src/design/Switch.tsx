import { useId, type ReactNode } from 'react'
import { cx } from './cx'

/** Something that is on or off and takes effect at once. */
export function Switch({ label, on, onSwitch, disabled = false }: { label: ReactNode; on: boolean; onSwitch: (on: boolean) => void; disabled?: boolean }) {
  const id = useId()
  return (
    <span className="inline-flex items-center gap-2">
      <button type="button" role="switch" aria-checked={on} aria-labelledby={id} disabled={disabled} onClick={() => { onSwitch(!on) }}
        className={cx('relative h-4.5 w-8 rounded-full transition-colors disabled:opacity-55', on ? 'bg-accent' : 'bg-control')}>
        <span className={cx('absolute top-0.5 left-0.5 size-3.5 rounded-full bg-surface transition-transform', on && 'translate-x-3.5')} />
      </button>
      <span id={id}>{label}</span>
    </span>
  )
}
