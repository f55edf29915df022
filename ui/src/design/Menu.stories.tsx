import { Button } from './Button'
import { Menu } from './Menu'

export const title = 'Menu'
export const stories = {
  items: () => <Menu label="More" align="start" button={<Button icon="more">More</Button>} items={[
    { kind: 'title', label: 'Reader' }, { label: 'Pause', icon: 'pause', onChoose: () => {} }, { label: 'Resume', icon: 'play', disabled: true, onChoose: () => {} },
    { kind: 'line' }, { kind: 'check', label: 'Follow', checked: true, onChoose: () => {} }, { label: 'Begin again', danger: true, icon: 'history', onChoose: () => {} }]} />,
}
