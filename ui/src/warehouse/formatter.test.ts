import { expect, test } from 'vitest'
import { format } from './formatter'

test('SQL is put in order, in the dialect of the engine', () => {
  expect(format('select a,b from web.t where a>1 -- why', 'duckdb')).toBe('SELECT\n  a,\n  b\nFROM\n  web.t\nWHERE\n  a > 1 -- why')
  expect(format("select x::text, '{}'::jsonb->>'a' from web.t", 'postgres')).toContain("'{}'::jsonb ->> 'a'")
  expect(format('select 1; select 2', undefined)).toBe('SELECT\n  1;\n\nSELECT\n  2')
  expect(() => format("select 'open", 'duckdb')).toThrow()
})
