import { useId, type ComponentProps, type ReactNode } from 'react'
import { cx } from './cx'
import { Icon, type IconName } from './Icon'

interface Props extends Omit<ComponentProps<'input'>, 'size'> {
  label: string
  /** The label is for screen readers only: a sign or placeholder shows what it is. */
  hideLabel?: boolean
  icon?: IconName
  hint?: ReactNode
  /** What is wrong with what is in it. */
  problem?: string
  mono?: boolean
  trailing?: ReactNode
}

export function Input({ label, hideLabel = false, icon, hint, problem, mono = false, trailing, className, id: givenId, ...rest }: Props) {
  const made = useId()
  const id = givenId ?? made
  const more = problem || hint ? `${id}-more` : undefined
  return (
    <div className={cx('flex flex-col gap-1', className)}>
      <label htmlFor={id} className={hideLabel ? 'sr-only' : 'text-12 font-medium text-soft'}>{label}</label>
      <span className="relative flex items-center">
        {icon && <Icon name={icon} size={14} className="pointer-events-none absolute left-2.5 text-faint" />}
        <input id={id} aria-invalid={problem ? true : undefined} aria-describedby={more} autoComplete="off" spellCheck={false} {...rest}
          className={cx('h-8 w-full min-w-0 rounded-outer border bg-surface text-13 text-ink outline-offset-0 placeholder:text-faint disabled:opacity-55', problem ? 'border-bad' : 'border-control',
            icon ? 'pl-8' : 'pl-2.5', trailing ? 'pr-9' : 'pr-2.5', mono && 'font-mono')} />
        {trailing && <span className="absolute right-1 flex">{trailing}</span>}
      </span>
      {more && <span id={more} className={cx('text-12', problem ? 'text-bad-text' : 'text-faint')}>{problem ?? hint}</span>}
    </div>
  )
}
