import { cx } from './cx'

/** Stands where something will be, when there was nothing yet; it shows only after a moment. */
export function Skeleton({ className }: { className?: string }) {
  return <span aria-hidden="true" className={cx('skeleton block h-4', className)} />
}

export function SkeletonRows({ rows = 6 }: { rows?: number }) {
  return (
    <div role="status" aria-label="Loading" className="flex flex-col gap-3 p-4">
      {Array.from({ length: rows }, (_, i) => <Skeleton key={i} className={['w-4/5', 'w-3/5', 'w-2/3'][i % 3]} />)}
    </div>
  )
}
