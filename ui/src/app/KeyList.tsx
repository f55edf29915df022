import { Dialog } from '@/design/Dialog'
import { Kbd } from '@/design/Kbd'
import { useAllKeys } from '@/design/keys'

const tables = [['Up', 'Move the cursor of a table, a tree or the open event'], ['Enter', 'Open the row'], ['Mod+c', 'Copy the cell; with Alt the row'], ['Escape', 'Close what is open']] as const

/** The keys that work where one is. */
export function KeyList({ onClose }: { onClose: () => void }) {
  const keys = useAllKeys()
  const groups = [...new Set(keys.map((k) => k.group))]
  return (
    <Dialog title="Keys" onClose={onClose} wide>
      <div className="grid gap-x-8 gap-y-5 wide:grid-cols-2">
        {groups.map((group) => <Group key={group} title={group} rows={keys.filter((k) => k.group === group).map((k) => [k.keys, k.label] as const)} />)}
        <Group title="In lists" rows={tables} />
      </div>
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
