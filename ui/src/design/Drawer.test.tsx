import { fireEvent, render, screen } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { Drawer } from './Drawer'

test('arrows go to the neighbours unless one types', () => {
  const next = vi.fn()
  const close = vi.fn()
  render(<Drawer title="Event" onClose={close} onNext={next}><input aria-label="type" /></Drawer>)
  fireEvent.keyDown(screen.getByRole('region'), { key: 'ArrowDown' })
  fireEvent.keyDown(screen.getByLabelText('type'), { key: 'ArrowDown' })
  expect(next).toHaveBeenCalledTimes(1)
  fireEvent.keyDown(screen.getByRole('region'), { key: 'Escape' })
  expect(close).toHaveBeenCalledTimes(1)
})
