import { useState } from 'react'
import type { TailLine } from '@/api/schema'
import { StateDot } from '@/design/Badge'
import { Button } from '@/design/Button'
import { CodeBlock } from '@/design/CodeBlock'
import { CopyButton } from '@/design/CopyButton'
import { Drawer } from '@/design/Drawer'
import { Tabs } from '@/design/Tabs'
import { TimeText } from '@/design/TimeText'
import { Tree, type Json } from '@/design/Tree'
import { Facts } from '@/design/View'
import { Journey } from './Journey'
import type { Filter } from './messages'
import { nameOf } from './summary'

interface Props {
  line: TailLine
  onClose: () => void
  onNext?: () => void
  onPrevious?: () => void
  onFilter: (filter: Partial<Filter>) => void
  start?: string
}

const words: Record<TailLine['result'], [string, 'good' | 'neutral' | 'bad' | 'info']> = {
  accepted: ['Accepted', 'good'], duplicate: ['Duplicate: its id was there before', 'neutral'], rejected: ['Rejected, and kept until it is mended', 'bad'], received: ['In the log, not judged yet', 'info'],
}

/** One record: what is known of it, its body as a tree and as it came. */
export function EventDrawer({ line, onClose, onNext, onPrevious, onFilter, start = 'tree' }: Props) {
  const [tab, setTab] = useState(start)
  const [word, meaning] = words[line.result]
  const json = JSON.stringify(line.body, null, 2)
  return (
    <Drawer title={nameOf(line)} about={<StateDot meaning={meaning}>{word}</StateDot>} onClose={onClose} onNext={onNext} onPrevious={onPrevious}>
      <div className="p-4">
        <Facts facts={[
          ['Source', <span key="s" className="flex items-center gap-2">{line.source}<Button small look="quiet" onClick={() => { onFilter({ source: line.source }) }}>Only this</Button></span>],
          ['Received', <TimeText key="r" at={line.received_at} full />],
          ['Occurred', <TimeText key="o" at={line.occurred_at} full />],
          ['Id', <Copied key="i" text={line.id} />],
          ...(line.key ? [['User', <span key="u" className="flex items-center gap-1"><Copied text={line.key} /><Button small look="quiet" onClick={() => { onFilter({ user: line.key }) }}>Only this</Button></span>] as [string, React.ReactNode]] : []),
          ['Position', <Copied key="p" text={line.position} />],
        ]} />
      </div>
      <Tabs label="The event" className="grow" tabs={[{ id: 'tree', label: 'Tree' }, { id: 'raw', label: 'JSON' }, { id: 'journey', label: 'Journey' }, ...(line.meta === undefined ? [] : [{ id: 'meta', label: 'Added by intake' }])]} chosen={tab} onChoose={setTab} panelClassName="p-2"
        trailing={<CopyButton text={json} label="Copy JSON" />}>
        {tab === 'tree' && <Tree label="Body" value={line.body as Json} />}
        {tab === 'raw' && <CodeBlock label="JSON" code={json} wrap />}
        {tab === 'journey' && <Journey position={line.position} />}
        {tab === 'meta' && <Tree label="Added by intake" value={line.meta as Json} />}
      </Tabs>
    </Drawer>
  )
}

function Copied({ text }: { text: string }) {
  return <span className="inline-flex max-w-full items-center gap-1"><code className="truncate font-mono text-12" title={text}>{text}</code><CopyButton text={text} /></span>
}
