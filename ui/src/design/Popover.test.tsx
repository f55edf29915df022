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
