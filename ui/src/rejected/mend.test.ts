import { expect, test } from 'vitest'
import { merged, mistakeIn, pretty } from './mend'

test('what is no JSON is told with its place', () => {
  expect(mistakeIn('{"a": 1}')).toBeUndefined()
  expect(mistakeIn('')).toContain('empty')
  expect(mistakeIn('{\n  "a": 1,\n  b\n}')).toMatch(/^It is not JSON: line 3/)
})

test('pretty leaves alone what it cannot read', () => {
  expect(pretty('{"a":1}')).toBe('{\n  "a": 1\n}')
  expect(pretty('{"a":')).toBe('{"a":')
})

test('merge patches', () => {
  expect(merged('{"a":1,"b":{"c":2,"d":3}}', '{"a":null,"b":{"c":9},"e":[1]}')).toBe('{"b":{"c":9,"d":3},"e":[1]}')
  expect(merged('not json', '{}')).toBeUndefined()
})
