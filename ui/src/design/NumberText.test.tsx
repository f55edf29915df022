import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { Bytes, NumberText } from './NumberText'

test('what is shortened has the whole on hover', () => {
  render(<><NumberText value={53628} short /><Bytes value={1843200} /></>)
  expect(screen.getByText('53.6k')).toHaveAttribute('title', '53,628')
  expect(screen.getByText('1.76 MiB')).toHaveAttribute('title', '1,843,200 bytes')
})
