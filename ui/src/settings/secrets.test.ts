import { expect, test } from 'vitest'
import type { SecretInfo } from '@/api/schema'
import { keyOf, linesOf, pathProblem, usersOf } from './secrets'

const secret = (more: Partial<SecretInfo> = {}): SecretInfo => ({ path: 'stripe/live_key', all_environments: false, version: 1, versions: 1, resources: [], hosts: [], created: '', changed: '', ...more })

test('paths are names with slashes between', () => {
  expect(pathProblem('stripe/live_key', false, [])).toBeUndefined()
  for (const wrong of ['/a', 'a//b', 'A', 'a b', '../a', 'a/']) expect(pathProblem(wrong, false, [])).toMatch(/Small letters/)
  expect(pathProblem('stripe/live_key', false, [secret()])).toMatch(/already/)
  expect(pathProblem('stripe/live_key', true, [secret()])).toBeUndefined()
})

test('who may use a secret is said in a few words', () => {
  expect(usersOf(secret())).toBe('nobody')
  expect(usersOf(secret({ resources: ['a', 'b', 'c'], hosts: ['x', 'y'] }))).toBe('a, b and 1 more → x and 1 more')
  expect(linesOf(' a, b\n\na ')).toEqual(['a', 'b'])
  expect(keyOf(secret())).not.toBe(keyOf(secret({ all_environments: true })))
})
