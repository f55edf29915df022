import { useId, type ReactNode } from 'react'
import { Icon } from './Icon'

export function Checkbox({ label, checked, onChecked, disabled = false, hint }: { label: ReactNode; checked: boolean; onChecked: (checked: boolean) => void; disabled?: boolean; hint?: string }) {
  const id = useId()
  return (
    <span className="inline-flex items-start gap-2">
      <span className="relative mt-0.5 grid size-4 place-items-center">
        <input id={id} type="checkbox" checked={checked} disabled={disabled} aria-describedby={hint ? `${id}-hint` : undefined} onChange={(e) => { onChecked(e.target.checked) }}
          className="peer size-4 appearance-none rounded-inner border border-control bg-surface checked:border-accent checked:bg-accent disabled:opacity-55" />
        <Icon name="check" size={12} className="pointer-events-none absolute text-on-solid opacity-0 peer-checked:opacity-100" />
      </span>
      <span className="flex flex-col"><label htmlFor={id}>{label}</label>{hint && <span id={`${id}-hint`} className="text-12 text-faint">{hint}</span>}</span>
    </span>
  )
}
