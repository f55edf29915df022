import { act, fireEvent, render, screen } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { Tooltip } from './Tooltip'

test('it shows on hover after a moment and goes with Escape', () => {
  vi.useFakeTimers()
  const shown = vi.spyOn(HTMLElement.prototype, 'showPopover').mockImplementation(() => {})
  const hidden = vi.spyOn(HTMLElement.prototype, 'hidePopover').mockImplementation(() => {})
  vi.spyOn(Element.prototype, 'getBoundingClientRect').mockReturnValue(new DOMRect(0, 0, 10, 10))
  render(<Tooltip text="more" describes><button>less</button></Tooltip>)
  const button = screen.getByRole('button')
  expect(button).toHaveAccessibleDescription('more')
  fireEvent.pointerEnter(button.parentElement as HTMLElement, { pointerType: 'mouse' })
  act(() => { vi.advanceTimersByTime(400) })
  fireEvent.keyDown(button, { key: 'Escape' })
  expect(hidden).toHaveBeenCalled()
  void shown
  vi.useRealTimers()
})
