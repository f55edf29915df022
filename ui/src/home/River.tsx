import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useCallback, useState, type CSSProperties } from 'react'
import { historyQuery } from '@/api/history'
import { ratesOf, useSamples } from '@/api/rates'
import type { HistorySeries, Status } from '@/api/schema'
import { StateDot } from '@/design/Badge'
import { Ends } from '@/design/Ends'
import { Icon } from '@/design/Icon'
import { useNow } from '@/design/now'
import { curve, gapFor, nodeHeight, nodeWidth, placeOf, river, sizeOf, strength, type Node } from './river'

const archived = 'millrace_archive_records_total'
const loaded = 'millrace_warehouse_rows_total'

/** perSecond is the mean of a counter over the points that are known. */
function perSecond(series: readonly HistorySeries[] | undefined, name: string): number | undefined {
  const points = (series ?? []).filter((s) => s.name === name).flatMap((s) => s.points.map((p) => p.value / s.step_seconds))
  const steps = Math.max(0, ...(series ?? []).filter((s) => s.name === name).map((s) => s.points.length))
  return steps === 0 ? undefined : points.reduce((a, b) => a + b, 0) / steps
}

/** Sources, log, archive and warehouse as a picture that moves with what flows. */
export function River({ status }: { status: Status }) {
  const now = useNow()
  const minute = Math.floor(now / 10_000) * 10_000
  const history = useQuery(historyQuery([archived, loaded], { from: minute - 60_000, until: minute }))
  const { nodes, edges } = river(status, ratesOf(useSamples()), now, { archive: perSecond(history.data?.series, archived), warehouse: perSecond(history.data?.series, loaded) })
  const [width, setWidth] = useState(0)
  const gap = gapFor(width)
  const size = sizeOf(nodes, gap)
  const measure = useCallback((element: HTMLDivElement | null) => {
    if (!element) return
    const seen = new ResizeObserver(() => { setWidth(element.clientWidth - 8) })
    seen.observe(element)
    return () => { seen.disconnect() }
  }, [])
  const byId = new Map(nodes.map((n) => [n.id, n]))
  return (
    <>
      {/* It scrolls sideways on a narrow window, with keys too. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div ref={measure} tabIndex={0} role="region" aria-label="The river" className="overflow-x-auto p-1 max-wide:hidden">
        <div className="relative mx-auto" style={{ width: size.width, height: size.height }}>
          <svg aria-hidden="true" width={size.width} height={size.height} className="absolute inset-0 overflow-visible" fill="none">
            {edges.map((edge) => {
              const [from, to] = [byId.get(edge.from), byId.get(edge.to)]
              if (!from || !to) return null
              const { width, seconds } = strength(edge.perSecond)
              const d = curve(from, to, gap)
              return (
                <g key={`${edge.from}>${edge.to}`}>
                  <path d={d} stroke={seconds > 0 ? 'var(--accent-tint)' : 'var(--n6)'} strokeWidth={seconds > 0 ? width + 4 : 1.5} strokeLinecap="round" />
                  {seconds > 0 && <path d={d} className="flow" stroke="var(--accent-solid)" strokeWidth={width} strokeLinecap="round" style={{ '--flow': `${seconds.toFixed(2)}s` } as CSSProperties} />}
                </g>
              )
            })}
          </svg>
          {nodes.map((node) => <Box key={node.id} node={node} style={{ left: placeOf(node, gap).x, top: placeOf(node, gap).y, width: nodeWidth, height: nodeHeight }} />)}
        </div>
      </div>
      <ul className="grid grid-cols-[minmax(0,1fr)] gap-2 wide:hidden">
        {nodes.map((node) => <li key={node.id}><Box node={node} /></li>)}
      </ul>
    </>
  )
}

function Box({ node, style }: { node: Node; style?: CSSProperties }) {
  return (
    <Link to={node.to} style={style} title={node.title} className={`${style ? 'absolute' : ''} flex flex-col justify-center gap-0.5 rounded-outer border border-line bg-surface px-3 py-2 transition-colors hover:border-line-strong hover:bg-sunken`}>
      <span className="flex items-center gap-2"><Icon name={node.icon} className="text-faint" /><span className="flex min-w-0 grow font-semibold"><Ends text={node.title} /></span><span className="shrink-0 text-12 text-soft"><StateDot meaning={node.state.meaning}>{node.state.word}</StateDot></span></span>
      <span className={style ? 'contents' : 'flex items-baseline gap-2'}>
        {node.lines.filter(Boolean).map((line, i) => <span key={i} className={i === 0 ? 'shrink-0 truncate text-15 font-medium tabular-nums' : 'min-w-0 truncate text-12 text-soft'}>{line}</span>)}
      </span>
    </Link>
  )
}
