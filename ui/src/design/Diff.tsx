import { cx } from './cx'
import { diff, near } from './differences'

/** Two texts line by line, with the lines around what changed. */
export function Diff({ before, after }: { before: string; after: string }) {
  const lines = near(diff(before, after))
  const added = lines.filter((l) => l?.kind === 'added').length
  const removed = lines.filter((l) => l?.kind === 'removed').length
  return (
    <div className="min-w-0">
      <p className="mb-1 text-12 text-soft">{added} added, {removed} removed</p>
      {/* Long lines scroll, also with the keyboard. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div tabIndex={0} role="region" aria-label="What changes" className="max-h-100 overflow-auto rounded-outer bg-sunken py-1 font-mono text-12">
        {lines.map((line, i) => line === undefined ? <div key={i} className="px-3 text-faint">…</div> : (
          <div key={i} className={cx('flex gap-3 px-3', line.kind === 'added' && 'bg-good-tint', line.kind === 'removed' && 'bg-bad-tint')}>
            <span className="w-8 shrink-0 text-right text-soft select-none">{line.after ?? line.before}</span>
            <span className={cx('w-3 shrink-0', line.kind === 'added' ? 'text-good-text' : 'text-bad-text')}>{line.kind === 'added' ? <><span aria-hidden="true">+</span><span className="sr-only">added</span></> : line.kind === 'removed' ? <><span aria-hidden="true">−</span><span className="sr-only">removed</span></> : ''}</span>
            <span className="whitespace-pre">{line.text || ' '}</span>
          </div>
        ))}
      </div>
    </div>
  )
}
