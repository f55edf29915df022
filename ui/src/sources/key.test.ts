import { expect, test } from 'vitest'
import { newKey } from './key'

test('keys are long, each another, and marked for development', () => {
  expect(newKey(true)).toMatch(/^dev_[a-z2-7]{20}$/)
  expect(newKey(false)).toMatch(/^[a-z2-7]{20}$/)
  expect(newKey(false)).not.toBe(newKey(false))
})
