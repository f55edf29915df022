import type { ReactNode } from 'react'
import { Button } from './Button'
import { CopyButton } from './CopyButton'
import { Icon } from './Icon'
import { cx } from './cx'
import { sentence } from '@/format/format'

/** What a problem says, as the API tells it. */
export interface ProblemLike {
  title: string
  detail: string
  request_id?: string
  errors?: { location?: string; message?: string }[] | null
}

/** lacksPermission says whether a problem is that somebody may not do it: the server names the permission. */
export const lacksPermission = (problem: Pick<ProblemLike, 'detail'>): boolean => problem.detail.startsWith('this needs the permission')

/** A problem at the place where it happened: what, why, what to do. */
export function ErrorBox({ problem, onRetry, action }: { problem: ProblemLike; onRetry?: () => void; action?: ReactNode }) {
  // Nothing is broken: it is for others, and asking again does not help.
  const locked = lacksPermission(problem)
  const again = locked ? undefined : onRetry
  return (
    <div role="alert" className={cx('flex gap-2.5 rounded-outer px-3 py-2.5 text-13', locked ? 'bg-info-tint' : 'bg-bad-tint')}>
      <Icon name={locked ? 'lock' : 'rejected'} className={cx('mt-0.5', locked ? 'text-info-text' : 'text-bad-text')} />
      <div className="min-w-0 grow">
        <p className={cx('font-semibold', locked ? 'text-info-text' : 'text-bad-text')}>{locked ? 'Your role does not allow this' : problem.title}</p>
        <p className="break-words whitespace-pre-wrap">{sentence(problem.detail)}{locked && '.'}</p>
        {problem.errors && problem.errors.length > 0 && (
          <ul className="mt-1 list-disc pl-4">{problem.errors.map((one, i) => <li key={i}>{one.location && <code className="font-mono text-12">{one.location}</code>} {one.message}</li>)}</ul>
        )}
        {problem.request_id && !locked && (
          <p className="mt-1 flex items-center gap-1 text-12 text-soft">Request <code className="font-mono">{problem.request_id}</code><CopyButton text={problem.request_id} label="Copy request id" /></p>
        )}
        {(again || action) && <div className="mt-2 flex gap-2">{again && <Button small icon="refresh" onClick={again}>Try again</Button>}{action}</div>}
      </div>
    </div>
  )
}
