import { useInfiniteQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { problemOf } from '@/api/client'
import { groupsQuery } from '@/api/queries'
import type { RejectedGroup } from '@/api/schema'
import { Button } from '@/design/Button'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { NumberText } from '@/design/NumberText'
import { SkeletonRows } from '@/design/Skeleton'
import { TimeText } from '@/design/TimeText'
import { plural, sentence } from '@/format/format'
import { ResendDialog } from './ResendDialog'

/** Rejected events by reason, with how many are still open. */
export function Groups({ source, onShow }: { source: string | undefined; onShow: (group: RejectedGroup) => void }) {
  const [resending, resend] = useState<RejectedGroup>()
  const list = useInfiniteQuery(groupsQuery({ source }))
  const all = list.data?.pages.flatMap((p) => p.groups) ?? []
  if (list.error && !list.data) return <div className="p-4"><ErrorBox problem={problemOf(list.error)} onRetry={() => void list.refetch()} /></div>
  if (!list.data) return <SkeletonRows />
  if (all.length === 0) return <Empty icon="check" title="Nothing was rejected">An event that breaks a rule is not lost: it is kept here with the reason, until you mend it and send it again.</Empty>
  return (
    <>
      <ul>
        {all.map((group) => (
          <li key={`${group.source} ${group.group} ${group.field ?? ''}`} className="flex flex-wrap items-center gap-x-4 gap-y-2 max-wide:items-start border-b border-line/60 px-4 py-3 hover:bg-hover">
            <div className="w-14 shrink-0"><div className="text-15 font-semibold"><NumberText value={group.open} short /></div><div className="text-11 text-soft">{group.open === group.count ? 'open' : <>of <NumberText value={group.count} short /></>}</div></div>
            <button type="button" onClick={() => { onShow(group) }} className="min-w-48 grow basis-0 text-left">
              <span className="block font-medium break-words">{sentence(group.group)}</span>
              <span className="block text-12 text-soft">{group.source}{group.field && <> · field <code className="font-mono">{group.field}</code></>} · last <TimeText at={group.last} /> · first <TimeText at={group.first} /></span>
            </button>
            <span className="flex gap-2 max-wide:pl-18"><Button small onClick={() => { onShow(group) }}>Examples</Button>{group.open > 0 && <Button small icon="send" className="wide:min-w-40" onClick={() => { resend(group) }}>Resend {plural(group.open, 'event')}</Button>}</span>
          </li>
        ))}
      </ul>
      {resending && <ResendDialog group={resending} onClose={() => { resend(undefined) }} />}
    </>
  )
}
