import { fireEvent, render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { rowsOf, Tree, type Json } from './Tree'

const event: Json = { event: 'Order', properties: { total: 42.5, url: 'https://example.com/a', bad: 'javascript:alert(1)' } }

test('rows are what is open', () => {
  expect(rowsOf(event, new Set(), 0).map((r) => r.key)).toEqual(['event', 'properties'])
  expect(rowsOf(event, new Set(['/properties']), 0).map((r) => r.path)).toEqual(['/event', '/properties', '/properties/total', '/properties/url', '/properties/bad'])
  expect(rowsOf(Array.from({ length: 500 }, (_, i) => i), new Set(), 1)).toHaveLength(500)
  expect(rowsOf({ long: Array.from({ length: 500 }, (_, i) => i) }, new Set(), 1)).toHaveLength(202)
})

test('only addresses of the web are links', () => {
  render(<Tree value={event} label="Event" />)
  expect(screen.getAllByRole('link').map((a) => a.getAttribute('href'))).toEqual(['https://example.com/a'])
  expect(screen.getByText('javascript:alert(1)')).toBeInTheDocument()
})

test('the keyboard opens and closes', () => {
  render(<Tree value={event} label="Event" />)
  const tree = screen.getByRole('tree')
  fireEvent.keyDown(tree, { key: 'ArrowDown' })
  fireEvent.keyDown(tree, { key: 'ArrowLeft' })
  expect(screen.queryByText('total:')).toBeNull()
  fireEvent.keyDown(tree, { key: 'ArrowRight' })
  expect(screen.getByText('total:')).toBeInTheDocument()
})
