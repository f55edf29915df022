import { fireEvent, render, screen } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { Button } from './Button'

test('a busy button shows its work and cannot be pressed twice', () => {
  const press = vi.fn()
  const { rerender } = render(<Button onClick={press}>Resend</Button>)
  fireEvent.click(screen.getByRole('button', { name: 'Resend' }))
  rerender(<Button onClick={press} busy>Resend</Button>)
  fireEvent.click(screen.getByRole('button', { name: 'Resend' }))
  expect(press).toHaveBeenCalledTimes(1)
  expect(screen.getByRole('button')).toHaveAttribute('aria-busy', 'true')
})

test('it submits no form unless told to', () => {
  render(<Button>Copy</Button>)
  expect(screen.getByRole('button')).toHaveAttribute('type', 'button')
})
