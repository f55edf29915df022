import { useState } from 'react'
import { parseRange } from '@/format/range'
import { Button } from './Button'
import { cx } from './cx'
import { Input } from './Input'
import { Popover } from './Popover'
import { useZone } from './zone'

const usual = ['last 15m', 'last 1h', 'last 3h', 'last 12h', 'last 24h', 'last 7d', 'last 30d', 'today', 'yesterday']

/** Picks a range of time: usual ones, or typed. The value is what was typed, so that a link to "last 3h" stays the last three hours. */
export function TimeRangePicker({ value, onValue, small = false }: { value: string; onValue: (value: string) => void; small?: boolean }) {
  const zone = useZone()
  const [typed, setTyped] = useState(value)
  const [wrong, setWrong] = useState(false)
  const label = value.charAt(0).toUpperCase() + value.slice(1)
  return (
    <Popover label="Time range" align="end" button={<Button icon="clock" small={small}>{label}</Button>} className="w-72 p-3">
      {(close) => (
        <form className="grid gap-3" onSubmit={(e) => {
          e.preventDefault()
          if (!parseRange(typed, Date.now(), zone)) { setWrong(true); return }
          onValue(typed.trim())
          close()
        }}>
          <Input label="Range" value={typed} onChange={(e) => { setTyped(e.target.value); setWrong(false) }} hint={`last 3h · yesterday · 2026-01-31 10:00 to 12:00 (${zone})`}
            problem={wrong ? 'This is no range: try last 3h, yesterday, 2026-01-31 to 2026-02-02' : undefined} />
          <div className="grid grid-cols-3 gap-1">
            {usual.map((one) => (
              <button key={one} type="button" onClick={() => { setTyped(one); onValue(one); close() }}
                className={cx('h-7 rounded-inner px-1.5 text-12 hover:bg-hover', one === value ? 'bg-accent-tint text-accent-text' : 'text-soft')}>{one}</button>
            ))}
          </div>
        </form>
      )}
    </Popover>
  )
}
