import { expect, test } from 'vitest'
import { resourceOf, severityOf, signOf, stateOf, wayOf } from './releases'

test('versions and plans are said in words', () => {
  expect(stateOf({ state: 'rolled_back' })).toEqual({ word: 'Rolled back', meaning: 'warning' })
  expect(severityOf({ severity: 'breaking', kind: 'x', message: '', do: '' }).meaning).toBe('bad')
  expect(severityOf({ severity: 'new one', kind: 'x', message: '', do: '' }).word).toBe('new one')
  expect(signOf('removed')).toBe('−')
  expect(resourceOf({ file: 'millrace.yaml', name: 'x', op: 'change' })).toBe('millrace.yaml')
  expect([wayOf(3, 5), wayOf(6, 5)]).toEqual(['back', 'on'])
})
