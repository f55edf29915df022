import { choice, useChoice } from './theme'

/** The zone of this browser. */
export const localZone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'

function isZone(value: unknown): value is string {
  if (typeof value !== 'string') return false
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: value })
    return true
  } catch {
    return false
  }
}

/** In which zone times are shown. */
export const zone = choice<string>('zone', localZone, isZone)

export const useZone = (): string => useChoice(zone)[0]
