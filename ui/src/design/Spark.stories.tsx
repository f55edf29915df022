import { Spark } from './Spark'

export const title = 'Spark'
export const stories = {
  day: () => <Spark values={[3, 5, 4, 8, 12, 18, 22, 20, 14, 9, 6, 4]} />,
  burst: () => <Spark values={[3, 5, 4, 8, 900, 8, 12, 10, 14, 9, 6, 4]} />,
  nothing: () => <Spark values={[0, null, 0]} />,
}
