import { render } from '@testing-library/react'
import { expect, test } from 'vitest'
import { Spark } from './Spark'

const drawn = (values: (number | null)[]) => [...render(<Spark values={values} width={100} height={24} />).container.querySelectorAll('path')].at(-1)?.getAttribute('d')

test('a line from the lowest to the highest, and a burst does not flatten it', () => {
  expect(drawn([0, 5, 10])).toBe('M0.0 23.0 L50.0 12.5 L100.0 2.0')
  expect(drawn([8, 8, 8, 8, 8, 900])).toContain('M0.0 6.2')
  expect(drawn([0, null])).toBeUndefined()
  expect(drawn([])).toBeUndefined()
})
