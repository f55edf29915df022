import { createMemoryHistory, createRootRoute, createRoute, createRouter, Outlet, RouterProvider } from '@tanstack/react-router'
import { act, cleanup, render, screen } from '@testing-library/react'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { SqlTab } from './tabs'
import { useLink } from './useLink'

const tab: SqlTab = { id: '1', title: 'Query 1', sql: 'SELECT 1' }

function Sql() {
  useLink(tab, () => Promise.resolve(true))
  return <p>the editor</p>
}

/** room is the warehouse at an address, with a table whose code is not there yet. */
async function room() {
  let arrived: () => void = () => undefined
  const code = new Promise<void>((resolve) => { arrived = resolve })
  const root = createRootRoute({ component: Outlet })
  const warehouse = createRoute({ getParentRoute: () => root, path: '/warehouse', component: Outlet })
  const sql = createRoute({ getParentRoute: () => warehouse, path: '/', component: Sql })
  const table = createRoute({ getParentRoute: () => warehouse, path: '$schema/$table', loader: () => code, component: () => <p>the table</p> })
  const router = createRouter({ routeTree: root.addChildren([warehouse.addChildren([sql, table])]), history: createMemoryHistory({ initialEntries: ['/warehouse'] }), defaultPendingMs: 10_000 })
  await router.load()
  // A router of its own, not the page's.
  render(<RouterProvider router={router as never} />)
  await act(() => vi.advanceTimersByTimeAsync(100))
  expect(screen.getByText('the editor')).toBeDefined()
  return { router, arrived }
}

beforeEach(() => { vi.useFakeTimers() })
afterEach(() => { cleanup(); vi.useRealTimers() })

test('what is open gets into the address', async () => {
  const { router } = await room()
  await act(() => vi.advanceTimersByTimeAsync(1000))
  expect(router.state.location.href).toBe('/warehouse?sql=SELECT+1')
})

test('a click on a table is not undone by it', async () => {
  const { router, arrived } = await room()
  void act(() => { void router.navigate({ to: '/warehouse/$schema/$table', params: { schema: 'web', table: 'tracks' } }) })
  await act(() => vi.advanceTimersByTimeAsync(1000))
  expect(router.latestLocation.pathname).toBe('/warehouse/web/tracks')
  arrived()
  await act(() => vi.advanceTimersByTimeAsync(100))
  expect(screen.getByText('the table')).toBeDefined()
})
