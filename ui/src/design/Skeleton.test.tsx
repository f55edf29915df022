import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { SkeletonRows } from './Skeleton'

test('it says that something loads', () => {
  render(<SkeletonRows />)
  expect(screen.getByRole('status', { name: 'Loading' })).toBeInTheDocument()
})
