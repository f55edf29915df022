import { useCallback, useEffect, useRef, useState } from 'react'
import type { TailLine } from '@/api/schema'
import { here } from '@/api/space'
import type { Filter, News, Order, Told } from './messages'
import type { Summary } from './summary'

const start: Told = { first: 1, last: 0, rate: 0, dropped: 0, connection: 'connecting' }

/** useLive follows the records of a filter in a worker. Rows are numbered as they came. */
export function useLive(filter: Filter) {
  const worker = useRef<Worker>(undefined)
  const [told, setTold] = useState(start)
  const [rows, setRows] = useState<ReadonlyMap<number, Summary>>(new Map())
  const [record, setRecord] = useState<{ number: number; line: TailLine | undefined }>()
  const order = useCallback((o: Order) => { worker.current?.postMessage(o) }, [])
  const key = JSON.stringify(filter)

  useEffect(() => {
    const made = new Worker(new URL('./tail.worker.ts', import.meta.url), { type: 'module' })
    worker.current = made
    made.onmessage = ({ data }: MessageEvent<News>) => {
      if (data.kind === 'record') {
        setRecord({ number: data.number, line: data.line })
        return
      }
      setTold(data.told)
      setRows(new Map(data.rows.map((row) => [row.number, row])))
    }
    made.postMessage({ kind: 'open', filter: JSON.parse(key) as Filter, space: here() } satisfies Order)
    return () => {
      made.terminate()
      worker.current = undefined
      setTold(start)
      setRows(new Map())
      setRecord(undefined)
    }
  }, [key])

  return { told, rows, record, order }
}
