import { Input } from './Input'
import { Kbd } from './Kbd'

export const title = 'Input'
export const stories = {
  states: () => <div className="grid max-w-80 gap-3"><Input label="Name" hint="Small letters, digits and _" /><Input label="Filter" hideLabel icon="search" placeholder="Filter sources" trailing={<Kbd keys="/" />} /><Input label="Range" defaultValue="last fortnight" problem="This is no range: try last 3h, yesterday, 2026-01-31" /><Input label="Key" mono defaultValue="web_2026" disabled /></div>,
}
