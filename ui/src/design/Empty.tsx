import type { ReactNode } from 'react'
import { Icon, type IconName } from './Icon'

/** Nothing is here: what this is for, the one action that fills it, an example that works when pasted. */
export function Empty({ icon, title, children, action }: { icon?: IconName; title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="mx-auto flex max-w-130 flex-col items-center gap-2 px-6 py-14 text-center">
      {icon && <span className="mb-1 grid size-10 place-items-center rounded-full bg-hover text-faint"><Icon name={icon} size={20} /></span>}
      <h2 className="text-15 font-semibold">{title}</h2>
      {children && <div className="w-full text-13 text-soft">{children}</div>}
      {action && <div className="mt-2 flex gap-2">{action}</div>}
    </div>
  )
}
