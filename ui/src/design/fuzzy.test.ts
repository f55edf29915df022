import { expect, test } from 'vitest'
import { score } from './fuzzy'

const best = (typed: string, texts: string[]) => texts.map((t) => [score(typed, t), t] as const).filter(([s]) => s !== undefined).sort((a, b) => (b[0] ?? 0) - (a[0] ?? 0)).map(([, t]) => t)

test('what one means comes first', () => {
  expect(best('live', ['Delivered olives', 'Live'])[0]).toBe('Live')
  expect(best('oc', ['web.tracks', 'web.order_completed', 'stock'])[0]).toBe('web.order_completed')
  expect(best('xyz', ['web'])).toEqual([])
})
