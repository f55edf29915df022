import type { ReactNode } from 'react'
import { Link } from '@tanstack/react-router'
import { cx } from './cx'
import { Icon } from './Icon'

export interface Crumb { title: string; to?: string }

interface Props {
  /** Where am I; the last part is the title. */
  crumbs: Crumb[]
  state?: ReactNode
  /** At most two, the rest in a menu. */
  actions?: ReactNode
  children: ReactNode
  /** The view scrolls by itself when its parts do not. */
  scroll?: boolean
}

/** One view of a room: its header line and what is beneath. */
export function View({ crumbs, state, actions, children, scroll = false }: Props) {
  const title = crumbs.at(-1)?.title ?? ''
  return (
    <section aria-label={title} className="relative flex h-full min-h-0 min-w-0 flex-col">
      <title>{`${crumbs.map((c) => c.title).reverse().join(' · ')} · Millrace`}</title>
      <header className="flex min-h-12 shrink-0 flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-4 py-1.5">
        <h1 className="flex min-w-0 items-center gap-1 text-15 font-semibold">
          {crumbs.map((crumb, i) => (
            <span key={crumb.title} className={cx('flex min-w-0 items-center gap-1', i < crumbs.length - 1 && 'max-w-40 shrink-0 font-normal text-soft')}>
              {i > 0 && <Icon name="right" size={12} className="shrink-0 text-faint" />}
              {crumb.to ? <Link to={crumb.to} className="truncate rounded-inner py-1 -outline-offset-1 hover:text-ink">{crumb.title}</Link> : <span className="truncate">{crumb.title}</span>}
            </span>
          ))}
        </h1>
        {state && <div className="flex items-center gap-3 text-12 text-soft">{state}</div>}
        {actions && <div className="ml-auto flex items-center gap-2">{actions}</div>}
      </header>
      {/* A region that scrolls takes the focus so that keys can scroll it. */}
      {scroll
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        ? <div tabIndex={0} role="region" aria-label={`${title}, all of it`} className="min-h-0 grow overflow-auto -outline-offset-2">{children}</div>
        : <div className="flex min-h-0 min-w-0 grow flex-col">{children}</div>}
    </section>
  )
}

/** A part of a view with a heading. */
export function Part({ title, actions, children, className }: { title: string; actions?: ReactNode; children: ReactNode; className?: string }) {
  return (
    <section aria-label={title} className={cx('min-w-0', className)}>
      <div className="mb-2 flex min-h-7 items-center gap-2"><h2 className="grow text-13 font-semibold">{title}</h2>{actions}</div>
      {children}
    </section>
  )
}

/** Names and what they are, one below the other; even ones line up with those of the parts around. */
export function Facts({ facts, even = false }: { facts: [string, ReactNode][]; even?: boolean }) {
  return (
    <dl className={cx('grid items-baseline gap-x-4 gap-y-0.5', even ? 'grid-cols-[minmax(0,148px)_minmax(0,1fr)]' : 'grid-cols-[minmax(96px,auto)_minmax(0,1fr)]')}>
      {facts.map(([name, value]) => <div key={name} className="contents"><dt className="py-0.5 text-soft">{name}</dt><dd className="flex min-h-6 min-w-0 flex-wrap items-center gap-x-1 break-words">{value}</dd></div>)}
    </dl>
  )
}

/** A number that answers a question at a glance. */
export function Figure({ label, value, note }: { label: string; value: ReactNode; note?: ReactNode }) {
  return (
    <div className="min-w-0">
      <div className="text-12 text-soft">{label}</div>
      <div className="truncate text-20 font-semibold">{value}</div>
      {note && <div className="text-12 text-soft">{note}</div>}
    </div>
  )
}
