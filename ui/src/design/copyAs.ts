import { here } from '@/api/space'
import { copyText } from './CopyButton'
import type { MenuItem } from './Menu'
import { toast } from './Toast'

export interface CopyAs { curl?: string; command?: string; sql?: string }

const words: [keyof CopyAs, string][] = [['curl', 'curl'], ['command', 'command'], ['sql', 'SQL']]

/** copyAs are the items of a menu that copy what is seen as something to run elsewhere. */
export function copyAs(texts: CopyAs): MenuItem[] {
  return words.flatMap(([key, word]): MenuItem[] => {
    const written = texts[key]
    if (written === undefined) return []
    const text = key === 'command' && here() !== '' ? `${written} --workspace ${here()}` : written
    return [{ label: `Copy as ${word}`, icon: 'copy', onChoose: () => { void copyText(text).then((ok) => { toast(ok ? `Copied as ${word}` : 'Could not copy') }) } }]
  })
}

/** quoted writes a text as SQL has it. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`
