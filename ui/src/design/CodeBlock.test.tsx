import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { CodeBlock } from './CodeBlock'

test('code is text, whatever it holds', () => {
  render(<CodeBlock code="<img src=x onerror=alert(1)>" label="curl" />)
  expect(screen.getByRole('region', { name: 'curl' })).toHaveTextContent('<img src=x onerror=alert(1)>')
  expect(document.querySelector('img')).toBeNull()
})
