import { useQuery } from '@tanstack/react-query'
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router'
import { useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { attentionQuery, sessionQuery, statusQuery } from '@/api/queries'
import { onSignedOut, problemOf, signOut } from '@/api/client'
import { StateDot } from '@/design/Badge'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { IconButton } from '@/design/IconButton'
import { Kbd } from '@/design/Kbd'
import { listenForKeys, useKeys } from '@/design/keys'
import { Menu, type MenuItem } from '@/design/Menu'
import { useNow } from '@/design/now'
import { theme, useChoice, type Theme } from '@/design/theme'
import { Toasts } from '@/design/Toast'
import { Tooltip } from '@/design/Tooltip'
import { localZone, zone } from '@/design/zone'
import { zoneName } from '@/format/format'
import { KeyList } from './KeyList'
import { Login } from './Login'
import { Palette } from './Palette'
import { rooms, type Room } from './rooms'
import { Tray } from './Tray'

let signedOut = false
const told = new Set<() => void>()
onSignedOut(() => { setSignedOut(true) })

/** setSignedOut shows the login, or what is behind it. */
export function setSignedOut(out: boolean): void {
  if (signedOut === out) return
  signedOut = out
  for (const listener of told) listener()
}

const useSignedOut = () => useSyncExternalStore((f) => { told.add(f); return () => told.delete(f) }, () => signedOut)

export function Shell() {
  const out = useSignedOut()
  useEffect(listenForKeys, [])
  const session = useQuery(sessionQuery)
  const inside = () => { setSignedOut(false) }
  if (session.isPending) return null
  if (out || (session.data?.authenticated === false && session.data.login === 'token')) return <Login onIn={inside} />
  if (session.data?.authenticated === false) return <main className="mx-auto max-w-160 p-8"><title>Millrace</title><h1 className="mb-4 text-20 font-semibold">Millrace</h1><ErrorBox problem={{ title: 'This server does not answer here', detail: session.data.reason ?? 'It answers nobody.' }} /></main>
  return <Inside />
}

type Over = 'palette' | 'keys' | undefined

function Inside() {
  const [over, setOver] = useState<Over>()
  const navigate = useNavigate()
  const status = useQuery(statusQuery)
  useKeys([
    { keys: 'Mod+k', label: 'Find anything', group: 'Everywhere', run: () => { setOver('palette') } },
    { keys: '?', label: 'This list', group: 'Everywhere', run: () => { setOver('keys') } },
    ...rooms.map((room) => ({ keys: `g then ${room.key}`, label: room.title, group: 'Go to', run: () => { void navigate({ to: room.to }) } })),
  ])
  const problem = status.error ? problemOf(status.error) : undefined
  const place = useRouterState({ select: (s) => s.location.pathname })
  // Where what had the focus has gone, the room gets it: keys go on from there.
  const before = useRef(place)
  const opened = useRef(false)
  useEffect(() => {
    if (before.current === place && over === undefined && !opened.current) return
    before.current = place
    opened.current = over !== undefined
    if (over !== undefined) return
    const give = () => { if (document.activeElement === null || document.activeElement === document.body) document.getElementById('main')?.focus({ preventScroll: true }) }
    give()
    // A room that has to be loaded takes the place of the one before a little later.
    const again = setInterval(give, 100)
    const enough = setTimeout(() => { clearInterval(again) }, 3000)
    return () => { clearInterval(again); clearTimeout(enough) }
  }, [place, over])
  return (
    <div className="flex h-full max-wide:flex-col-reverse">
      <a href="#main" className="sr-only z-50 rounded-outer bg-accent px-3 py-2 text-on-solid focus:not-sr-only focus:absolute focus:top-2 focus:left-2">Skip to content</a>
      <Rail name={status.data?.name} onFind={() => { setOver('palette') }} onKeys={() => { setOver('keys') }} />
      <main id="main" tabIndex={-1} className="flex min-h-0 min-w-0 grow flex-col outline-none">
        {problem?.kind === 'unreachable' && <div role="status" className="flex items-center gap-2 bg-warning-tint px-4 py-1.5 text-12 text-warning-text"><Icon name="refresh" size={14} className="spin" />The server does not answer. What you see is from before; the page goes on when it is back.</div>}
        <div className="min-h-0 grow"><Outlet /></div>
      </main>
      {over === 'palette' && <Palette onClose={() => { setOver(undefined) }} onKeys={() => { setOver('keys') }} />}
      {over === 'keys' && <KeyList onClose={() => { setOver(undefined) }} />}
      <Toasts />
    </div>
  )
}

function Rail({ name, onFind, onKeys }: { name?: string; onFind: () => void; onKeys: () => void }) {
  return (
    <>
      <nav aria-label="Rooms" className="flex w-46 shrink-0 flex-col gap-0.5 border-r border-line bg-sunken p-2 max-wide:hidden max-panes:w-14">
        <Link to="/" className="mb-1 flex h-9 items-center gap-2 rounded-outer px-2 font-semibold">
          <img src="/favicon.svg" alt="" width={20} height={20} /><span className="truncate max-panes:sr-only">{name ?? 'Millrace'}</span>
        </Link>
        <button type="button" onClick={onFind} className="mb-2 flex h-8 items-center gap-2 rounded-outer border border-line-strong bg-surface px-2 text-12 text-soft hover:text-ink max-panes:border-0 max-panes:bg-transparent max-panes:px-3">
          <Icon name="search" size={14} /><span className="grow text-left max-panes:sr-only">Find</span><span className="max-panes:hidden"><Kbd keys="Mod+k" plain /></span>
        </button>
        {rooms.map((room) => <RoomLink key={room.to} room={room} />)}
        <div className="grow" />
        <div className="flex items-center gap-0.5 max-panes:flex-col"><Tray /><Settings onKeys={onKeys} /></div>
        <Place />
      </nav>
      <nav aria-label="Rooms" className="flex shrink-0 justify-around border-t border-line bg-sunken pb-[env(safe-area-inset-bottom)] wide:hidden">
        {rooms.slice(0, 5).map((room) => (
          <Link key={room.to} to={room.to} activeOptions={{ exact: room.to === '/' }} className="flex h-14 min-w-0 grow basis-0 flex-col items-center justify-center gap-0.5 text-11 text-soft aria-[current]:text-accent-text">
            <Icon name={room.icon} size={20} />{room.title}
          </Link>
        ))}
        <More onFind={onFind} />
      </nav>
    </>
  )
}

function RoomLink({ room: { to, title, icon, key } }: { room: Room }) {
  return (
    <Tooltip text={title} keys={`g then ${key}`}>
      <Link to={to} activeOptions={{ exact: to === '/', includeSearch: false }}
        className="flex h-8 items-center gap-2.5 rounded-outer px-2 text-soft transition-colors hover:bg-active hover:text-ink aria-[current]:bg-accent-tint aria-[current]:font-medium aria-[current]:text-accent-text max-panes:px-3">
        <Icon name={icon} /><span className="max-panes:sr-only">{title}</span>
      </Link>
    </Tooltip>
  )
}

const themes: { id: Theme; label: string }[] = [{ id: 'system', label: 'As the system' }, { id: 'light', label: 'Light' }, { id: 'dark', label: 'Dark' }]

function useSettings(): MenuItem[] {
  const [chosen, choose] = useChoice(theme)
  const [shown, show] = useChoice(zone)
  const session = useQuery(sessionQuery)
  const now = useNow()
  const zones = [...new Set([localZone, 'UTC', shown])]
  return [
    { kind: 'title', label: 'Theme' },
    ...themes.map(({ id, label }): MenuItem => ({ kind: 'check', label, checked: id === chosen, onChoose: () => { choose(id) } })),
    { kind: 'title', label: 'Times are shown in' },
    ...zones.map((z): MenuItem => ({ kind: 'check', label: `${z.replaceAll('_', ' ')} (${zoneName(z, now)})`, checked: z === shown, onChoose: () => { show(z) } })),
    ...(session.data?.login === 'token' ? [{ kind: 'line' } as const, { label: 'Sign out', icon: 'leave', onChoose: () => { void signOut() } } as const] : []),
  ]
}

function Settings({ onKeys }: { onKeys: () => void }) {
  const navigate = useNavigate()
  return <Menu label="Settings" align="start" button={<IconButton icon="sun" label="Theme and time zone" />} items={[
    ...useSettings(), { kind: 'line' },
    { label: 'Keys', icon: 'keyboard', keys: '?', onChoose: onKeys },
    { label: 'The API', icon: 'docs', onChoose: () => { void navigate({ to: '/api/docs' }) } },
  ]} />
}

function More({ onFind }: { onFind: () => void }) {
  const navigate = useNavigate()
  const settings = useSettings()
  return (
    <Menu label="More" button={<button type="button" className="flex h-14 min-w-0 grow basis-0 flex-col items-center justify-center gap-0.5 text-11 text-soft"><Icon name="more" size={20} />More</button>}
      items={[
        { label: 'Find', icon: 'search', onChoose: onFind },
        ...rooms.slice(5).map((room): MenuItem => ({ label: room.title, icon: room.icon, onChoose: () => { void navigate({ to: room.to }) } })),
        { label: 'The API', icon: 'docs', onChoose: () => { void navigate({ to: '/api/docs' }) } },
        ...settings,
      ]} />
  )
}

/** Which server this is, and whether it is well. */
function Place() {
  const { data, error } = useQuery(statusQuery)
  const attention = useQuery(attentionQuery)
  if (!data) return null
  const urgent = attention.data?.items.some((one) => one.severity !== 'info') ?? false
  const well = error ? <StateDot meaning="bad">Not reached</StateDot> : !data.ready ? <StateDot meaning="bad">Not ready</StateDot> : data.problems.length > 0 || urgent ? <StateDot meaning="warning">Needs attention</StateDot> : <StateDot meaning="good">All well</StateDot>
  return (
    <Link to="/status" className="mt-1 block rounded-outer px-2 py-1.5 text-12 text-soft hover:bg-active max-panes:hidden">
      {well}<span className="block truncate text-11">{data.environment ?? (data.mode === 'dev' ? 'millrace dev' : data.workspace)}{data.version !== 'development' && ` · ${data.version}`}</span>
    </Link>
  )
}
