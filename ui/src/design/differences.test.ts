import { expect, test } from 'vitest'
import { diff, near } from './differences'

const show = (a: string, b: string) => diff(a, b).map((l) => `${{ same: ' ', added: '+', removed: '-' }[l.kind]}${l.text}`)

test('lines that were taken and put', () => {
  expect(show('a\nb\nc', 'a\nx\nc')).toEqual([' a', '-b', '+x', ' c'])
  expect(show('a\nb', 'a\nb')).toEqual([' a', ' b'])
  expect(show('', 'a')).toEqual(['-', '+a'])
  expect(show('k: 1\nl: 2\nm: 3', 'l: 2\nm: 3\nn: 4')).toEqual(['-k: 1', ' l: 2', ' m: 3', '+n: 4'])
})

test('numbers of lines, and only what is near', () => {
  const text = Array.from({ length: 20 }, (_, i) => `line ${i}`)
  const changed = [...text.slice(0, 10), 'other', ...text.slice(11)]
  const lines = near(diff(text.join('\n'), changed.join('\n')), 1)
  expect(lines.map((l) => l && [l.kind, l.before, l.after])).toEqual([undefined, ['same', 10, 10], ['removed', 11, undefined], ['added', undefined, 11], ['same', 12, 12], undefined])
})
