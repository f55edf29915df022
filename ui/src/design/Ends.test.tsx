import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { Ends } from './Ends'

test('a long name is cut before its end, and read whole', () => {
  render(<ul><li><Ends text="orders" /></li><li><Ends text="a_source_with_a_rather_long_name_number_14" /></li></ul>)
  expect(screen.getByText('orders')).toBeInTheDocument()
  expect(screen.getByText('a_source_with_a_rather_long_name_number_14')).toHaveClass('sr-only')
  expect(screen.getByText('umber_14')).toHaveClass('shrink-0')
})
