import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { problemOf } from '@/api/client'
import { recordQuery } from '@/api/queries'
import type { Journey as JourneyData, Step } from '@/api/schema'
import { cx } from '@/design/cx'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon, type IconName } from '@/design/Icon'
import { SkeletonRows } from '@/design/Skeleton'
import { TimeText } from '@/design/TimeText'
import { Tree, type Json } from '@/design/Tree'
import { duration, sentence } from '@/format/format'

const words: Record<Step['step'], string> = { received: 'Received', logged: 'In the log', judged: 'Judged', archived: 'Archived', loaded: 'In the warehouse' }
const signs: Record<Step['state'], [IconName, string, string]> = { done: ['check', 'bg-accent text-on-solid', 'done'], waiting: ['clock', 'bg-info-tint text-info-text', 'waiting'], not: ['cross', 'bg-hover text-faint', 'not for this record'], unknown: ['more', 'bg-hover text-faint', 'not known'] }

/** What happened to a record, from intake to its rows. */
export function Journey({ position }: { position: string }) {
  const { data, error, refetch } = useQuery(recordQuery(position))
  if (error && !data) return <div className="p-2"><ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /></div>
  if (!data) return <SkeletonRows />
  return <Steps journey={data} />
}

function Steps({ journey }: { journey: JourneyData }) {
  const start = Date.parse(journey.record.received_at)
  return (
    <div className="grid gap-5 p-2">
      <ol className="grid">
        {journey.steps.map((step, i) => {
          const [icon, colour, word] = signs[step.state]
          const at = step.at === undefined ? undefined : Date.parse(step.at)
          return (
            <li key={step.step} className="relative flex gap-3 pb-4">
              {i < journey.steps.length - 1 && <span aria-hidden="true" className="absolute top-5 bottom-0 left-2.5 w-px bg-line" />}
              <span className={cx('relative grid size-5 shrink-0 place-items-center rounded-full', colour)}><Icon name={icon} size={12} /></span>
              <div className="min-w-0">
                <p className="flex flex-wrap items-baseline gap-x-2"><strong className="font-semibold">{words[step.step]}</strong><span className="sr-only">{word}</span>
                  {at !== undefined && <span className="text-12 text-soft"><TimeText at={at} full />{at > start && <> (+{duration(at - start)})</>}</span>}</p>
                <p className="break-words text-soft">{sentence(step.detail)}</p>
                {step.where && !step.detail.includes(step.where) && <p className="font-mono text-12 break-all">{step.where}</p>}
                {step.of && <Link to="/live/find" search={{ open: step.of }} className="text-accent-text underline underline-offset-2">The record that counts</Link>}
              </div>
            </li>
          )
        })}
      </ol>
      {journey.rows.map((row) => (
        <section key={`${row.schema}.${row.table}`} aria-label={`Row of ${row.schema}.${row.table}`}>
          <h3 className="font-mono text-12"><Link to="/warehouse/$schema/$table" params={{ schema: row.schema, table: row.table }} className="text-accent-text underline underline-offset-2">{row.schema}.{row.table}</Link></h3>
          <Tree label={`Row of ${row.schema}.${row.table}`} value={row.values as Json} openTo={0} />
        </section>
      ))}
    </div>
  )
}
