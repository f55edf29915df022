import { Switch } from './Switch'

export const title = 'Switch'
export const stories = { states: () => <div className="flex gap-4"><Switch label="Follow" on onSwitch={() => {}} /><Switch label="Follow" on={false} onSwitch={() => {}} /><Switch label="Follow" on disabled onSwitch={() => {}} /></div> }
