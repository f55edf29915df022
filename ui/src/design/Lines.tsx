import { useId, type ReactNode } from 'react'
import { cx } from './cx'

/** A text of several lines. */
export function Lines({ label, value, onValue, hint, problem, rows = 3, mono = false, placeholder }: { label: string; value: string; onValue: (value: string) => void; hint?: ReactNode; problem?: string; rows?: number; mono?: boolean; placeholder?: string }) {
  const id = useId()
  const more = problem || hint ? `${id}-more` : undefined
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={id} className="text-12 font-medium text-soft">{label}</label>
      <textarea id={id} value={value} rows={rows} spellCheck={false} autoComplete="off" placeholder={placeholder} aria-invalid={problem ? true : undefined} aria-describedby={more} onChange={(e) => { onValue(e.target.value) }}
        className={cx('w-full rounded-outer border bg-surface px-2.5 py-1.5 text-13 leading-5 placeholder:text-faint', problem ? 'border-bad' : 'border-control', mono && 'font-mono text-12')} />
      {more && <span id={more} className={cx('text-12', problem ? 'text-bad-text' : 'text-faint')}>{problem ?? hint}</span>}
    </div>
  )
}
