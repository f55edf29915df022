import { SplitPane } from './SplitPane'

export const title = 'SplitPane'
export const stories = { two: () => <SplitPane name="story" label="Divide" className="h-32 bg-sunken" first={<p className="p-3">One</p>} second={<p className="p-3">Two</p>} /> }
