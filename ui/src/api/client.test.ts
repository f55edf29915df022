import { expect, test, vi } from 'vitest'
import { call, curlOf, onSignedOut, ProblemError, shell, urlOf } from './client'

const answer = (status: number, body: unknown) => new Response(JSON.stringify(body), { status })

test('parameters go into path and query', () => {
  expect(urlOf('get-source', { source: 'a/b' })).toBe('/api/v1/sources/a%2Fb')
  expect(urlOf('list-rejected', { source: 'web', limit: 10, cursor: '' })).toBe('/api/v1/rejected?source=web&limit=10')
})

test('what the API tells is thrown, and a login is asked for', async () => {
  const out = vi.fn()
  const stop = onSignedOut(out)
  vi.stubGlobal('fetch', vi.fn(() => Promise.resolve(answer(401, { title: 'Unauthorized', status: 401, kind: 'unauthorized', detail: 'send the token', request_id: 'R1' }))))
  const thrown = await call('get-status', {}).catch((e: unknown) => e)
  expect(thrown).toBeInstanceOf(ProblemError)
  expect(thrown).toMatchObject({ kind: 'unauthorized', detail: 'send the token', request_id: 'R1' })
  expect(out).toHaveBeenCalledTimes(1)
  stop()
})

test('a proxy in between is no riddle', async () => {
  vi.stubGlobal('fetch', vi.fn(() => Promise.resolve(new Response('<html>', { status: 502, statusText: 'Bad Gateway' }))))
  await expect(call('get-status', {})).rejects.toMatchObject({ kind: 'unavailable', title: 'The answer was 502 Bad Gateway' })
  vi.stubGlobal('fetch', vi.fn(() => Promise.reject(new TypeError('failed'))))
  await expect(call('get-status', {})).rejects.toMatchObject({ kind: 'unreachable' })
})

test('curl lines survive a shell', () => {
  expect(shell(`it's`)).toBe(`'it'\\''s'`)
  expect(curlOf('query', { body: { sql: `SELECT 'a'` } }, 'http://localhost:8080')).toBe(`curl -X POST http://localhost:8080/api/v1/query -H 'Content-Type: application/json' -d '{"sql":"SELECT '\\''a'\\''"}'`)
})
