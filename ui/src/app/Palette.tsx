import { useMutation, useQueries, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useDeferredValue, useId, useState, type KeyboardEvent } from 'react'
import { call, problemOf, urlOf } from '@/api/client'
import { eventsFoundQuery, filesQuery, sessionQuery, statusQuery, tablesQuery } from '@/api/queries'
import { cx } from '@/design/cx'
import { useModal } from '@/design/Dialog'
import { scoreOfNamed } from '@/design/fuzzy'
import { Ends } from '@/design/Ends'
import { Icon, type IconName } from '@/design/Icon'
import { Kbd } from '@/design/Kbd'
import { useAllKeys } from '@/design/keys'
import { copyText } from '@/design/CopyButton'
import { theme } from '@/design/theme'
import { toast } from '@/design/Toast'
import { localZone, zone } from '@/design/zone'
import { sectionsOf } from '@/settings/sections'
import { rooms, settingsRoom } from './rooms'

interface Command { title: string; about: string; icon: IconName; keys?: string; run: () => void; always?: boolean }

const mostSources = 12

/** useEvents are the events whose names hold what is typed. */
function useEvents(typed: string, sources: string[]): { source: string; name: string }[] {
  const q = useDeferredValue(typed.trim())
  return useQueries({ queries: sources.slice(0, mostSources).map((source) => ({ ...eventsFoundQuery(source, q), enabled: q.length > 1 })),
    combine: (all) => q.length > 1 ? all.flatMap((one, i) => (one.data?.events ?? []).map((e) => ({ source: sources[i] ?? '', name: e.event }))) : [] })
}

/** useWork are the things that the server does for long when it is asked. */
function useWork(): Command[] {
  const client = useQueryClient()
  const start = useMutation({
    mutationFn: (what: 'start-log-verification' | 'start-archive-verification') => call(what, {}),
    onSuccess: () => { toast('It runs: the tray shows how far it is', { meaning: 'good' }) },
    onError: (thrown) => { toast(problemOf(thrown).detail, { meaning: 'bad' }) },
    onSettled: () => client.invalidateQueries({ queryKey: ['jobs'] }),
  })
  return [
    { title: 'Verify the log', about: 'Action', icon: 'play', run: () => { start.mutate('start-log-verification') } },
    { title: 'Verify the archive', about: 'Action', icon: 'play', run: () => { start.mutate('start-archive-verification') } },
    { title: 'Download a support bundle', about: 'Action', icon: 'download', run: () => { location.assign(urlOf('get-support-bundle')) } },
  ]
}

const zones = Intl.supportedValuesOf('timeZone')

function useCommands(typed: string, onKeys: () => void, onSwitch: () => void): Command[] {
  const navigate = useNavigate()
  const status = useQuery(statusQuery)
  const session = useQuery(sessionQuery)
  const tables = useQuery(tablesQuery)
  const files = useQuery(filesQuery)
  const keys = useAllKeys()
  const events = useEvents(typed, status.data?.sources.map((s) => s.name) ?? [])
  const work = useWork()
  const go = (to: string, search?: Record<string, string>) => () => { void navigate({ to, search }) }
  const commands: Command[] = [
    ...[...rooms, settingsRoom].map((room) => ({ title: room.title, about: 'Room', icon: room.icon, keys: `g then ${room.key}`, run: go(room.to) })),
    ...(status.data?.sources ?? []).flatMap((s): Command[] => [
      { title: s.name, about: 'Source', icon: 'source', run: go(`/sources/${s.name}`) },
      { title: `Edit ${s.name}`, about: 'Source', icon: 'source', run: go(`/sources/${s.name}/edit`) },
      { title: `${s.name} live`, about: 'Follow a source', icon: 'live', run: go('/live', { source: s.name }) },
    ]),
    ...(tables.data ?? []).map((t): Command => ({ title: `${t.schema}.${t.table}`, about: 'Table', icon: 'table', run: go(`/warehouse/${t.schema}/${t.table}`) })),
    ...events.map((e): Command => ({ title: e.name, about: `Event of ${e.source}`, icon: 'live', run: go(`/sources/${e.source}`, { tab: 'events', event: e.name }) })),
    ...(files.data?.files ?? []).filter((f) => f.folder === 'queries' && f.path.endsWith('.sql')).map((f): Command => {
      const query = f.path.slice('queries/'.length, -'.sql'.length)
      return { title: query, about: 'Saved query', icon: 'sql', run: go('/warehouse', { query }) }
    }),
    ...(files.data?.files ?? []).filter((f) => f.folder !== 'queries').map((f): Command => ({ title: f.path, about: 'File', icon: 'file', run: go('/project', { file: f.path }) })),
    ...keys.filter((k) => !['Everywhere', 'Go to'].includes(k.group)).map((k): Command => ({ title: k.label, about: k.group, icon: 'keyboard', keys: k.keys, run: k.run })),
    ...sectionsOf(session.data).map((s): Command => ({ title: s.title, about: `Settings: ${s.about}`, icon: s.icon, run: go(s.to) })),
    { title: 'Light theme', about: 'Setting', icon: 'sun', run: () => { theme.set('light') } },
    { title: 'Dark theme', about: 'Setting', icon: 'moon', run: () => { theme.set('dark') } },
    { title: 'Theme of the system', about: 'Setting', icon: 'system', run: () => { theme.set('system') } },
    { title: 'Times in UTC', about: 'Setting', icon: 'clock', run: () => { zone.set('UTC') } },
    ...(localZone === 'UTC' ? [] : [{ title: `Times in ${localZone}`, about: 'Setting', icon: 'clock' as const, run: () => { zone.set(localZone) } }]),
    ...(typed.trim().length < 3 ? [] : zones.filter((z) => z !== localZone && z !== 'UTC' && `times in ${z}`.toLowerCase().replaceAll('_', ' ').includes(typed.trim().toLowerCase().replaceAll('_', ' '))).map((z): Command => ({ title: `Times in ${z}`, about: 'Setting', icon: 'clock', run: () => { zone.set(z) } }))),
    ...work,
    { title: 'Switch workspace', about: 'Or environment', icon: 'workspaces', keys: 'g then o', run: onSwitch },
    { title: 'Find a record', about: 'By its ID or user, at any age', icon: 'search', run: go('/live/find') },
    { title: 'Rejected one by one', about: 'Room', icon: 'rejected', run: go('/rejected', { tab: 'all' }) },
    { title: 'The server over time', about: 'Status', icon: 'chart', run: go('/status', { tab: 'charts' }) },
    { title: 'The server’s log', about: 'Status', icon: 'status', run: go('/status', { tab: 'log' }) },
    { title: 'New source', about: 'Action', icon: 'plus', run: go('/sources', { new: 'http' }) },
    { title: 'New webhook source', about: 'Action', icon: 'plus', run: go('/sources', { new: 'webhook' }) },
    { title: 'Copy a link to this view', about: 'Action', icon: 'link', run: () => { void copyText(location.href).then(() => { toast('Link copied') }) } },
    { title: 'Keys', about: 'Help', icon: 'keyboard', keys: '?', run: onKeys },
    { title: 'The API', about: 'Help', icon: 'docs', run: go('/api/docs') },
  ]
  if (typed.trim()) commands.push({ title: `Find records of user “${typed.trim()}”`, about: 'At any age', icon: 'user', always: true, run: go('/live/find', { user: typed.trim() }) },
    { title: `Find the record with id “${typed.trim()}”`, about: 'At any age', icon: 'search', always: true, run: go('/live/find', { id: typed.trim() }) },
    { title: `Watch for “${typed.trim()}”`, about: 'Live, in any event', icon: 'live', always: true, run: go('/live', { text: typed.trim() }) })
  return commands
}

