import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { IconButton } from './IconButton'

test('an icon alone has a name', () => {
  render(<IconButton icon="pause" label="Pause" pressed />)
  expect(screen.getByRole('button', { name: 'Pause', pressed: true })).toBeInTheDocument()
})
