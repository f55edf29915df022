import { Checkbox } from './Checkbox'

export const title = 'Checkbox'
export const stories = { states: () => <div className="grid gap-2"><Checkbox label="Resend all 14" checked onChecked={() => {}} hint="Those that were sent again before are left out" /><Checkbox label="Off" checked={false} onChecked={() => {}} /><Checkbox label="Disabled" checked disabled onChecked={() => {}} /></div> }
