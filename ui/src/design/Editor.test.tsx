import { expect, test } from 'vitest'
import { statementAt } from './statements'

test('the statement at the cursor', () => {
  const sql = "SELECT 1;\n\nSELECT ';' -- a; b\nFROM t; SELECT 3"
  expect(statementAt(sql, 3)).toEqual({ text: 'SELECT 1', line: 1 })
  expect(statementAt(sql, 20)).toEqual({ text: "SELECT ';' -- a; b\nFROM t", line: 3 })
  expect(statementAt(sql, sql.length)).toEqual({ text: 'SELECT 3', line: 4 })
  expect(statementAt('SELECT 1;', 9)).toEqual({ text: 'SELECT 1', line: 1 })
  expect(statementAt('', 0)).toEqual({ text: '', line: 1 })
})
