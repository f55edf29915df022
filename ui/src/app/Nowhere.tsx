import { useQuery } from '@tanstack/react-query'
import { problemOf, signOut } from '@/api/client'
import type { KnownSession } from '@/api/queries'
import { here } from '@/api/space'
import { workspacesQuery } from '@/api/workspaces'
import { Button } from '@/design/Button'
import { ErrorBox } from '@/design/ErrorBox'
import { Empty } from '@/design/Empty'
import { linkTo, placesOf } from './spaces'

/** Whoever is signed in is nobody in the workspace that the address names, or in the default one: where they can go instead. */
export default function Nowhere({ session, path }: { session: KnownSession; path: string }) {
  const { data, error, refetch } = useQuery(workspacesQuery)
  const places = placesOf(data ?? [])
  const [only] = places
  // Links without a space lead everybody to their own.
  if (session.refused === undefined && only) {
    location.replace(linkTo(only, path))
    return null
  }
  if (error && !data) return <main className="mx-auto max-w-160 p-8"><h1 className="sr-only">Millrace</h1><ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /></main>
  if (!data) return null
  const out = session.kind === 'person' && <Button look="quiet" onClick={() => { void signOut() }}>Sign out</Button>
  return (
    <main className="grid h-full place-items-center">
      <title>Millrace</title>
      <h1 className="sr-only">Millrace</h1>
      <Empty icon="workspaces" title={session.refused === undefined ? 'You are in no workspace yet' : `${here()} is not shown to you`} action={places.length === 0 ? out : undefined}>
        <p>{session.refused === undefined ? 'Someone who manages the members of a workspace can invite you; the link of the invitation leads there.' : 'There is no workspace or environment of this name, or you are no member of it: check the link, or ask someone who manages its members.'}</p>
        {places.length > 0 && (
          <nav aria-label="Your workspaces" className="mt-4">
            <ul className="grid max-h-80 gap-1 overflow-auto text-left">
              {places.slice(0, 100).map((p) => <li key={p.space}><a href={linkTo(p, path)} className="flex h-9 items-center gap-2 rounded-outer border border-line px-3 text-ink hover:bg-hover"><span className="font-medium">{p.workspace}</span><span className="text-soft">{p.environment}</span></a></li>)}
            </ul>
          </nav>
        )}
        {places.length > 0 && <div className="mt-3 flex justify-center">{out}</div>}
      </Empty>
    </main>
  )
}
