import { expect, test } from 'vitest'
import { passwordProblem } from './words'

test('characters are counted as people see them', () => {
  expect(passwordProblem('')).toBe('Type a password')
  expect(passwordProblem('🐎🐎🐎')).toBe('It has 3 of at least 15 characters')
  expect(passwordProblem('correct horse battery')).toBeUndefined()
})
