import { CopyButton } from './CopyButton'
import { cx } from './cx'

/** Text to copy and paste elsewhere. */
export function CodeBlock({ code, label = 'Code', wrap = false, className }: { code: string; label?: string; wrap?: boolean; className?: string }) {
  return (
    <div className={cx('group relative min-w-0 rounded-outer bg-sunken', className)}>
      {/* Long lines scroll, also with the keyboard. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre tabIndex={0} role="region" aria-label={label} className={cx('max-h-120 overflow-auto p-3 pr-10 text-left font-mono text-12 leading-5 -outline-offset-2', wrap && 'break-words whitespace-pre-wrap')}><code>{code}</code></pre>
      <span className="absolute top-1.5 right-1.5 rounded-inner bg-sunken"><CopyButton text={code} label={`Copy ${label.toLowerCase()}`} /></span>
    </div>
  )
}
