import { fireEvent, render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { PasswordInput } from './PasswordInput'

test('a password is hidden until one looks', () => {
  render(<PasswordInput label="Password" />)
  const field = screen.getByLabelText('Password')
  expect(field).toHaveAttribute('type', 'password')
  fireEvent.click(screen.getByRole('button', { name: 'Show it' }))
  expect(field).toHaveAttribute('type', 'text')
})
