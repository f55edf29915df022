import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { act, renderHook, waitFor } from '@testing-library/react'
import type { ReactNode } from 'react'
import { expect, test, vi } from 'vitest'
import type { FileChange } from '@/api/schema'
import { at, put, type Path, type Values } from './edits'
import { useFileForm } from './useFileForm'

// A server whose files are JSON: what is changed in them can be seen.
function serve() {
  vi.stubGlobal('fetch', vi.fn((url: string, init: { body: string }) => {
    const body = JSON.parse(init.body) as { text: string; changes: FileChange[] }
    let values: Values
    try { values = JSON.parse(body.text) as Values } catch { return Promise.resolve(Response.json(url.endsWith('/values') ? { values: {}, places: [], problems: [{ path: '', line: 1, column: 1, message: 'is not YAML' }] } : { path: '', etag: '', text: body.text, problems: [] })) }
    if (url.endsWith('/values')) return Promise.resolve(Response.json({ values, places: [{ path: ['tied'], line: 1, column: 1, shared: true }], problems: [] }))
    for (const c of body.changes) values = put(values, c.path as string[], c.op === 'remove' ? undefined : c.value as Values)
    const problems = at(values, ['dedup'] as Path) === '1h' ? [{ path: 'sources/web.yaml', line: 1, column: 1, message: 'dedup: 1h is too short' }] : []
    return Promise.resolve(Response.json({ path: 'sources/web.yaml', etag: '', text: JSON.stringify(values), problems }))
  }))
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } })
  return ({ children }: { children: ReactNode }) => <QueryClientProvider client={client}>{children}</QueryClientProvider>
}

const start = { text: '{"kind":"http"}', etag: 'e1' }

test('a value changes the text, a text the values', async () => {
  const { result } = renderHook(() => useFileForm('sources/web.yaml', start), { wrapper: serve() })
  await waitFor(() => { expect(result.current.values).toEqual({ kind: 'http' }) })
  expect(result.current.changed).toBe(false)
  expect(result.current.shared.has('tied')).toBe(true)
  act(() => { result.current.want({ kind: 'http', dedup: '1h' }) })
  expect(result.current.values).toEqual({ kind: 'http', dedup: '1h' })
  await waitFor(() => { expect(result.current.text).toBe('{"kind":"http","dedup":"1h"}') })
  expect(result.current.problems).toHaveLength(1)
  expect(result.current.changed).toBe(true)
  act(() => { result.current.type('{"kind":"http","dedup":"7d"}') })
  await waitFor(() => { expect(result.current.values).toEqual({ kind: 'http', dedup: '7d' }) })
  await waitFor(() => { expect(result.current.problems).toHaveLength(0) })
  act(() => { result.current.type('{"kind"') })
  await waitFor(() => { expect(result.current.unreadable).toHaveLength(1) })
  expect(result.current.values).toBeUndefined()
  act(() => { result.current.undo() })
  await waitFor(() => { expect(result.current.values).toEqual({ kind: 'http' }) })
  expect(result.current.text).toBe(start.text)
})

test('it goes on with the version of another', async () => {
  const { result } = renderHook(() => useFileForm('sources/web.yaml', start), { wrapper: serve() })
  await waitFor(() => { expect(result.current.values).toBeDefined() })
  act(() => { result.current.want({ kind: 'http', dedup: '7d' }) })
  await waitFor(() => { expect(result.current.text).toContain('7d') })
  act(() => { result.current.rebase({ text: '{"kind":"http","browser":true}', etag: 'e2' }, { values: { kind: 'http', browser: true, dedup: '7d' } }) })
  await waitFor(() => { expect(result.current.text).toBe('{"kind":"http","browser":true,"dedup":"7d"}') })
  expect(result.current.saved.etag).toBe('e2')
  act(() => { result.current.rebase({ text: '{}', etag: 'e3' }, 'text') })
  await waitFor(() => { expect(result.current.text).toBe('{"kind":"http","browser":true,"dedup":"7d"}') })
  expect(result.current.saved).toEqual({ text: '{}', etag: 'e3' })
})

test('ends of lines stay as they are', async () => {
  const { result } = renderHook(() => useFileForm('sources/web.yaml', { text: '{\r\n}', etag: 'e1' }), { wrapper: serve() })
  act(() => { result.current.type('{\n"a":1}') })
  await waitFor(() => { expect(result.current.text).toBe('{\r\n"a":1}') })
})
