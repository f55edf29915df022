import { fireEvent, render, screen } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { Menu } from './Menu'

test('arrows move over what can be chosen', () => {
  const did = vi.fn()
  render(<Menu label="More" button={<button>Open</button>} items={[{ label: 'One', onChoose: did }, { kind: 'line' }, { label: 'Off', disabled: true, onChoose: did }, { label: 'Two', onChoose: did }]} />)
  const box = document.querySelector('[popover]') as HTMLElement
  fireEvent(box, Object.assign(new Event('toggle'), { newState: 'open' }))
  const one = screen.getByText('One').closest('button') as HTMLElement
  one.focus()
  fireEvent.keyDown(one, { key: 'ArrowDown' })
  expect(document.activeElement).toHaveTextContent('Two')
  fireEvent.click(document.activeElement as HTMLElement)
  expect(did).toHaveBeenCalledTimes(1)
})
