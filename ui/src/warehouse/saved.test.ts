import { expect, test } from 'vitest'
import type { ProjectFile } from '@/api/schema'
import { fileText, linkOf, nameOf, pathOf, problemOfName, sameLink, savedOf, suggestedName } from './saved'

const file = (path: string, editable = true): ProjectFile => ({ path, editable, folder: path.split('/')[0] ?? '', kind: 'sql', size_bytes: 1, etag: 'e' })

test('saved queries are the SQL files of the folder queries', () => {
  expect(savedOf([file('sources/web.yaml'), file('queries/b.sql'), file('queries/a b.sql'), file('queries/notes.md'), file('queries/x.sql', false), file('queries/team/c.sql')]).map((f) => nameOf(f.path))).toEqual(['a b', 'b', 'team/c'])
  expect(pathOf(' daily revenue ')).toBe('queries/daily revenue.sql')
  expect(savedOf(undefined)).toEqual([])
})

test('names that a file can have', () => {
  for (const good of ['daily', 'Daily revenue', 'a.b', 'größe', 'team/daily', '7_days']) expect(problemOfName(good, [])).toBeUndefined()
  for (const bad of ['', ' ', '.hidden', '../x', 'a/b/c', '/a', 'a/', 'a:b', 'a?', 'a"', 'a ./b', 'a.']) expect(problemOfName(bad, []), bad).toBeDefined()
  expect(problemOfName('Daily', ['daily'])).toContain('already')
  expect(suggestedName('SELECT 1 FROM web."order_completed"', ['order_completed'])).toBe('order_completed_2')
  expect(suggestedName('SELECT 1', [])).toBe('query')
})

test('the link to what a tab says', () => {
  expect(linkOf({ sql: 'SELECT 1\n', file: 'queries/one.sql', base: 'SELECT 1' })).toEqual({ query: 'one' })
  expect(linkOf({ sql: 'SELECT 2', file: 'queries/one.sql', base: 'SELECT 1' })).toEqual({ sql: 'SELECT 2' })
  expect(linkOf({ sql: ' ' })).toEqual({})
  expect(linkOf({ sql: `SELECT '${'x'.repeat(7000)}'` })).toEqual({})
  expect(sameLink({ sql: ' SELECT 1 ' })).toBe(sameLink({ sql: 'SELECT 1' }))
  expect(sameLink({})).toBe('')
  expect(fileText('SELECT 1  \n\n')).toBe('SELECT 1\n')
})
