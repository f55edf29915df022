import { useState } from 'react'
import { Tabs } from './Tabs'

function Example({ among }: { among?: boolean }) {
  const [chosen, choose] = useState('tree')
  return <Tabs among={among} label="Parts of the event" tabs={[{ id: 'tree', label: 'Tree' }, { id: 'raw', label: 'JSON' }, { id: 'journey', label: 'Journey', count: '5' }]} chosen={chosen} onChoose={choose} panelClassName="p-3">{chosen}</Tabs>
}

export const title = 'Tabs'
export const stories = { three: () => <Example />, 'among text': () => <div className="p-4"><p>What stands above.</p><Example among /></div> }
