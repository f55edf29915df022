import type { ReactNode } from 'react'
import { Button } from './Button'
import { CopyButton } from './CopyButton'
import { Icon } from './Icon'

/** What a problem says, as the API tells it. */
export interface ProblemLike {
  title: string
  detail: string
  request_id?: string
  errors?: { location?: string; message?: string }[] | null
}

/** A problem at the place where it happened: what, why, what to do. */
export function ErrorBox({ problem, onRetry, action }: { problem: ProblemLike; onRetry?: () => void; action?: ReactNode }) {
  return (
    <div role="alert" className="flex gap-2.5 rounded-outer bg-bad-tint px-3 py-2.5 text-13">
      <Icon name="rejected" className="mt-0.5 text-bad-text" />
      <div className="min-w-0 grow">
        <p className="font-semibold text-bad-text">{problem.title}</p>
        <p className="break-words whitespace-pre-wrap">{problem.detail}</p>
        {problem.errors && problem.errors.length > 0 && (
          <ul className="mt-1 list-disc pl-4">{problem.errors.map((one, i) => <li key={i}>{one.location && <code className="font-mono text-12">{one.location}</code>} {one.message}</li>)}</ul>
        )}
        {problem.request_id && (
          <p className="mt-1 flex items-center gap-1 text-12 text-soft">Request <code className="font-mono">{problem.request_id}</code><CopyButton text={problem.request_id} label="Copy request id" /></p>
        )}
        {(onRetry || action) && <div className="mt-2 flex gap-2">{onRetry && <Button small icon="refresh" onClick={onRetry}>Try again</Button>}{action}</div>}
      </div>
    </div>
  )
}
