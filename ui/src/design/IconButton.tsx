import type { ComponentProps } from 'react'
import { cx } from './cx'
import { Icon, type IconName } from './Icon'
import { Tooltip } from './Tooltip'

interface Props extends Omit<ComponentProps<'button'>, 'children'> {
  icon: IconName
  /** What it does: its name, and its tooltip. */
  label: string
  keys?: string
  small?: boolean
  pressed?: boolean
}

export function IconButton({ icon, label, keys, small = false, pressed, className, ...rest }: Props) {
  return (
    <Tooltip text={label} keys={keys}>
      <button type="button" aria-label={label} aria-pressed={pressed} {...rest}
        className={cx('inline-grid place-items-center shrink-0 rounded-outer text-soft transition-colors hover:bg-hover hover:text-ink active:bg-active disabled:opacity-45 disabled:pointer-events-none aria-pressed:bg-accent-tint aria-pressed:text-accent-text',
          small ? 'size-6' : 'size-8', className)}>
        <Icon name={icon} size={small ? 14 : 16} />
      </button>
    </Tooltip>
  )
}
