import { fireEvent, render, screen, within } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { Table, type Column } from './Table'

const columns: Column<{ n: number }>[] = [
  { id: 'n', title: 'Number', width: 100, cell: (r) => `row ${r.n}`, text: (r) => String(r.n), sortable: true },
  { id: 'twice', title: 'Twice', cell: (r) => r.n * 2, text: (r) => String(r.n * 2) },
]

test('few of a million rows are drawn, and the cursor opens one', () => {
  const open = vi.fn()
  render(<Table name="test" label="Rows" columns={columns} count={1_000_000} rowAt={(n) => ({ n })} onOpen={open} />)
  const grid = screen.getByRole('grid', { name: 'Rows' })
  expect(grid).toHaveAttribute('aria-rowcount', '1000001')
  expect(within(grid).getAllByRole('row').length).toBeLessThan(60)
  fireEvent.keyDown(grid, { key: 'ArrowDown' })
  fireEvent.keyDown(grid, { key: 'ArrowRight' })
  fireEvent.keyDown(grid, { key: 'Enter' })
  expect(open).toHaveBeenCalledWith(1)
  expect(document.getElementById(grid.getAttribute('aria-activedescendant') ?? '')).toHaveTextContent('2')
})

test('keys of the page are left to it', () => {
  render(<Table name="test" label="Rows" columns={columns} count={3} rowAt={(n) => ({ n })} />)
  expect(fireEvent.keyDown(screen.getByRole('grid'), { key: 'k', ctrlKey: true })).toBe(true)
})

test('sorting goes up, down, off', () => {
  const sort = vi.fn()
  const { rerender } = render(<Table name="test" label="Rows" columns={columns} count={0} rowAt={() => undefined} onSort={sort} />)
  fireEvent.click(screen.getByRole('button', { name: 'Number' }))
  expect(sort).toHaveBeenLastCalledWith({ column: 'n', down: false })
  rerender(<Table name="test" label="Rows" columns={columns} count={0} rowAt={() => undefined} onSort={sort} sort={{ column: 'n', down: true }} />)
  fireEvent.click(screen.getByRole('button', { name: 'Number' }))
  expect(sort).toHaveBeenLastCalledWith(undefined)
})
