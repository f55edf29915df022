import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { ErrorBox } from './ErrorBox'

test('it tells what, why, and the request', () => {
  render(<ErrorBox problem={{ title: 'Invalid', detail: 'the SQL is empty: write a SELECT', request_id: 'R1' }} />)
  expect(screen.getByRole('alert')).toHaveTextContent('the SQL is empty: write a SELECT')
  expect(screen.getByRole('button', { name: 'Copy request id' })).toBeInTheDocument()
})
