import { fireEvent, render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { roving } from './roving'

test('arrows go from entry to entry, from the one that is open', () => {
  // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex, jsx-a11y/no-noninteractive-element-interactions
  render(<div tabIndex={0} role="region" aria-label="Tables" onKeyDown={roving}>{['a', 'b', 'c'].map((n) => <a key={n} href={`/${n}`} tabIndex={-1} aria-current={n === 'b' ? 'page' : undefined}>{n}</a>)}<button disabled>d</button></div>)
  const region = screen.getByRole('region')
  const press = (key: string) => { fireEvent.keyDown(document.activeElement ?? region, { key }) }
  region.focus()
  press('ArrowDown')
  expect(screen.getByText('b')).toHaveFocus()
  press('ArrowDown')
  press('ArrowDown')
  expect(screen.getByText('c')).toHaveFocus()
  press('Home')
  expect(screen.getByText('a')).toHaveFocus()
  press('x')
  expect(screen.getByText('a')).toHaveFocus()
})
