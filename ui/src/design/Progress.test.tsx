import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { Progress } from './Progress'

test('it says how much', () => {
  render(<><Progress label="Rebuild" share={0.4} /><Progress label="Log" share={undefined} /></>)
  expect(screen.getByRole('progressbar', { name: 'Rebuild' })).toHaveAttribute('aria-valuenow', '40')
  expect(screen.getByRole('progressbar', { name: 'Log' })).not.toHaveAttribute('aria-valuenow')
})
