import { useMutation, useQueryClient } from '@tanstack/react-query'
import { call, problemOf } from '@/api/client'
import { toast } from '@/design/Toast'

export type Start = 'start-log-verification' | 'start-archive-verification' | 'start-rebuild'

/** useStart begins long work; the tray shows how it goes on. */
export function useStart() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (what: Start) => what === 'start-rebuild' ? call(what, { body: {} }) : call(what, {}),
    onSuccess: () => { toast('It runs: the tray shows how far it is', { meaning: 'good' }) },
    onError: (thrown) => { toast(problemOf(thrown).detail, { meaning: 'bad' }) },
    onSettled: () => client.invalidateQueries({ queryKey: ['jobs'] }),
  })
}
