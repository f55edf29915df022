import { useMutation, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { call, problemOf } from '@/api/client'
import { useMay } from '@/api/may'
import { snippetsQuery, tablesQuery } from '@/api/queries'
import type { QueryResult, Status } from '@/api/schema'
import { Button } from '@/design/Button'
import { CodeBlock } from '@/design/CodeBlock'
import { cx } from '@/design/cx'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { choice, useChoice } from '@/design/theme'
import { TimeText } from '@/design/TimeText'
import { Part } from '@/design/View'
import { number } from '@/format/format'

const asked = choice<boolean>('asked', false, (v): v is boolean => typeof v === 'boolean', true)
const seenThrough = choice<boolean>('firstSteps', false, (v): v is boolean => typeof v === 'boolean', true)

export interface Steps { shown: boolean; source: boolean; landed: boolean; asked: boolean; done: () => void; ask: () => void }

/** useFirstSteps says which of the first steps have really happened. */
export function useFirstSteps(status: Status): Steps {
  const [through, setThrough] = useChoice(seenThrough)
  const [hasAsked, setAsked] = useChoice(asked)
  const records = status.sources.reduce((n, s) => n + s.accepted, 0)
  const young = records < 50
  return { shown: !through && young, source: status.sources.length > 0, landed: records > 0, asked: hasAsked && records > 0, done: () => { setThrough(true) }, ask: () => { setAsked(true) } }
}

/** From an empty project to an answer in SQL; each step ticks itself. */
export function FirstSteps({ status, steps }: { status: Status; steps: Steps }) {
  const source = status.sources.find((s) => s.write_keys.length > 0) ?? status.sources[0]
  const landed = status.sources.find((s) => s.accepted > 0)
  const may = useMay()
  return (
    <Part title="First steps" actions={steps.asked ? <Button small icon="check" onClick={steps.done}>Done</Button> : <Button small look="quiet" onClick={steps.done}>Hide</Button>}>
      <ol className="grid gap-2">
        <Step done={steps.source} now={!steps.source} title="Have a source" about={source ? <>sources/{source.name}.yaml</> : undefined}>
          <p className="mb-3 text-soft">A source is where events come from: a site, an app, a server. {!may('file:write') ? 'Someone who may change the project has to make one: an owner, admin or editor.' : status.mode === 'dev' ? 'Make one with the form, or save this as sources/web.yaml in the project; it is read as soon as it is saved.' : 'Make one with the form, or deploy this as sources/web.yaml in the project:'}</p>
          {may('file:write') && <CodeBlock label="sources/web.yaml" code={`kind: http\nwrite_keys: [${status.mode === 'dev' ? 'dev_web' : 'web_2026'}]`} />}
          {may('file:write') && <Link to="/sources" search={{ new: 'http' }} className="mt-3 inline-flex h-8 items-center gap-1.5 rounded-outer bg-accent px-3 font-medium text-on-solid hover:brightness-110"><Icon name="plus" size={14} />Make a source</Link>}
        </Step>
        <Step done={steps.landed} now={steps.source && !steps.landed} title="Send the first event" about={landed && <>it landed <TimeText at={landed.last_received} /></>}>
          {source && <Send source={source.name} />}
        </Step>
        <Step done={steps.asked} now={steps.landed} title="Ask for it in SQL">{landed && <Ask schema={landed.name} onAsked={steps.ask} />}</Step>
      </ol>
    </Part>
  )
}

/** Send has the line that sends the first event, with a key that works here. */
function Send({ source }: { source: string }) {
  const { data, error } = useQuery(snippetsQuery(source))
  const first = data?.snippets.find((s) => s.id === 'curl' || s.id === 'webhook')
  if (error) return <ErrorBox problem={problemOf(error)} action={<Link to="/project" search={{ file: `sources/${source}.yaml` }} className="underline underline-offset-2">Open sources/{source}.yaml</Link>} />
  if (!first) return null
  return (
    <>
      <p className="mb-2">Paste this into a terminal.{data?.key && <> The key is {source}'s own.</>}</p>
      <CodeBlock label="curl" code={first.code} />
      <p role="status" className="mt-2 flex items-center gap-2 text-soft"><Icon name="refresh" size={14} className="spin" />Waiting for it</p>
    </>
  )
}

function Step({ done, now, title, about, children }: { done: boolean; now: boolean; title: string; about?: ReactNode; children?: ReactNode }) {
  return (
    <li className={cx('rounded-outer border border-line px-4 py-3', !now && !done && 'text-faint')}>
      <div className="flex items-center gap-2.5">
        <span className={cx('grid size-5 place-items-center rounded-full', done ? 'bg-accent text-on-solid' : 'border-2 border-control')}>{done && <Icon name="check" size={12} />}</span>
        <span className="font-medium">{title}<span className="sr-only">{done ? ', done' : ', to do'}</span></span>{about && <span className="text-12 text-soft">{about}</span>}
      </div>
      {now && <div className="mt-3 wide:pl-7.5">{children}</div>}
    </li>
  )
}

function Ask({ schema, onAsked }: { schema: string; onAsked: () => void }) {
  // Its table is there a moment after it was received.
  const tables = useQuery({ ...tablesQuery, refetchInterval: (query) => query.state.data?.some((t) => t.schema === schema && t.kind === 'call') ? false : 1000 }).data?.filter((t) => t.schema === schema && t.kind === 'call')
  const table = tables?.find((t) => t.table === 'tracks') ?? tables?.[0]
  const from = `"${schema.replaceAll('"', '""')}".${table?.table ?? 'tracks'}`
  const sql = (table?.table ?? 'tracks') === 'tracks' ? `SELECT event, count(*) AS n\nFROM ${from}\nGROUP BY event` : `SELECT count(*) AS n\nFROM ${from}`
  const ask = useMutation({ mutationFn: () => call('query', { body: { sql } }), onSuccess: onAsked })
  return (
    <div className="grid gap-2">
      <CodeBlock label="SQL" code={sql} />
      <div className="flex gap-2"><Button look="main" icon="play" busy={ask.isPending || !table} onClick={() => { ask.mutate() }}>Ask</Button><Link to="/warehouse" search={{ sql }} className="inline-flex h-8 items-center rounded-outer px-3 text-soft hover:bg-hover">Open in the editor</Link></div>
      {ask.error && <ErrorBox problem={problemOf(ask.error)} />}
      {ask.data && <Rows result={ask.data} />}
    </div>
  )
}

function Rows({ result }: { result: QueryResult }) {
  return (
    <table className="w-fit text-12"><thead><tr>{result.columns.map((c) => <th key={c.name} scope="col" className="pr-6 text-left font-medium text-soft">{c.name}</th>)}</tr></thead>
      <tbody>{result.rows.map((row, i) => <tr key={i}>{row.map((v, j) => <td key={j} className="pr-6 font-mono">{typeof v === 'number' ? number(v) : String(v)}</td>)}</tr>)}</tbody></table>
  )
}
