/** How many characters a password has at least. */
export const leastPassword = 15

/** passwordProblem says what is wrong with a new password, as far as that is known without asking the server. */
export function passwordProblem(password: string): string | undefined {
  const length = [...password.normalize('NFC')].length
  if (length === 0) return 'Type a password'
  if (length < leastPassword) return `It has ${length} of at least ${leastPassword} characters`
  return undefined
}
