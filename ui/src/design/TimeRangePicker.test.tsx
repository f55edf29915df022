import { fireEvent, render, screen } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { TimeRangePicker } from './TimeRangePicker'

test('what is typed is checked', () => {
  const told = vi.fn()
  render(<TimeRangePicker value="last 3h" onValue={told} />)
  fireEvent(document.querySelector('[popover][role=dialog]') as HTMLElement, Object.assign(new Event('toggle'), { newState: 'open' }))
  const input = screen.getByLabelText('Range')
  fireEvent.change(input, { target: { value: 'soon' } })
  fireEvent.submit(input)
  expect(input).toBeInvalid()
  fireEvent.change(input, { target: { value: 'yesterday' } })
  fireEvent.submit(input)
  expect(told).toHaveBeenCalledWith('yesterday')
})
