import { fireEvent, render, screen } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { Switch } from './Switch'

test('it tells what it becomes', () => {
  const told = vi.fn()
  render(<Switch label="Follow" on onSwitch={told} />)
  fireEvent.click(screen.getByRole('switch', { name: 'Follow', checked: true }))
  expect(told).toHaveBeenCalledWith(false)
})
