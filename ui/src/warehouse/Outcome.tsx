import type { ProblemError } from '@/api/client'
import type { Job, StoredResult } from '@/api/schema'
import { useMay } from '@/api/may'
import { Button } from '@/design/Button'
import type { Mistake } from '@/design/Editor'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { Kbd } from '@/design/Kbd'
import { useNow } from '@/design/now'
import { duration, number } from '@/format/format'
import { Result } from './Result'
import { summaryOf } from './sqltext'

export type Run =
  | { state: 'running'; since: number; stop: () => void; job?: Job }
  | { state: 'done'; sql: string; result: StoredResult }
  | { state: 'failed'; sql: string; problem: ProblemError; mistake?: Mistake }
  | { state: 'stopped' }

/** What became of the statement that was run last. */
export function Outcome({ run, example, onExample, onPlace }: { run: Run | undefined; example?: string; onExample: (sql: string) => void; onPlace: (line: number, column: number) => void }) {
  const may = useMay()
  switch (run?.state) {
    case undefined:
      if (!may('query:run')) return <Empty icon="lock" title="Your role does not let you ask">You see which tables there are, and their columns. For rows it takes the permission query:run, which analysts, editors, admins and owners have.</Empty>
      return <Empty icon="warehouse" title="Ask the warehouse" action={example && <Button onClick={() => { onExample(example) }}>Begin with an example</Button>}>Write one SELECT and press <Kbd keys="Mod+Enter" />. With several, the one at the cursor runs, or what is selected. Nothing that you run can change anything.</Empty>
    case 'running':
      return <Running since={run.since} job={run.job} />
    case 'stopped':
      return <Empty icon="stop" title="Stopped">The query was cancelled on the server too.</Empty>
    case 'failed': {
      const at = run.mistake
      const { problem } = run
      // The place is marked in the text itself.
      const told = { title: problem.kind === 'invalid' ? 'The query is wrong' : problem.title, detail: at ? summaryOf(problem.detail) : problem.detail, request_id: problem.request_id, errors: problem.errors }
      return <div className="overflow-auto p-3"><ErrorBox problem={told} action={at && <Button small onClick={() => { onPlace(at.line, at.column) }}>Go to line {at.line}, column {at.column}</Button>} /></div>
    }
    case 'done':
      return <Result key={run.result.id} result={run.result} />
  }
}

function Running({ since, job }: { since: number; job?: Job }) {
  const now = useNow()
  return <div role="status" className="flex items-center gap-2 p-4 text-soft"><Icon name="refresh" className="spin" />Running{now - since > 1500 && <>, {duration(Math.round((now - since) / 1000) * 1000)}</>}{job && job.done > 0 && <>, {number(job.done)} {job.unit ?? 'rows'} so far</>}</div>
}
