import '@testing-library/jest-dom/vitest'
import { cleanup } from '@testing-library/react'
import { afterEach } from 'vitest'

afterEach(cleanup)

// jsdom lacks what the page uses of the browser.
for (const place of [window, globalThis]) {
  if ('matchMedia' in place) continue
  Object.defineProperty(place, 'matchMedia', {
    value: (query: string) => ({ matches: false, media: query, addEventListener() {}, removeEventListener() {} }),
  })
}
globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
}
HTMLDialogElement.prototype.showModal ??= function (this: HTMLDialogElement) { this.open = true }
HTMLDialogElement.prototype.show ??= function (this: HTMLDialogElement) { this.open = true }
HTMLDialogElement.prototype.close ??= function (this: HTMLDialogElement) {
  this.open = false
  this.dispatchEvent(new Event('close'))
}
HTMLElement.prototype.showPopover ??= function (this: HTMLElement) { this.dataset['open'] = 'true' }
HTMLElement.prototype.hidePopover ??= function (this: HTMLElement) { delete this.dataset['open'] }
Element.prototype.scrollIntoView ??= () => {}
