import { QueryClient, QueryClientProvider, useInfiniteQuery } from '@tanstack/react-query'
import { renderHook, waitFor } from '@testing-library/react'
import type { ReactNode } from 'react'
import { expect, test } from 'vitest'
import { useRest } from './pages'

/** paged is a list of so many pages, of which one may fail. */
function paged(pages: number, fails?: number) {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } })
  const asked: number[] = []
  const { result, rerender } = renderHook(({ wanted }: { wanted: boolean }) => {
    const list = useInfiniteQuery({
      queryKey: ['list'],
      queryFn: ({ pageParam }) => { asked.push(pageParam); return pageParam === fails ? Promise.reject(new Error('no')) : Promise.resolve(pageParam) },
      initialPageParam: 1, getNextPageParam: (last: number) => last < pages ? last + 1 : undefined,
    })
    return { pages: list.data?.pages, reading: useRest(list, wanted) }
  }, { initialProps: { wanted: false }, wrapper: ({ children }: { children: ReactNode }) => <QueryClientProvider client={client}>{children}</QueryClientProvider> })
  return { result, rerender, asked }
}

test('all pages are read when all are wanted, and not before', async () => {
  const { result, rerender, asked } = paged(4)
  await waitFor(() => { expect(result.current.pages).toEqual([1]) })
  expect(result.current.reading).toBe(false)
  rerender({ wanted: true })
  expect(result.current.reading).toBe(true)
  await waitFor(() => { expect(result.current.pages).toEqual([1, 2, 3, 4]) })
  expect(result.current.reading).toBe(false)
  expect(asked).toEqual([1, 2, 3, 4])
})

test('a page that fails is not asked for again and again', async () => {
  const { result, rerender, asked } = paged(4, 3)
  await waitFor(() => { expect(result.current.pages).toEqual([1]) })
  rerender({ wanted: true })
  await waitFor(() => { expect(asked).toEqual([1, 2, 3]) })
  await waitFor(() => { expect(result.current.reading).toBe(false) })
  expect(asked).toEqual([1, 2, 3])
})
