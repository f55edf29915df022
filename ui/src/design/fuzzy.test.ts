import { expect, test } from 'vitest'
import { score, scoreOfNamed } from './fuzzy'

const best = (typed: string, texts: string[]) => texts.map((t) => [score(typed, t), t] as const).filter(([s]) => s !== undefined).sort((a, b) => (b[0] ?? 0) - (a[0] ?? 0)).map(([, t]) => t)

test('what one means comes first', () => {
  expect(best('live', ['Delivered olives', 'Live'])[0]).toBe('Live')
  expect(best('oc', ['web.tracks', 'web.order_completed', 'stock'])[0]).toBe('web.order_completed')
  expect(best('xyz', ['web'])).toEqual([])
})

test('a name that is typed in full comes first, whatever else is said about it', () => {
  const commands: [string, string][] = [['Filter API keys', 'API keys'], ['New API key', 'API keys'], ['API keys', 'Settings: what programs ask with'], ['Home', 'Room']]
  const found = commands.map(([name, about]) => ({ name, score: scoreOfNamed('api keys', name, about) })).filter((f) => f.score !== undefined).sort((a, b) => (b.score ?? 0) - (a.score ?? 0))
  expect(found.map((f) => f.name)).toEqual(['API keys', 'Filter API keys', 'New API key'])
  expect(scoreOfNamed('settings', 'API keys', 'Settings: what programs ask with')).toBeGreaterThan(900)
})
