import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { curl, operationsOf, typeText, type Document } from './openapi'

const document = JSON.parse(readFileSync('../docs/reference/openapi.json', 'utf8')) as Document

test('every operation of the real document is read', () => {
  const all = operationsOf(document)
  const status = all.find((o) => o.id === 'get-status')
  expect(status).toMatchObject({ method: 'GET', path: '/api/v1/status' })
  expect(typeText(status?.answers[0]?.schema, document, true)).toContain('readers: [{')
  for (const operation of all) {
    expect(operation.summary, operation.id).not.toBe('')
    expect(curl(operation, 'http://localhost:8080')).toMatch(/^curl /)
  }
})
