// Lists that the server gives page by page.
import { useEffect } from 'react'

interface Paged { data?: { pages: unknown[] }; hasNextPage: boolean; isFetchingNextPage: boolean; isFetchNextPageError: boolean; fetchNextPage: () => Promise<unknown> }

/** useRest reads the pages that are missing while all of a list is wanted, such as to find something in it, and says whether some are on their way. */
export function useRest({ data, hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage }: Paged, wanted: boolean): boolean {
  const reading = wanted && hasNextPage && !isFetchNextPageError
  const pages = data?.pages.length ?? 0
  useEffect(() => { if (reading && !isFetchingNextPage) void fetchNextPage() }, [reading, isFetchingNextPage, pages, fetchNextPage])
  return reading
}
