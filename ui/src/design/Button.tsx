import type { ComponentProps, ReactNode } from 'react'
import { cx } from './cx'
import { Icon, type IconName } from './Icon'

export type Look = 'plain' | 'main' | 'danger' | 'quiet'

const looks: Record<Look, string> = {
  plain: 'bg-hover text-ink hover:bg-active active:bg-strong',
  main: 'bg-accent text-on-solid hover:brightness-110 active:brightness-95',
  danger: 'bg-bad text-on-solid hover:brightness-110 active:brightness-95',
  quiet: 'text-soft hover:bg-hover hover:text-ink active:bg-active',
}

interface Props extends ComponentProps<'button'> {
  look?: Look
  icon?: IconName
  /** The work that the button began is going on. */
  busy?: boolean
  small?: boolean
  children: ReactNode
}

export function Button({ look = 'plain', icon, busy = false, small = false, className, children, disabled, type = 'button', ...rest }: Props) {
  return (
    <button type={type} disabled={disabled || busy} aria-busy={busy || undefined} {...rest}
      className={cx('inline-flex items-center justify-center gap-1.5 rounded-outer font-medium whitespace-nowrap transition-colors select-none disabled:opacity-55 disabled:pointer-events-none',
        small ? 'h-7 px-2 text-12' : 'h-8 px-3 text-13', looks[look], className)}>
      {busy ? <Icon name="refresh" size={14} className="spin" /> : icon && <Icon name={icon} size={14} />}
      {children}
    </button>
  )
}
