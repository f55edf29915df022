import { describe, expect, it } from 'vitest'
import { decided, hasMarks, partsOf } from './merge'

const marked = `kind: http
<<<<<<< yours
dedup: 7d
||||||| before
dedup: 24h
=======
dedup: forever
>>>>>>> theirs
browser: true
<<<<<<< yours
||||||| before
a: 1
=======
a: 2
>>>>>>> theirs
`

describe('a marked text', () => {
  it('is taken apart', () => {
    expect(partsOf(marked)).toEqual(['kind: http\n', { mine: 'dedup: 7d\n', before: 'dedup: 24h\n', theirs: 'dedup: forever\n' }, 'browser: true\n', { mine: '', before: 'a: 1\n', theirs: 'a: 2\n' }])
    expect(partsOf('none\n')).toEqual(['none\n'])
    expect(partsOf('')).toEqual([])
  })
  it('is put together as was decided', () => {
    const parts = partsOf(marked)
    expect(decided(parts, ['mine'])).toBeUndefined()
    expect(decided(parts, ['mine', 'theirs'])).toBe('kind: http\ndedup: 7d\nbrowser: true\na: 2\n')
    expect(decided(parts, ['both', 'mine'])).toBe('kind: http\ndedup: 7d\ndedup: forever\nbrowser: true\n')
  })
  it('is known by its marks', () => {
    expect(hasMarks(marked)).toBe(true)
    expect(hasMarks('Title\n=======\n')).toBe(false)
  })
})