/** Finds anything: rooms, sources, tables, actions. */
export function Palette({ onClose, onKeys, onSwitch }: { onClose: () => void; onKeys: () => void; onSwitch: () => void }) {
  const [typed, setTyped] = useState('')
  const [at, setAt] = useState(0)
  const box = useModal()
  const id = useId()
  const found = useCommands(typed, onKeys, onSwitch)
    .map((command) => ({ command, score: command.always ? -1e6 : scoreOfNamed(typed, command.title, command.about) }))
    .filter((f): f is { command: Command; score: number } => f.score !== undefined)
    .sort((a, b) => b.score - a.score).slice(0, 50).map((f) => f.command)
  const chosen = Math.min(at, found.length - 1)
  const run = (command: Command | undefined) => {
    if (!command) return
    onClose()
    command.run()
  }
  const onKey = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step) {
      event.preventDefault()
      const next = (chosen + step + found.length) % Math.max(1, found.length)
      setAt(next)
      document.getElementById(`${id}-${next}`)?.scrollIntoView({ block: 'nearest' })
    } else if (event.key === 'Enter') {
      event.preventDefault()
      run(found[chosen])
    }
  }
  return (
    // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions
    <dialog ref={box} aria-label="Find anything" onCancel={(e) => { e.preventDefault(); onClose() }} onClick={(e) => { if (e.target === e.currentTarget) onClose() }}
      className="fade-in fixed top-[12vh] left-1/2 max-h-[70vh] w-[calc(100vw-24px)] max-w-150 -translate-x-1/2 overflow-hidden rounded-outer bg-surface text-13 text-ink shadow-float open:flex open:flex-col">
      <div className="flex items-center gap-2 rounded-t-outer border-b border-line px-4 has-[input:focus-visible]:outline-2 has-[input:focus-visible]:-outline-offset-2 has-[input:focus-visible]:outline-accent">
        <Icon name="search" className="text-faint" />
        {/* Whoever opened the palette wants to type into it. */}
        {/* eslint-disable-next-line jsx-a11y/no-autofocus */}
        <input autoFocus role="combobox" aria-label="Find" aria-expanded="true" aria-controls={`${id}-list`} aria-activedescendant={found.length > 0 ? `${id}-${chosen}` : undefined} value={typed} placeholder="Find a room, source, event, table, action"
          onChange={(e) => { setTyped(e.target.value); setAt(0) }} onKeyDown={onKey} autoComplete="off" spellCheck={false} className="h-12 min-w-0 grow bg-transparent text-15 outline-none placeholder:text-faint" />
        <Kbd keys="Escape" />
      </div>
      <div id={`${id}-list`} role="listbox" aria-label="Found" className="min-h-0 overflow-auto p-1.5">
        {found.map((command, i) => (
          // The field above has the keys.
          // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
          <div key={command.about + command.title} id={`${id}-${i}`} role="option" aria-selected={i === chosen} onPointerMove={() => { setAt(i) }} onClick={() => { run(command) }}
            className={cx('flex h-9 cursor-pointer items-center gap-2.5 rounded-inner px-2.5', i === chosen && 'bg-accent-tint')}>
            <Icon name={command.icon} className="text-soft" /><Ends text={command.title} /><span className="max-w-[45%] shrink-0 truncate text-12 text-soft">{command.about}</span><span className="grow" />{command.keys && <Kbd keys={command.keys} />}
          </div>
        ))}
      </div>
    </dialog>
  )
}
