import { TimeChart } from './TimeChart'

export const title = 'TimeChart'
export const stories = { empty: () => <TimeChart label="Lag" x={[]} lines={[]} /> }
