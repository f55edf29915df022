import { useState, type ComponentProps } from 'react'
import { IconButton } from './IconButton'
import { Input } from './Input'

/** A password, which one may look at while typing it. */
export function PasswordInput(props: Omit<ComponentProps<typeof Input>, 'type' | 'trailing'>) {
  const [shown, show] = useState(false)
  return <Input {...props} type={shown ? 'text' : 'password'} autoCapitalize="none" trailing={<IconButton small icon="eye" label={shown ? 'Hide it' : 'Show it'} pressed={shown} onClick={() => { show(!shown) }} />} />
}
