import { Badge, StateDot, type Meaning } from './Badge'

const meanings: Meaning[] = ['neutral', 'accent', 'good', 'warning', 'bad', 'info']

export const title = 'Badge, StateDot'
export const stories = {
  badges: () => <div className="flex flex-wrap gap-2">{meanings.map((m) => <Badge key={m} meaning={m}>{m}</Badge>)}<Badge mono>VARCHAR</Badge></div>,
  states: () => <div className="flex flex-wrap gap-4"><StateDot meaning="good">Receiving</StateDot><StateDot meaning="warning">Silent</StateDot><StateDot meaning="bad">Failing</StateDot><StateDot meaning="neutral" hollow>Paused</StateDot></div>,
}
