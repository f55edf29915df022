import { useState } from 'react'
import { Button } from '@/design/Button'
import { IconButton } from '@/design/IconButton'
import { Input } from '@/design/Input'
import { Popover } from '@/design/Popover'
import { useChoice } from '@/design/theme'
import { TimeText } from '@/design/TimeText'
import { duration, plural } from '@/format/format'
import { ran } from './tabs'

/** What was run in this browser, newest first. */
export function History({ onOpen }: { onOpen: (sql: string) => void }) {
  const [all, setAll] = useChoice(ran)
  const [typed, setTyped] = useState('')
  const found = all.filter((one) => one.sql.toLowerCase().includes(typed.trim().toLowerCase()))
  return (
    <Popover label="History" align="end" button={<IconButton icon="history" label="History" />} className="w-120 p-1">
      {(close) => all.length === 0 ? <p className="p-3 text-soft">What you run is listed here, in this browser only.</p> : (
        <>
          <div className="flex items-center gap-1 p-1"><Input label="Search the history" hideLabel icon="search" placeholder={`Search ${plural(all.length, 'query', 'queries')}`} className="grow" value={typed} onChange={(e) => { setTyped(e.target.value) }} /><Button small look="quiet" onClick={() => { setAll([]); close() }}>Clear</Button></div>
          {found.length === 0 && <p className="p-3 text-soft">Nothing in the history says that.</p>}
          <ul>{found.map((one) => (
            <li key={one.sql}><button type="button" onClick={() => { onOpen(one.sql); close() }} className="block w-full rounded-inner px-2.5 py-1.5 text-left hover:bg-hover">
              <span className="line-clamp-2 font-mono text-12">{one.sql}</span>
              <span className="text-11 text-soft"><TimeText at={one.at} />{one.failed ? ' · failed' : ` · ${plural(one.rows ?? 0, 'row')} · ${duration(one.ms)}`}</span>
            </button></li>
          ))}</ul>
        </>
      )}
    </Popover>
  )
}
