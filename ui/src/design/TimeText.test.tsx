import { act, render } from '@testing-library/react'
import { expect, test } from 'vitest'
import { TimeText } from './TimeText'
import { zone } from './zone'

test('exact times are in the chosen zone, which is named', () => {
  zone.set('UTC')
  const { container } = render(<TimeText at="2026-01-31T10:15:01.21Z" full />)
  expect(container).toHaveTextContent('2026-01-31 10:15:01.210 UTC')
  act(() => { zone.set('Asia/Kolkata') })
  expect(container).toHaveTextContent('2026-01-31 15:45:01.210 GMT+5:30')
})
