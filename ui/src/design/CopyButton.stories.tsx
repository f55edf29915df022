import { CopyButton } from './CopyButton'

export const title = 'CopyButton'
export const stories = { both: () => <div className="flex gap-2"><CopyButton text="order-1001" /><CopyButton text="order-1001" word label="Copy as curl" /></div> }
