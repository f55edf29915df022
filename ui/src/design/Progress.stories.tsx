import { Progress } from './Progress'

export const title = 'Progress'
export const stories = { states: () => <div className="grid max-w-60 gap-3"><Progress label="Rebuild" share={0.4} /><Progress label="Disk" share={0.93} meaning="bad" /><Progress label="Log" share={undefined} /></div> }
