import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { Chart } from './Chart'
import { hueOf, huesOf } from './hues'

test('a chart says what it shows', () => {
  render(<Chart label="Events" kind="line" x={[1, 2, 3]} series={[{ name: 'web', values: [3, null, 7] }]} />)
  expect(screen.getByRole('img')).toHaveAccessibleName('Events. web: last 7, least 3, most 7')
})

test('a name keeps its hue, and no two of a chart share one', () => {
  expect(hueOf('web')).toBe(hueOf('web'))
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  expect(new Set(huesOf(names).values()).size).toBe(8)
})
