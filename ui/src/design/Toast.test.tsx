import { act, fireEvent, render, screen } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { Toasts, toast } from './Toast'

test('it is told, undone and gone', () => {
  const undo = vi.fn()
  render(<Toasts />)
  act(() => { toast('Paused', { action: { label: 'Undo', run: undo } }) })
  expect(screen.getByRole('status')).toHaveTextContent('Paused')
  fireEvent.click(screen.getByRole('button', { name: 'Undo' }))
  expect(undo).toHaveBeenCalled()
  expect(screen.getByRole('status')).not.toHaveTextContent('Paused')
})
