import { cx } from './cx'
import type { Meaning } from './Badge'

const bars: Record<Meaning, string> = { neutral: 'bg-mark', accent: 'bg-accent', good: 'bg-good', warning: 'bg-warning', bad: 'bg-bad', info: 'bg-info' }

/** How much of something is done or full; without a share it only shows that it goes on. */
export function Progress({ share, label, meaning = 'accent', className }: { share: number | undefined; label: string; meaning?: Meaning; className?: string }) {
  const width = share === undefined ? 30 : Math.max(0, Math.min(1, share)) * 100
  return (
    <div role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={share === undefined ? undefined : Math.round(width)} className={cx('h-1.5 overflow-hidden rounded-full bg-strong', className)}>
      <div className={cx('h-full rounded-full transition-[width]', bars[meaning], share === undefined && 'skeleton')} style={{ width: `${width}%` }} />
    </div>
  )
}
