import { render } from '@testing-library/react'
import { expect, test } from 'vitest'
import { Kbd } from './Kbd'

test('keys are written as the keyboard has them', () => {
  const { container } = render(<><Kbd keys="Mod+K" /><Kbd keys="g then l" /></>)
  expect([...container.querySelectorAll('kbd')].map((k) => k.textContent)).toEqual(['Ctrl', 'K', 'G', 'L'])
})
