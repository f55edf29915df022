import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { StateDot } from './Badge'

test('a state has a word beside its colour', () => {
  render(<StateDot meaning="bad">Failing</StateDot>)
  expect(screen.getByText('Failing')).toBeVisible()
})
