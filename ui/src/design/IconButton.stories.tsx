import { iconNames } from './Icon'
import { IconButton } from './IconButton'

export const title = 'IconButton'
export const stories = {
  every: () => <div className="flex flex-wrap gap-1">{iconNames.map((name) => <IconButton key={name} icon={name} label={name} />)}</div>,
  states: () => <div className="flex gap-1"><IconButton icon="pause" label="Pause" pressed /><IconButton icon="copy" label="Copy" small /><IconButton icon="refresh" label="Refresh" disabled /></div>,
}
