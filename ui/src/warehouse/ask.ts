import { call, ProblemError } from '@/api/client'
import type { Job, StoredResult } from '@/api/schema'

/** ask stores what a statement answers and returns it; when signal says so, the server stops too. */
export async function ask(sql: string, signal: AbortSignal, told: (job: Job) => void): Promise<StoredResult> {
  const { result, job: begun } = await call('create-result', { body: { sql, wait_ms: 1000 } }, signal)
  if (result) return result
  let job = begun
  const cancel = () => { void call('cancel-job', { params: { id: job.id } }).catch(() => undefined) }
  signal.addEventListener('abort', cancel)
  try {
    while (job.state === 'running') {
      told(job)
      await new Promise((resolve) => setTimeout(resolve, 400))
      signal.throwIfAborted()
      job = await call('get-job', { params: { id: job.id } }, signal)
    }
  } finally {
    signal.removeEventListener('abort', cancel)
  }
  if (job.state === 'done') return job.result as StoredResult
  throw problemOfJob(job)
}

/** problemOfJob is why a query's job ended without a result, and where in its text. */
export function problemOfJob(job: Job): ProblemError {
  const stopped = job.state === 'canceled'
  return new ProblemError({
    kind: stopped ? 'canceled' : job.error_kind === 'invalid' ? 'invalid' : 'internal', status: 400, title: stopped ? 'It was stopped' : 'The query failed',
    detail: job.error ?? 'It was stopped before it was through.', line: job.line, column: job.column,
  })
}
