import { Button } from './Button'
import { Popover } from './Popover'

export const title = 'Popover'
export const stories = { simple: () => <Popover label="About" button={<Button>About</Button>} className="p-3">{(close) => <div className="grid gap-2"><p>It opens beside its button.</p><Button onClick={close}>Close</Button></div>}</Popover> }
