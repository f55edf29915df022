import { fireEvent, render } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { bareKeys, listenForKeys, useKeys } from './keys'

function Room({ go, filter }: { go: () => void; filter: () => void }) {
  useKeys([{ keys: 'g then l', label: 'Live', group: 'Go', run: go }, { keys: '/', label: 'Filter', group: 'Here', run: filter }])
  return <input aria-label="text" />
}

test('keys in a row, and none while one types', () => {
  const go = vi.fn()
  const filter = vi.fn()
  const stop = listenForKeys()
  const { container, unmount } = render(<Room go={go} filter={filter} />)
  fireEvent.keyDown(document.body, { key: 'g' })
  fireEvent.keyDown(document.body, { key: 'l' })
  expect(go).toHaveBeenCalledTimes(1)
  fireEvent.keyDown(container.querySelector('input') as HTMLElement, { key: '/' })
  expect(filter).not.toHaveBeenCalled()
  fireEvent.keyDown(document.body, { key: '/' })
  expect(filter).toHaveBeenCalledTimes(1)
  bareKeys.set(false)
  fireEvent.keyDown(document.body, { key: '/' })
  expect(filter).toHaveBeenCalledTimes(1)
  bareKeys.set(true)
  unmount()
  fireEvent.keyDown(document.body, { key: '/' })
  expect(filter).toHaveBeenCalledTimes(1)
  stop()
})
