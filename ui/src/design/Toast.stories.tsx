import { Button } from './Button'
import { toast } from './Toast'

export const title = 'Toast'
export const stories = { tell: () => <div className="flex gap-2"><Button onClick={() => { toast('14 events were sent again', { meaning: 'good' }) }}>Good</Button><Button onClick={() => { toast('The reader was paused', { action: { label: 'Undo', run: () => {} } }) }}>With undo</Button></div> }
