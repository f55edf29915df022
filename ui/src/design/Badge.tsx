import type { ReactNode } from 'react'
import { cx } from './cx'

export type Meaning = 'neutral' | 'accent' | 'good' | 'warning' | 'bad' | 'info'

const tints: Record<Meaning, string> = {
  neutral: 'bg-hover text-soft', accent: 'bg-accent-tint text-accent-text', good: 'bg-good-tint text-good-text',
  warning: 'bg-warning-tint text-warning-text', bad: 'bg-bad-tint text-bad-text', info: 'bg-info-tint text-info-text',
}

export function Badge({ meaning = 'neutral', children, mono = false }: { meaning?: Meaning; children: ReactNode; mono?: boolean }) {
  return <span className={cx('inline-flex h-5 items-center rounded-inner px-1.5 text-11 font-medium whitespace-nowrap', tints[meaning], mono && 'font-mono')}>{children}</span>
}

const dots: Record<Meaning, string> = { neutral: 'bg-mark', accent: 'bg-accent', good: 'bg-good', warning: 'bg-warning', bad: 'bg-bad', info: 'bg-info' }

/** A state is a dot with a word, never colour alone. */
export function StateDot({ meaning, children, hollow = false }: { meaning: Meaning; children: ReactNode; hollow?: boolean }) {
  return (
    <span className="inline-flex items-center gap-1.5 whitespace-nowrap">
      <span aria-hidden="true" className={cx('size-2 shrink-0 rounded-full', hollow ? 'border-2 border-mark' : dots[meaning])} />
      {children}
    </span>
  )
}
