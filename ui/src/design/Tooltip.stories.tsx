import { Button } from './Button'
import { Tooltip } from './Tooltip'

export const title = 'Tooltip'
export const stories = {
  'on hover and focus': () => <Tooltip text="Goes on where it stopped; nothing is missed" keys="Space" describes><Button>Resume</Button></Tooltip>,
}
