const letters = 'abcdefghijklmnopqrstuvwxyz234567'

/** newKey makes a write key that nobody guesses; those that begin with dev_ work in millrace dev only. */
export function newKey(dev: boolean): string {
  const random = crypto.getRandomValues(new Uint8Array(20))
  return (dev ? 'dev_' : '') + [...random].map((b) => letters[b % 32]).join('')
}
