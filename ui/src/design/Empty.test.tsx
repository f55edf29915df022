import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { Empty } from './Empty'

test('it has a title and the next step', () => {
  render(<Empty title="Nothing yet" action={<button>Send one</button>} />)
  expect(screen.getByRole('heading', { name: 'Nothing yet' })).toBeInTheDocument()
  expect(screen.getByRole('button', { name: 'Send one' })).toBeInTheDocument()
})
