import { fireEvent, render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { Popover } from './Popover'

test('its button says whether it is open', () => {
  render(<Popover label="About" button={<button>Open</button>}>{() => <p>inside</p>}</Popover>)
  expect(screen.getByRole('button', { name: 'Open' })).toHaveAttribute('aria-expanded', 'false')
  const box = document.querySelector('[popover]') as HTMLElement
  fireEvent(box, Object.assign(new Event('toggle'), { newState: 'open' }))
  expect(screen.getByText('inside')).toBeInTheDocument()
  expect(screen.getByRole('button', { name: 'Open' })).toHaveAttribute('aria-expanded', 'true')
})

test('drawn anew while it is open, it leaves the focus where it is', () => {
  const popover = () => <Popover label="About" button={<button>Open</button>}>{() => <><input aria-label="first" /><input aria-label="second" /></>}</Popover>
  const { rerender } = render(popover())
  fireEvent(document.querySelector('[popover]') as HTMLElement, Object.assign(new Event('toggle'), { newState: 'open' }))
  expect(screen.getByLabelText('first')).toHaveFocus()
  screen.getByLabelText('second').focus()
  rerender(popover())
  expect(screen.getByLabelText('second')).toHaveFocus()
})
