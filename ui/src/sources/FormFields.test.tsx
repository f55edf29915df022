import { readFileSync } from 'node:fs'
import { fireEvent, render, screen } from '@testing-library/react'
import { useState } from 'react'
import { expect, test } from 'vitest'
import type { FileProblem } from '@/api/schema'
import type { Values } from './edits'
import { fieldsOf } from './form'
import { FormFields, FormNotes } from './FormFields'

const schema: unknown = JSON.parse(readFileSync('../docs/reference/schema/sources.json', 'utf8'))
let now: Values = {}

function Form({ start, problems = [], shared = [] }: { start: Values; problems?: FileProblem[]; shared?: string[] }) {
  const [values, setValues] = useState(start)
  now = values
  return <FormFields fields={fieldsOf(schema, String(values['kind']))} name="shop" form={{ values, problems, shared: new Set(shared), onValues: setValues, columns: ['order.total'], secrets: ['${secret:github}', '${secret:shop}'], makeKey: () => 'made_key' }} />
}

const problem = (message: string) => ({ path: 'sources/shop.yaml', line: 2, column: 1, message })

test('fields change their values and no others', () => {
  render(<Form start={{ kind: 'http', write_keys: ['a_key'], strange: 1 }} />)
  fireEvent.change(screen.getByLabelText('Duplicates'), { target: { value: '7d' } })
  fireEvent.change(screen.getByLabelText('Events a second'), { target: { value: '1.' } })
  expect(screen.getByLabelText('Events a second')).toHaveValue('1.')
  fireEvent.change(screen.getByLabelText('Events a second'), { target: { value: '1.5' } })
  fireEvent.change(screen.getByLabelText('Comes from users’ devices'), { target: { value: 'true' } })
  fireEvent.click(screen.getByRole('button', { name: 'Add a key' }))
  expect(now).toEqual({ kind: 'http', write_keys: ['a_key', 'made_key'], strange: 1, dedup: '7d', limits: { rate: 1.5 }, browser: true })
  fireEvent.change(screen.getByLabelText('Events a second'), { target: { value: '' } })
  fireEvent.change(screen.getByLabelText('Comes from users’ devices'), { target: { value: '' } })
  fireEvent.change(screen.getByLabelText('Duplicates'), { target: { value: '' } })
  fireEvent.click(screen.getByRole('button', { name: 'Take a_key away' }))
  expect(now).toEqual({ kind: 'http', write_keys: ['made_key'], strange: 1 })
})

test('columns get a type', () => {
  render(<Form start={{ kind: 'http', types: { 'a.b': 'text' } }} />)
  fireEvent.change(screen.getByLabelText('Column'), { target: { value: 'order.total' } })
  fireEvent.change(screen.getByLabelText('Its type'), { target: { value: 'double' } })
  fireEvent.keyDown(screen.getByLabelText('Column'), { key: 'Enter' })
  fireEvent.change(screen.getByLabelText('Type of a.b'), { target: { value: 'json' } })
  expect(now['types']).toEqual({ 'a.b': 'json', 'order.total': 'double' })
  fireEvent.change(screen.getByLabelText('Column'), { target: { value: 'a.b' } })
  expect(screen.getByLabelText('Column')).toHaveAccessibleDescription('It is there already')
})

test('a webhook is proven by keys or by a signature', () => {
  render(<Form start={{ kind: 'webhook', write_keys: ['a_key'] }} />)
  fireEvent.change(screen.getByLabelText('A delivery is proven by'), { target: { value: 'signature' } })
  expect(now).toEqual({ kind: 'webhook', signature: { header: 'X-Signature', secret: '${secret:shop}' } })
  fireEvent.change(screen.getByLabelText('As signed by'), { target: { value: 'github' } })
  expect(now).toMatchObject({ signature: { header: 'X-Hub-Signature-256', prefix: 'sha256=', secret: '${secret:shop}' }, id: 'headers["x-github-delivery"]' })
  fireEvent.change(screen.getByLabelText('A delivery is proven by'), { target: { value: 'keys' } })
  expect(now).toMatchObject({ write_keys: ['made_key'] })
  expect(now).not.toHaveProperty('signature')
})

test('where a secret is wanted, those that are set are offered', () => {
  render(<Form start={{ kind: 'webhook', signature: { header: 'X-Signature', secret: '${secret:shop}' } }} />)
  const field = screen.getByLabelText('Secret (needed)')
  expect([...document.querySelectorAll(`datalist[id="${field.getAttribute('list')}"] option`)].map((o) => o.getAttribute('value'))).toEqual(['${secret:github}', '${secret:shop}'])
})

test('mistakes are told at their fields', () => {
  render(<Form start={{ kind: 'http', write_keys: ['a'], dedup: '1h' }} problems={[problem('dedup: 1h is too short'), problem('write_keys[0]: a write key has 4 to 128 letters')]} />)
  expect(screen.getByLabelText('Duplicates')).toHaveAccessibleDescription('1h is too short')
  expect(screen.getByLabelText('Write keys 1')).toBeInvalid()
})

test('what the form cannot change it leaves alone, and says so', () => {
  render(<Form start={{ kind: 'http', write_keys: 'a_key', dedup: '7d' }} shared={['dedup']} />)
  expect(screen.getByText(/It is written in a way that the form does not show/)).toBeInTheDocument()
  expect(screen.getByText(/written once and repeated elsewhere/)).toBeInTheDocument()
  expect(screen.queryByLabelText('Duplicates')).toBeNull()
  render(<FormNotes problems={[problem('later: unknown field'), { ...problem('write_keys: no'), path: 'sources/other.yaml' }]} path="sources/shop.yaml" fields={fieldsOf(schema, 'http')} values={{ kind: 'http', later: 1 }} text={'# ours\nlater: 1\n'} shared={new Set(['dedup'])} />)
  expect(screen.getByText(/The form does not touch/)).toHaveTextContent('its comments, what is written once and repeated, later')
  expect(screen.getAllByRole('listitem').map((li) => li.textContent)).toEqual(['2:1later: unknown field', 'sources/other.yaml:2:1write_keys: no'])
})
