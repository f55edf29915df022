import { useState } from 'react'
import { TimeRangePicker } from './TimeRangePicker'

function Example() {
  const [range, setRange] = useState('last 3h')
  return <TimeRangePicker value={range} onValue={setRange} />
}
export const title = 'TimeRangePicker'
export const stories = { pick: () => <Example /> }
