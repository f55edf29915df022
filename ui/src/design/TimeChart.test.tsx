import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { TimeChart } from './TimeChart'

test('nothing is said to be nothing, and when there will be something', () => {
  const { rerender } = render(<TimeChart label="Lag" x={[]} lines={[]} empty="Nothing came" />)
  expect(screen.getByText(/Nothing is known of this time yet. Numbers are noted every 10 seconds/)).toBeInTheDocument()
  rerender(<TimeChart label="Lag" x={[1, 2]} lines={[]} empty="Nothing came" />)
  expect(screen.getByText('Nothing came')).toBeInTheDocument()
})

test('a chart of a small part of the range says so', () => {
  render(<TimeChart label="Lag" x={[3_590_000, 3_600_000]} lines={[{ name: 'a', values: [1, 2] }]} span={{ from: 0, until: 3_600_000 }} />)
  expect(screen.getByText(/^Known from .* on, not of the whole range$/)).toBeInTheDocument()
})
