import { expect, test } from 'vitest'
import { add, change, close, isChanged, moved, open, openFile, titleOf, type Tabs } from './tabs'

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

test('a tab of a saved query', () => {
  const one = openFile(start, 'queries/daily.sql', 'SELECT 1\n', 'e1')
  expect(one.open.map(titleOf)).toEqual(['daily'])
  const typed = change(one, '1', { sql: 'SELECT 2' })
  expect(typed.open.map(isChanged)).toEqual([true])
  expect(change(one, '1', { sql: 'SELECT 1\n\n' }).open.map(isChanged)).toEqual([false])
  // What was typed stays when the file is opened again or has changed; else it follows the file.
  expect(openFile(typed, 'queries/daily.sql', 'SELECT 3', 'e2').open[0]).toMatchObject({ sql: 'SELECT 2', etag: 'e1' })
  expect(openFile(one, 'queries/daily.sql', 'SELECT 3', 'e2').open[0]).toMatchObject({ sql: 'SELECT 3', etag: 'e2' })
  expect(openFile(typed, 'queries/other.sql', 'SELECT 4', 'e3').open).toHaveLength(2)
  expect(moved(one, 'queries/daily.sql', 'queries/week.sql').open.map(titleOf)).toEqual(['week'])
  expect(moved(typed, 'queries/daily.sql', undefined).open[0]).toEqual({ id: '1', title: 'daily', sql: 'SELECT 2' })
  // A link does not write over what is typed.
  expect(open(typed, 'SELECT 9').open.map((t) => t.sql)).toEqual(['SELECT 2', 'SELECT 9'])
})
