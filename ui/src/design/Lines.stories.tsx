import { Lines } from './Lines'

export const title = 'Lines'
export const stories = { plain: () => <div className="max-w-90"><Lines label="Hosts" mono value={'db.example.com:5432\n*.example.org'} onValue={() => {}} hint="One in a line" /></div>, wrong: () => <div className="max-w-90"><Lines label="Hosts" value="https://" onValue={() => {}} problem="This is no host" /></div> }
