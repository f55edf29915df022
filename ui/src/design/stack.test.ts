import { expect, test } from 'vitest'
import { stackOf } from './stack'

test('series stand on each other', () => {
  expect(stackOf([[1, 2, null], [3, 0, 4]], false)).toEqual([[4, 2, 4], [1, 2, 0]])
})

test('a bar that is nothing is not drawn', () => {
  expect(stackOf([[1, 2, null, 0], [3, 0, 4, null]], true)).toEqual([[4, null, 4, null], [1, 2, null, null]])
})
