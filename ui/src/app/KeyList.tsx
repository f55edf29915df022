import { Checkbox } from '@/design/Checkbox'
import { Dialog } from '@/design/Dialog'
import { Kbd } from '@/design/Kbd'
import { bareKeys, useAllKeys } from '@/design/keys'
import { useChoice } from '@/design/theme'

const tables = [['Up Down', 'From row to row, or to the next open event'], ['Left Right', 'From cell to cell; fold and unfold a tree'], ['Home End', 'To the first and last; with Ctrl of all rows'], ['PageUp PageDown', 'A page on'], ['Enter', 'Open the row'], ['Mod+c', 'Copy the cell; with Alt the row'], ['Escape', 'Close what is open']] as const
const editors = [['Mod+Enter', 'Run, or save'], ['Shift+Alt+F', 'Put SQL in order'], ['Ctrl+Space', 'What may stand here'], ['Mod+f', 'Search'], ['Escape', 'Leave: Tab then goes on, and does not indent']] as const

/** The keys that work where one is. */
export function KeyList({ onClose }: { onClose: () => void }) {
  const keys = useAllKeys()
  const [bare, setBare] = useChoice(bareKeys)
  const groups = [...new Set(keys.map((k) => k.group))]
  return (
    <Dialog title="Keys" onClose={onClose} wide>
      <div className="grid gap-x-8 gap-y-5 wide:grid-cols-2">
        {groups.map((group) => <Group key={group} title={group} rows={keys.filter((k) => k.group === group).map((k) => [k.keys, k.label] as const)} />)}
        <Group title="In lists" rows={tables} />
        <Group title="In an editor" rows={editors} />
      </div>
      <div className="mt-5 border-t border-line pt-3"><Checkbox label="Keys without Ctrl work anywhere" hint="Turn them off when you speak to the computer, and words would press them." checked={bare} onChecked={setBare} /></div>
    </Dialog>
  )
}

function Group({ title, rows }: { title: string; rows: readonly (readonly [string, string])[] }) {
  return (
    <section>
      <h3 className="mb-1.5 text-12 font-medium text-faint">{title}</h3>
      <dl className="grid gap-1.5">{rows.map(([keys, label]) => <div key={keys + label} className="flex items-baseline justify-between gap-4"><dt>{label}</dt><dd className="shrink-0"><Kbd keys={keys} /></dd></div>)}</dl>
    </section>
  )
}
