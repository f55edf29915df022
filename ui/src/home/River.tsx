import { Link } from '@tanstack/react-router'
import type { CSSProperties } from 'react'
import { ratesOf, useSamples } from '@/api/rates'
import type { Status } from '@/api/schema'
import { StateDot } from '@/design/Badge'
import { Icon } from '@/design/Icon'
import { useNow } from '@/design/now'
import { curve, nodeHeight, nodeWidth, placeOf, river, sizeOf, strength, type Node } from './river'

/** Sources, log, archive and warehouse as a picture that moves with what flows. */
export function River({ status }: { status: Status }) {
  const now = useNow()
  const { nodes, edges } = river(status, ratesOf(useSamples()), now)
  const size = sizeOf(nodes)
  const byId = new Map(nodes.map((n) => [n.id, n]))
  return (
    <>
      {/* It scrolls sideways on a narrow window, with keys too. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div tabIndex={0} role="region" aria-label="The river" className="overflow-x-auto p-1 max-wide:hidden">
        <div className="relative mx-auto" style={{ width: size.width, height: size.height }}>
          <svg aria-hidden="true" width={size.width} height={size.height} className="absolute inset-0 overflow-visible" fill="none">
            {edges.map((edge) => {
              const [from, to] = [byId.get(edge.from), byId.get(edge.to)]
              if (!from || !to) return null
              const { width, seconds } = strength(edge.perSecond)
              const d = curve(from, to)
              return (
                <g key={`${edge.from}>${edge.to}`}>
                  <path d={d} stroke={seconds > 0 ? 'var(--accent-tint)' : 'var(--n6)'} strokeWidth={width + 4} strokeLinecap="round" />
                  {seconds > 0 && <path d={d} className="flow" stroke="var(--accent-solid)" strokeWidth={width} strokeLinecap="round" style={{ '--flow': `${seconds.toFixed(2)}s` } as CSSProperties} />}
                </g>
              )
            })}
          </svg>
          {nodes.map((node) => <Box key={node.id} node={node} style={{ left: placeOf(node).x, top: placeOf(node).y, width: nodeWidth, height: nodeHeight }} />)}
        </div>
      </div>
      <ul className="grid gap-2 wide:hidden">
        {nodes.map((node) => <li key={node.id}><Box node={node} /></li>)}
      </ul>
    </>
  )
}

function Box({ node, style }: { node: Node; style?: CSSProperties }) {
  return (
    <Link to={node.to} style={style} className={`${style ? 'absolute' : ''} flex flex-col justify-center gap-0.5 rounded-outer border border-line bg-surface px-3 py-2 transition-colors hover:border-line-strong hover:bg-sunken`}>
      <span className="flex items-center gap-2"><Icon name={node.icon} className="text-faint" /><span className="min-w-0 grow truncate font-semibold">{node.title}</span><span className="text-12 text-soft"><StateDot meaning={node.state.meaning}>{node.state.word}</StateDot></span></span>
      {node.lines.filter(Boolean).map((line, i) => <span key={i} className={i === 0 ? 'truncate text-15 font-medium tabular-nums' : 'truncate text-12 text-soft'}>{line}</span>)}
    </Link>
  )
}
