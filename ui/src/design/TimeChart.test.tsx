import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { TimeChart } from './TimeChart'

test('nothing is said to be nothing', () => {
  render(<TimeChart label="Lag" x={[]} lines={[]} />)
  expect(screen.getByText('Nothing is known of this time yet.')).toBeInTheDocument()
})
