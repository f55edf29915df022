import { fireEvent, render, screen } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { Checkbox } from './Checkbox'

test('a click on its word checks it', () => {
  const told = vi.fn()
  render(<Checkbox label="All" checked={false} onChecked={told} />)
  fireEvent.click(screen.getByText('All'))
  expect(told).toHaveBeenCalledWith(true)
})
