import { useQuery } from '@tanstack/react-query'
import { Link, useRouterState } from '@tanstack/react-router'
import { useId, useState, type KeyboardEvent } from 'react'
import { problemOf } from '@/api/client'
import { sessionQuery } from '@/api/queries'
import { workspacesQuery } from '@/api/workspaces'
import { Badge } from '@/design/Badge'
import { cx } from '@/design/cx'
import { useModal } from '@/design/Dialog'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { Kbd } from '@/design/Kbd'
import { SkeletonRows } from '@/design/Skeleton'
import { number, plural } from '@/format/format'
import { sectionsOf } from '@/settings/sections'
import { found, linkTo, placesOf, type Place } from './spaces'

const most = 100

/** Goes to another workspace or environment. The page is loaded anew there: nothing of this one goes along. */
export default function Switcher({ onClose }: { onClose: () => void }) {
  const [typed, setTyped] = useState('')
  const [at, setAt] = useState<number>()
  const box = useModal()
  const id = useId()
  const path = useRouterState({ select: (s) => s.location.pathname })
  const session = useQuery(sessionQuery).data
  const { data, error, refetch } = useQuery(workspacesQuery)
  const all = placesOf(data ?? [])
  const matching = found(all, typed)
  const shown = matching.slice(0, most)
  const current = typed === '' ? shown.findIndex((p) => p.space === session?.space) : 0
  const chosen = Math.max(0, Math.min(at ?? current, shown.length - 1))
  const go = (place: Place | undefined) => {
    if (!place) return
    onClose()
    if (place.space !== session?.space) location.assign(linkTo(place, path))
  }
  const onKey = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step) {
      event.preventDefault()
      const next = (chosen + step + shown.length) % Math.max(1, shown.length)
      setAt(next)
      document.getElementById(`${id}-${next}`)?.scrollIntoView({ block: 'nearest' })
    } else if (event.key === 'Enter') {
      event.preventDefault()
      go(shown[chosen])
    }
  }
  return (
    // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions
    <dialog ref={box} aria-label="Switch workspace" onCancel={(e) => { e.preventDefault(); onClose() }} onClick={(e) => { if (e.target === e.currentTarget) onClose() }}
      className="fade-in fixed top-[12vh] left-1/2 max-h-[70vh] w-[calc(100vw-24px)] max-w-120 -translate-x-1/2 overflow-hidden rounded-outer bg-surface text-13 text-ink shadow-float open:flex open:flex-col">
      <div className="flex items-center gap-2 rounded-t-outer border-b border-line px-4 has-[input:focus-visible]:outline-2 has-[input:focus-visible]:-outline-offset-2 has-[input:focus-visible]:outline-accent">
        <Icon name="workspaces" className="text-faint" />
        {/* Whoever opened the list wants to type into it. */}
        {/* eslint-disable-next-line jsx-a11y/no-autofocus */}
        <input autoFocus role="combobox" aria-label="Find a workspace or environment" aria-expanded="true" aria-controls={`${id}-list`} aria-activedescendant={shown.length > 0 ? `${id}-${chosen}` : undefined} value={typed} placeholder="Go to a workspace or environment"
          onChange={(e) => { setTyped(e.target.value); setAt(0) }} onKeyDown={onKey} autoComplete="off" spellCheck={false} className="h-12 min-w-0 grow bg-transparent text-15 outline-none placeholder:text-faint" />
        <Kbd keys="Escape" />
      </div>
      {error && !data ? <div className="p-3"><ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /></div> : !data ? <SkeletonRows rows={4} /> : (
        <div id={`${id}-list`} role="listbox" aria-label="Workspaces and environments" className="min-h-0 overflow-auto p-1.5">
          {shown.map((place, i) => (
            // The field above has the keys.
            // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
            <div key={place.space} id={`${id}-${i}`} role="option" aria-selected={i === chosen} onPointerMove={() => { setAt(i) }} onClick={() => { go(place) }}
              className={cx('flex min-h-9 cursor-pointer items-center gap-2.5 rounded-inner px-2.5', i === chosen && 'bg-accent-tint')}>
              <Icon name="check" size={14} className={place.space === session?.space ? 'text-accent-text' : 'invisible'} />
              <span className="min-w-0 shrink truncate font-medium" title={place.workspace}>{place.workspace}</span><span className="min-w-0 shrink truncate text-soft">{place.environment}</span>
              {place.title.toLowerCase() !== place.workspace && <span dir="auto" className="min-w-0 shrink-[4] truncate text-12 text-soft max-wide:hidden">{place.title}</span>}
              <span className="grow" />{place.space === session?.space && <span className="sr-only">you are here</span>}{place.suspended && <Badge meaning="warning">suspended</Badge>}
            </div>
          ))}
          {shown.length === 0 && <p role="presentation" className="px-2.5 py-2 text-soft">{all.length === 0 ? 'You are a member of no workspace yet.' : 'No workspace or environment that you may see is called so.'}</p>}
        </div>
      )}
      <div className="flex flex-wrap items-center gap-x-3 border-t border-line bg-sunken px-4 py-2 text-12 text-soft">
        <span className="grow">{matching.length > most ? `${number(matching.length)} match: type more to see the rest` : plural(all.length, 'environment')}</span>
        {sectionsOf(session).some((s) => s.to === '/settings/workspaces') && <Link to="/settings/workspaces" onClick={onClose} className="rounded-inner text-accent-text underline underline-offset-2">All workspaces</Link>}
      </div>
    </dialog>
  )
}
