import { TimeText } from './TimeText'

export const title = 'TimeText'
export const stories = { both: () => <div className="grid gap-1"><TimeText at={Date.now() - 75_000} /><TimeText at="2026-01-31T10:15:01.21Z" full /><TimeText at={undefined} /></div> }
