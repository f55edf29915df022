import { useState } from 'react'
import { Button } from './Button'
import { IconButton } from './IconButton'

/** copyText puts text on the clipboard, also where a page served without TLS may not. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = document.createElement('textarea')
    area.value = text
    area.className = 'fixed opacity-0'
    document.body.append(area)
    area.select()
    const done = document.execCommand('copy')
    area.remove()
    return done
  }
}

export function CopyButton({ text, label = 'Copy', word = false, small = true }: { text: string | (() => string); label?: string; word?: boolean; small?: boolean }) {
  const [done, setDone] = useState<'copied' | 'failed'>()
  const copy = () => {
    void copyText(typeof text === 'string' ? text : text()).then((ok) => {
      setDone(ok ? 'copied' : 'failed')
      setTimeout(() => { setDone(undefined) }, 1500)
    })
  }
  const icon = done === 'copied' ? 'check' : done === 'failed' ? 'cross' : 'copy'
  const now = done === 'copied' ? 'Copied' : done === 'failed' ? 'Could not copy' : label
  return word ? <Button small={small} icon={icon} onClick={copy}>{now}</Button> : <IconButton small={small} icon={icon} label={now} onClick={copy} />
}
