import { useId, type ComponentProps, type ReactNode } from 'react'
import { cx } from './cx'
import { Icon } from './Icon'

export interface Option {
  value: string
  label: string
}

interface Props extends Omit<ComponentProps<'select'>, 'onChange' | 'value'> {
  label: string
  hideLabel?: boolean
  options: Option[]
  value: string
  onValue: (value: string) => void
  hint?: ReactNode
  /** What is wrong with what is chosen. */
  problem?: string
}

/** The browser's own list of choices: it works on a phone, with a keyboard and a screen reader as everywhere. */
export function Select({ label, hideLabel = false, options, value, onValue, hint, problem, className, ...rest }: Props) {
  const id = useId()
  const more = problem || hint ? `${id}-more` : undefined
  return (
    <div className={cx('flex flex-col gap-1', className)}>
      <label htmlFor={id} className={hideLabel ? 'sr-only' : 'text-12 font-medium text-soft'}>{label}</label>
      <span className="relative flex items-center">
        <select id={id} value={value} aria-invalid={problem ? true : undefined} aria-describedby={more} onChange={(e) => { onValue(e.target.value) }} {...rest}
          className={cx('h-8 w-full appearance-none rounded-outer border bg-surface pr-7 pl-2.5 text-13 text-ink outline-offset-0 disabled:opacity-55', problem ? 'border-bad' : 'border-control')}>
          {options.map((option) => <option key={option.value} value={option.value} className="bg-surface text-ink">{option.label}</option>)}
        </select>
        <Icon name="down" size={14} className="pointer-events-none absolute right-2 text-faint" />
      </span>
      {more && <span id={more} className={cx('text-12', problem ? 'text-bad-text' : 'text-faint')}>{problem ?? hint}</span>}
    </div>
  )
}
