import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { Input } from './Input'

test('a problem is told where it is', () => {
  render(<Input label="Range" defaultValue="x" problem="This is no range" />)
  const input = screen.getByLabelText('Range')
  expect(input).toBeInvalid()
  expect(input).toHaveAccessibleDescription('This is no range')
})
