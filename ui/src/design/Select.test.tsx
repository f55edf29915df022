import { fireEvent, render, screen } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { Select } from './Select'

test('it tells the value that was chosen', () => {
  const chosen = vi.fn()
  render(<Select label="Source" options={[{ value: '', label: 'All' }, { value: 'web', label: 'web' }]} value="" onValue={chosen} />)
  fireEvent.change(screen.getByLabelText('Source'), { target: { value: 'web' } })
  expect(chosen).toHaveBeenCalledWith('web')
})
