import { Select } from './Select'

export const title = 'Select'
const options = [{ value: '', label: 'Every source' }, { value: 'web', label: 'web' }, { value: 'shop', label: 'shop' }]
export const stories = { states: () => <div className="grid max-w-60 gap-3"><Select label="Source" options={options} value="web" onValue={() => {}} /><Select label="Source" hideLabel options={options} value="" onValue={() => {}} disabled /></div> }
