import { expect, test } from 'vitest'
import { rebuilt, whyNot } from './retype'

const column = (name: string, fixed = false) => ({ name, type: 'text', fixed })

test('which columns have a type that can be chosen', () => {
  expect(whyNot('event', 'web', column('total'))).toBeUndefined()
  expect(whyNot('latest', 'web', column('plan'))).toBeUndefined()
  expect(whyNot('event', 'web', column('received_at', true))).toContain('received_at')
  for (const kind of ['system', 'discards', 'other']) expect(whyNot(kind, 'web', column('x'))).toBeDefined()
})

test('what a rebuild did', () => {
  expect(rebuilt({ records: 3, tables: [] })).toEqual({ records: 3, tables: [] })
  expect(rebuilt(undefined)).toBeUndefined()
  expect(rebuilt({ records: 3 })).toBeUndefined()
})
