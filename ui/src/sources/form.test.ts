import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { fits } from './Controls'
import { fieldsOf, kindsOf, nameProblem, sectionsOf, startOf, vendors } from './form'

// The schema that the server gives out.
const schema: unknown = JSON.parse(readFileSync('../docs/reference/schema/sources.json', 'utf8'))
const field = (kind: string, id: string) => {
  const all = fieldsOf(schema, kind).flatMap((f) => [f, ...f.fields])
  const found = all.find((f) => f.id === id)
  if (!found) throw new Error(`no field ${id}`)
  return found
}

test('the form has every field of the schema, as what it is', () => {
  expect(kindsOf(schema)).toEqual([{ kind: 'http', about: 'A website, an app or a server that sends events.' }, { kind: 'webhook', about: 'Takes any JSON that a vendor posts to /v1/webhook/NAME.' }])
  expect(field('http', 'write_keys').control).toBe('list')
  expect(field('http', 'types')).toMatchObject({ control: 'map', options: ['bool', 'bigint', 'double', 'timestamptz', 'text', 'json'] })
  expect(field('http', 'browser')).toMatchObject({ control: 'flag', fallback: 'false' })
  expect(field('http', 'limits.rate')).toMatchObject({ control: 'number', label: 'Events a second' })
  expect(field('http', 'dedup')).toMatchObject({ control: 'text', fallback: '24h', offers: ['24h', '7d', '30d', 'forever'] })
  expect(field('webhook', 'signature.algorithm')).toMatchObject({ control: 'choice', options: ['sha256', 'sha1', 'sha512'], fallback: 'sha256' })
  expect(field('webhook', 'signature.secret')).toMatchObject({ control: 'secret', required: true })
  expect(fieldsOf(schema, 'postgres')).toEqual([])
  expect(fieldsOf(undefined, 'http')).toEqual([])
})

test('each field is under one heading, and none is lost', () => {
  for (const { kind } of kindsOf(schema)) {
    const all = fieldsOf(schema, kind).map((f) => f.id).sort()
    expect(sectionsOf(fieldsOf(schema, kind)).flatMap((s) => s.fields.map((f) => f.id)).sort()).toEqual(all)
    // What the server knows is laid out: nothing is left for the last heading.
    expect(sectionsOf(fieldsOf(schema, kind)).map((s) => s.title)).not.toContain('More')
  }
  const later = { oneOf: [{ properties: { kind: { const: 'http' }, colour: { type: 'string', description: 'New' } } }] }
  expect(sectionsOf(fieldsOf(later, 'http'))).toMatchObject([{ title: 'More', fields: [{ id: 'colour', hint: 'New' }] }])
})

test('what vendors sign is in the schema', () => {
  for (const vendor of vendors) for (const name of Object.keys(vendor.signature)) expect(field('webhook', `signature.${name}`)).toBeDefined()
})

test('what the form cannot show is left alone', () => {
  expect(fits(field('http', 'write_keys'), ['a', 'b'])).toBe(true)
  expect(fits(field('http', 'write_keys'), 'a')).toBe(false)
  expect(fits(field('http', 'write_keys'), [{ key: 'a' }])).toBe(false)
  expect(fits(field('http', 'types'), { 'a.b': 'text' })).toBe(true)
  expect(fits(field('http', 'types'), { a: { b: 'text' } })).toBe(false)
  expect(fits(field('http', 'limits'), null)).toBe(true)
  expect(fits(field('http', 'browser'), 'yes')).toBe(false)
})

test('names of new sources', () => {
  expect(nameProblem('', [])).toBeUndefined()
  expect(nameProblem('web', ['sources/web.yaml'])).toBe('There is a source web already')
  expect(nameProblem('2web', [])).toMatch(/beginning with a letter/)
  expect(nameProblem('../web', [])).toBeDefined()
  expect(nameProblem('ios', ['sources/web.yaml'])).toBeUndefined()
  expect(startOf('http', 'dev_x')).toContain('kind: http\nwrite_keys: [dev_x]\n')
})
