import { useInfiniteQuery } from '@tanstack/react-query'
import { problemOf } from '@/api/client'
import { changesQuery } from '@/api/queries'
import type { SchemaChange } from '@/api/schema'
import { Badge, type Meaning } from '@/design/Badge'
import { Button } from '@/design/Button'
import { Empty } from '@/design/Empty'
import { ErrorBox } from '@/design/ErrorBox'
import { SkeletonRows } from '@/design/Skeleton'
import { TimeText } from '@/design/TimeText'

const kinds: Record<SchemaChange['kind'], [string, Meaning]> = { event: ['New event', 'accent'], stream: ['New stream', 'accent'], column: ['New column', 'info'], notice: ['Notice', 'warning'] }

/** How what a source sends has changed, newest first. */
export function Changes({ source }: { source: string }) {
  const list = useInfiniteQuery(changesQuery(source))
  const all = list.data?.pages.flatMap((p) => p.changes) ?? []
  if (list.error && !list.data) return <div className="p-4"><ErrorBox problem={problemOf(list.error)} onRetry={() => void list.refetch()} /></div>
  if (!list.data) return <SkeletonRows />
  if (all.length === 0) return <Empty icon="history" title="Nothing has changed yet">New events, new properties and what the warehouse made of them are listed here.</Empty>
  return (
    <>
      <ol className="px-4 py-2">
        {all.map((c, i) => (
          <li key={i} className="flex flex-wrap items-baseline gap-x-3 border-b border-line/60 py-2">
            <span className="shrink-0 wide:w-28"><Badge meaning={kinds[c.kind][1]}>{kinds[c.kind][0]}</Badge></span>
            <span className="font-medium break-words max-wide:order-first max-wide:w-full">{c.name}</span>{c.type && <Badge mono>{c.type}</Badge>}{c.table && <span className="min-w-0 truncate font-mono text-12 text-soft">{source}.{c.table}</span>}
            <span className="ml-auto text-12 text-soft"><TimeText at={c.at} /></span>
            {c.detail && <p className="w-full break-words text-soft wide:pl-31">{c.detail}</p>}
          </li>
        ))}
      </ol>
      {list.hasNextPage && <div className="px-4 pb-4"><Button busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>Show older</Button></div>}
    </>
  )
}
