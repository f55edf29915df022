import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { Diff } from './Diff'

test('what was added and removed is said in words too', () => {
  render(<Diff before={'a\nb\n'} after={'a\nc\n'} />)
  expect(screen.getByText('1 added, 1 removed')).toBeInTheDocument()
  expect(screen.getByText('added')).toBeInTheDocument()
  expect(screen.getByText('removed')).toBeInTheDocument()
})
