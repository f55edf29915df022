import { SkeletonRows } from './Skeleton'

export const title = 'Skeleton'
export const stories = { rows: () => <SkeletonRows /> }
