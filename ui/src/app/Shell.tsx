import { focusManager, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router'
import { lazy, Suspense, useEffect, useRef, useState, useSyncExternalStore, type ComponentType, type ReactNode } from 'react'
import { attentionQuery, sessionQuery, statusQuery } from '@/api/queries'
import { defaultSpace, here } from '@/api/space'
import { useHere } from '@/api/workspaces'
import { onSignedOut, problemOf, signOut } from '@/api/client'
import type { Session } from '@/api/schema'
import { StateDot } from '@/design/Badge'
import { useModal } from '@/design/Dialog'
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
import { sentence, zoneName } from '@/format/format'
import type { DoorProps } from '@/people/Doors'
import { KeyList } from './KeyList'
import { forgetToken, isDoor, useLinkToken, type DoorPath } from './link'
import { Palette } from './Palette'
import { rooms, settingsRoom, type Room } from './rooms'
import { Tray } from './Tray'

let signedOut = false
const told = new Set<() => void>()
onSignedOut((why) => {
  if (why === 'removed') leaving = 'account'
  setSignedOut(true)
})

/** setSignedOut shows the login, or what is behind it. */
export function setSignedOut(out: boolean): void {
  if (signedOut === out) return
  signedOut = out
  for (const listener of told) listener()
}

const useSignedOut = () => useSyncExternalStore((f) => { told.add(f); return () => told.delete(f) }, () => signedOut)

const SignIn = lazy(() => import('@/people/SignIn'))
const Switcher = lazy(() => import('./Switcher'))
const Nowhere = lazy(() => import('./Nowhere'))
const doorOf: Record<DoorPath, ComponentType<DoorProps>> = {
  '/setup': lazy(() => import('@/people/Doors').then((m) => ({ default: m.SetUp }))),
  '/invitation': lazy(() => import('@/people/Doors').then((m) => ({ default: m.Invited }))),
  '/reset': lazy(() => import('@/people/Doors').then((m) => ({ default: m.Reset }))),
  '/email': lazy(() => import('@/people/Doors').then((m) => ({ default: m.ConfirmEmail }))),
}

export function Shell() {
  const out = useSignedOut()
  useEffect(listenForKeys, [])
  const session = useQuery(sessionQuery)
  const client = useQueryClient()
  const navigate = useNavigate()
  const place = useRouterState({ select: (s) => s.location.pathname })
  const token = useLinkToken()
  // Who is in, or was until the session ended.
  const [was, setWas] = useState<string>()
  const signedIn = (next: Session) => {
    client.setQueryData(sessionQuery.queryKey, next)
    setSignedOut(false)
  }
  const inside = async (answered: Session) => {
    // What they may do there, not in the default one.
    signedIn(here() === '' ? answered : await client.fetchQuery({ ...sessionQuery, staleTime: 0 }))
    const rest = { predicate: (query: { queryKey: readonly unknown[] }) => !['session', 'invitation'].includes(String(query.queryKey[0])) }
    // What another saw here is not to be seen; what oneself has typed is still there.
    await (whoOf(answered) === was ? client.invalidateQueries(rest) : client.resetQueries(rest))
  }
  if (session.isPending) return null
  if (session.error && !session.data) return <main className="mx-auto max-w-160 p-8"><title>Millrace</title><h1 className="mb-4 text-20 font-semibold">Millrace</h1><ErrorBox problem={problemOf(session.error)} onRetry={() => void session.refetch()} /></main>
  const known = session.data
  if (isDoor(place)) {
    const Door = doorOf[place]
    return <Suspense><Door token={token} session={known} onSignedIn={signedIn} onIn={(next) => { forgetToken(); void inside(next).then(() => navigate({ to: '/', replace: true })) }} /></Suspense>
  }
  if (!known.authenticated && known.login === 'none') return <main className="mx-auto max-w-160 p-8"><title>Millrace</title><h1 className="mb-4 text-20 font-semibold">Millrace</h1><ErrorBox problem={{ title: 'This server does not answer here', detail: known.reason ?? 'It answers nobody.' }} /></main>
  const away = out || !known.authenticated
  const who = whoOf(known)
  const signIn = <Suspense><SignIn session={known} ended={was !== undefined && leaving === undefined} removed={leaving === 'account'} onIn={(next) => { leaving = undefined; void inside(next) }} /></Suspense>
  if (away && (was === undefined || leaving !== undefined)) return signIn
  if (known.space === defaultSpace && known.refused === undefined && here() !== '') {
    // The default space has the plain addresses.
    location.replace(place + location.search)
    return null
  }
  const nobodyHere = known.everything !== true && known.permissions.length === 0
  if (!away && (known.refused !== undefined || (here() === '' && nobodyHere && !known.roles.some((r) => r.server)))) return <Suspense><Nowhere session={known} path={place} /></Suspense>
  if (!away && who !== was) setWas(who)
  return (
    <>
      <div hidden={away} className="h-full"><Inside key={was} /></div>
      {away && <Again>{signIn}</Again>}
    </>
  )
}

/** whoOf tells people apart, and keys. */
const whoOf = (session: Session): string => session.person?.id ?? session.name ?? session.kind ?? ''

/** Over all that was open when the session ended: it stays as it was, and whoever signs in again goes on there. */
function Again({ children }: { children: ReactNode }) {
  const box = useModal(true)
  // What is asked again and again waits.
  useEffect(() => {
    focusManager.setFocused(false)
    return () => { focusManager.setFocused(undefined) }
  }, [])
  return <dialog ref={box} aria-label="Sign in again" onCancel={(e) => { e.preventDefault() }} className="fixed inset-0 m-0 h-full max-h-none w-full max-w-none bg-sunken text-13 text-ink">{children}</dialog>
}

// Whoever signs out, or has removed their account, has not lost the session.
let leaving: 'session' | 'account' | undefined

async function leave(): Promise<void> {
  leaving = 'session'
  await signOut()
}

type Over = 'palette' | 'keys' | 'spaces' | undefined

function Inside() {
  const [over, setOver] = useState<Over>()
  const navigate = useNavigate()
  const status = useQuery(statusQuery)
  useKeys([
    { keys: 'Mod+k', label: 'Find anything', group: 'Everywhere', run: () => { setOver('palette') } },
    { keys: 'g then o', label: 'Another workspace', group: 'Go to', run: () => { setOver('spaces') } },
    { keys: '?', label: 'This list', group: 'Everywhere', run: () => { setOver('keys') } },
    ...[...rooms, settingsRoom].map((room) => ({ keys: `g then ${room.key}`, label: room.title, group: 'Go to', run: () => { void navigate({ to: room.to }) } })),
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
      <Rail name={status.data?.name} onSwitch={() => { setOver('spaces') }} onFind={() => { setOver('palette') }} onKeys={() => { setOver('keys') }} />
      <main id="main" tabIndex={-1} className="flex min-h-0 min-w-0 grow flex-col outline-none">
        {problem?.kind === 'forbidden' && problem.detail.includes('is suspended') && <div role="status" className="flex items-center gap-2 bg-warning-tint px-4 py-1.5 text-12 text-warning-text"><Icon name="pause" size={14} />{sentence(problem.detail)}</div>}
        {problem?.kind === 'unreachable' && <div role="status" className="flex items-center gap-2 bg-warning-tint px-4 py-1.5 text-12 text-warning-text"><Icon name="refresh" size={14} className="spin" />The server does not answer. What you see is from before; the page goes on when it is back.</div>}
        <div className="min-h-0 grow"><Outlet /></div>
      </main>
      {over === 'spaces' && <Suspense><Switcher onClose={() => { setOver(undefined) }} /></Suspense>}
      {over === 'palette' && <Palette onClose={() => { setOver(undefined) }} onSwitch={() => { setOver('spaces') }} onKeys={() => { setOver('keys') }} />}
      {over === 'keys' && <KeyList onClose={() => { setOver(undefined) }} />}
      <Toasts />
    </div>
  )
}

function Rail({ name, onSwitch, onFind, onKeys }: { name?: string; onSwitch: () => void; onFind: () => void; onKeys: () => void }) {
  return (
    <>
      <nav aria-label="Rooms" className="flex w-46 shrink-0 flex-col gap-0.5 border-r border-line bg-sunken p-2 max-wide:hidden max-panes:w-14">
        <Link to="/" className="mb-1 flex h-9 items-center gap-2 rounded-outer px-2 font-semibold">
          <img src="/favicon.svg" alt="" width={20} height={20} /><span className="truncate max-panes:sr-only">{name ?? 'Millrace'}</span>
        </Link>
        <Here onSwitch={onSwitch} />
        <button type="button" onClick={onFind} className="mb-2 flex h-8 items-center gap-2 rounded-outer border border-line-strong bg-surface px-2 text-12 text-soft hover:text-ink max-panes:border-0 max-panes:bg-transparent max-panes:px-3">
          <Icon name="search" size={14} /><span className="grow text-left max-panes:sr-only">Find</span><span className="max-panes:hidden"><Kbd keys="Mod+k" plain /></span>
        </button>
        {rooms.map((room) => <RoomLink key={room.to} room={room} />)}
        <div className="grow" />
        <RoomLink room={settingsRoom} />
        <div className="flex items-center gap-0.5 max-panes:flex-col"><Tray /><Preferences onKeys={onKeys} /></div>
        <Me />
        <Place />
      </nav>
      <nav aria-label="Rooms" className="flex shrink-0 justify-around border-t border-line bg-sunken pb-[env(safe-area-inset-bottom)] wide:hidden">
        {rooms.slice(0, 5).map((room) => (
          <Link key={room.to} to={room.to} activeOptions={{ exact: room.to === '/' }} className="flex h-14 min-w-0 grow basis-0 flex-col items-center justify-center gap-0.5 text-11 text-soft aria-[current]:text-accent-text">
            <Icon name={room.icon} size={20} />{room.title}
          </Link>
        ))}
        <More onSwitch={onSwitch} onFind={onFind} />
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
  const navigate = useNavigate()
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
    ...(session.data?.kind !== 'local' && session.data?.login !== 'none' ? [{ kind: 'line' } as const, ...(session.data?.person ? [{ label: 'Your profile', icon: 'user', onChoose: () => { void navigate({ to: '/settings/profile' }) } } as const] : []), { label: 'Sign out', icon: 'leave', onChoose: () => { void leave() } } as const] : []),
  ]
}

function Preferences({ onKeys }: { onKeys: () => void }) {
  const navigate = useNavigate()
  return <Menu label="Theme and time zone" align="start" button={<IconButton icon="sun" label="Theme and time zone" />} items={[
    ...useSettings(), { kind: 'line' },
    { label: 'Keys', icon: 'keyboard', keys: '?', onChoose: onKeys },
    { label: 'The API', icon: 'docs', onChoose: () => { void navigate({ to: '/api/docs' }) } },
  ]} />
}

function More({ onSwitch, onFind }: { onSwitch: () => void; onFind: () => void }) {
  const navigate = useNavigate()
  const place = useHere()
  const settings = useSettings()
  return (
    <Menu label="More" button={<button type="button" className="flex h-14 min-w-0 grow basis-0 flex-col items-center justify-center gap-0.5 text-11 text-soft"><Icon name="more" size={20} />More</button>}
      items={[
        { label: 'Find', icon: 'search', onChoose: onFind },
        ...(place ? [{ label: `${place.workspace.name}, ${place.environment.name}`, icon: 'workspaces' as const, onChoose: onSwitch }] : []),
        ...[...rooms.slice(5), settingsRoom].map((room): MenuItem => ({ label: room.title, icon: room.icon, onChoose: () => { void navigate({ to: room.to }) } })),
        { label: 'The API', icon: 'docs', onChoose: () => { void navigate({ to: '/api/docs' }) } },
        ...settings,
      ]} />
  )
}

/** In which workspace and environment one is; it opens the list of the others. */
function Here({ onSwitch }: { onSwitch: () => void }) {
  const place = useHere()
  if (!place) return null
  const [name, environment] = [place.workspace.name, place.environment.name]
  return (
    <Tooltip text={`In ${name}, ${environment}: go to another`} keys="g then o">
      <button type="button" aria-haspopup="dialog" aria-label={`${name} ${environment}: go to another workspace`} onClick={onSwitch} className="mb-1 flex min-h-8 w-full items-center gap-2.5 rounded-outer px-2 py-1 text-left text-soft hover:bg-active hover:text-ink max-panes:px-3">
        <Icon name="workspaces" /><span className="min-w-0 grow max-panes:hidden"><span className="block truncate text-ink">{name}</span> <span className="block truncate text-11">{environment}</span></span><Icon name="down" size={12} className="text-faint max-panes:hidden" />
      </button>
    </Tooltip>
  )
}

/** Who is signed in. */
function Me() {
  const person = useQuery(sessionQuery).data?.person
  if (!person) return null
  return (
    <Tooltip text={person.email}>
      <Link to="/settings/profile" aria-label={`Your profile, ${person.name}`} className="mt-1 flex h-8 items-center gap-2.5 rounded-outer px-2 text-soft hover:bg-active hover:text-ink max-panes:px-3">
        <Icon name="user" /><span className="truncate max-panes:sr-only">{person.name}</span>
      </Link>
    </Tooltip>
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
      {well}<span className="block truncate text-11">{data.environment ?? (data.mode === 'dev' ? 'millrace dev' : 'Millrace')}{data.version !== 'development' && ` · ${data.version}`}</span>
    </Link>
  )
}
