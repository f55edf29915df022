import { Kbd } from './Kbd'

export const title = 'Kbd'
export const stories = { keys: () => <div className="flex gap-4"><Kbd keys="Mod+K" /><Kbd keys="g then l" /><Kbd keys="?" /><Kbd keys="Shift+Enter" /></div> }
