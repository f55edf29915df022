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

test('a burst is cut, said to be, and shown whole when one wants it', () => {
  const x = Array.from({ length: 12 }, (_, i) => i * 10_000)
  const lines = [{ name: 'shop', values: x.map((_, i) => i === 3 ? 34_000 : 0) }, { name: 'web', values: x.map(() => 40) }]
  const asked: string[] = []
  const { rerender } = render(<TimeChart label="Events" stacked x={x} lines={lines} onPeaks={(p) => { asked.push(p) }} />)
  expect(screen.getByText(/^Cut at 50/)).toBeInTheDocument()
  screen.getByRole('button', { name: 'Show the peaks whole' }).click()
  rerender(<TimeChart label="Events" stacked x={x} lines={lines} peaks="whole" onPeaks={(p) => { asked.push(p) }} />)
  screen.getByRole('button', { name: 'Cut the peaks' }).click()
  expect(asked).toEqual(['whole', 'cut'])
  rerender(<TimeChart label="Events" stacked x={x} lines={lines.slice(1)} onPeaks={(p) => { asked.push(p) }} />)
  expect(screen.queryByRole('button')).toBeNull()
})
