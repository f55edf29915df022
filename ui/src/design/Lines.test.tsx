import { fireEvent, render, screen } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { Lines } from './Lines'

test('lines are typed, and what is wrong is told', () => {
  const typed = vi.fn()
  render(<Lines label="Hosts" value="" onValue={typed} problem="This is no host" />)
  const field = screen.getByLabelText('Hosts')
  expect(field).toHaveAccessibleDescription('This is no host')
  fireEvent.change(field, { target: { value: 'a\nb' } })
  expect(typed).toHaveBeenCalledWith('a\nb')
})
