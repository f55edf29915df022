import { copyText } from './CopyButton'
import type { MenuItem } from './Menu'
import { toast } from './Toast'

export interface CopyAs { curl?: string; command?: string; sql?: string }

const words: [keyof CopyAs, string][] = [['curl', 'curl'], ['command', 'command'], ['sql', 'SQL']]

/** copyAs are the items of a menu that copy what is seen as something to run elsewhere. */
export function copyAs(texts: CopyAs): MenuItem[] {
  return words.flatMap(([key, word]): MenuItem[] => {
    const text = texts[key]
    if (text === undefined) return []
    return [{ label: `Copy as ${word}`, icon: 'copy', onChoose: () => { void copyText(text).then((ok) => { toast(ok ? `Copied as ${word}` : 'Could not copy') }) } }]
  })
}

/** quoted writes a text as SQL has it. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`
