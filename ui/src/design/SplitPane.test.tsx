import { fireEvent, render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { SplitPane } from './SplitPane'

test('arrow keys move the line, and it is remembered', () => {
  render(<SplitPane name="test" label="Divide" first="a" second="b" start={0.5} />)
  const line = screen.getByRole('separator', { name: 'Divide' })
  fireEvent.keyDown(line, { key: 'ArrowRight' })
  expect(line).toHaveAttribute('aria-valuenow', '54')
  expect(localStorage.getItem('millrace.split.test')).toBe('0.540')
})
