import { fireEvent, render, screen } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { Dialog } from './Dialog'

test('Escape and the cross close it', () => {
  const close = vi.fn()
  render(<Dialog title="Really?" onClose={close}>text</Dialog>)
  const dialog = screen.getByRole('dialog', { name: 'Really?' })
  fireEvent(dialog, new Event('cancel', { cancelable: true }))
  fireEvent.click(screen.getByRole('button', { name: 'Close' }))
  expect(close).toHaveBeenCalledTimes(2)
})

test('what is asked for has the keyboard', () => {
  render(<Dialog title="Save" onClose={() => undefined}><input type="checkbox" aria-label="sure" /><input aria-label="Name" /></Dialog>)
  expect(screen.getByLabelText('Name')).toHaveFocus()
})
