import { fireEvent, render, screen } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { Tabs } from './Tabs'

test('arrows go round', () => {
  const chosen = vi.fn()
  render(<Tabs label="Parts" tabs={[{ id: 'a', label: 'A' }, { id: 'b', label: 'B' }]} chosen="b" onChoose={chosen}>b</Tabs>)
  fireEvent.keyDown(screen.getByRole('tablist'), { key: 'ArrowRight' })
  expect(chosen).toHaveBeenCalledWith('a')
  expect(screen.getByRole('tabpanel', { name: 'B' })).toHaveTextContent('b')
})
