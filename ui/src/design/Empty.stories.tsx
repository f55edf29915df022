import { Button } from './Button'
import { Empty } from './Empty'

export const title = 'Empty'
export const stories = { rejected: () => <Empty icon="rejected" title="Nothing was rejected" action={<Button>See what arrives</Button>}>Events that break a rule are kept here until you mend and resend them.</Empty> }
