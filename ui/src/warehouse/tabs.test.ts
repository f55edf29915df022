import { expect, test } from 'vitest'
import { add, close, open, type Tabs } from './tabs'

const start: Tabs = { open: [{ id: '1', title: 'Query 1', sql: '' }], chosen: '1' }

test('tabs open, are found again, and close', () => {
  const one = open(start, 'SELECT 1')
  expect(one.open).toHaveLength(1)
  const two = open(one, 'SELECT 2')
  expect(two).toMatchObject({ chosen: '2' })
  expect(open(two, 'SELECT 1 ').chosen).toBe('1')
  expect(add(two).open.map((t) => t.title)).toEqual(['Query 1', 'Query 2', 'Query 3'])
  expect(close(two, '2')).toMatchObject({ chosen: '1' })
  expect(close(start, '1')).toEqual(start)
})
