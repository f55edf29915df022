import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { ErrorBox } from './ErrorBox'

test('it tells what, why, and the request', () => {
  render(<ErrorBox problem={{ title: 'Invalid', detail: 'the SQL is empty: write a SELECT', request_id: 'R1' }} />)
  expect(screen.getByRole('alert')).toHaveTextContent('The SQL is empty: write a SELECT')
  expect(screen.getByRole('button', { name: 'Copy request id' })).toBeInTheDocument()
})

test('what is for others is no fault, and not asked for again', () => {
  render(<ErrorBox problem={{ title: 'You may not do this', detail: 'this needs the permission key:read, and your role does not have it: these do: owner, admin', request_id: 'R1' }} onRetry={() => {}} />)
  expect(screen.getByRole('alert')).toHaveTextContent('Your role does not allow thisThis needs the permission key:read, and your role does not have it: these do: owner, admin.')
  expect(screen.queryByRole('button')).toBeNull()
})
