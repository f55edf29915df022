import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { releaseDiffQuery, requestQuery } from '@/api/control'
import { useNames } from '@/api/workspaces'
import type { AuditEntry } from '@/api/schema'
import { CodeBlock } from '@/design/CodeBlock'
import { CopyButton } from '@/design/CopyButton'
import { Diff } from '@/design/Diff'
import { Drawer } from '@/design/Drawer'
import { SkeletonRows } from '@/design/Skeleton'
import { TimeText } from '@/design/TimeText'
import { Facts } from '@/design/View'
import { actorOf, actorWords, objectOf, pretty, versionOf, type AuditSearch } from './audit'
import { FileDiff } from './ReleaseDrawer'

interface Props { entry: AuditEntry; onClose: () => void; onNext?: () => void; onPrevious?: () => void; onFilter: (by: AuditSearch) => void }

const link = 'rounded-inner text-accent-text underline underline-offset-2'

/** One entry, with what was before and after. */
export function AuditDrawer({ entry, onFilter, ...rest }: Props) {
  const { actor_id: actor, object_id: object } = entry
  const names = useNames()
  return (
    <Drawer title={<code className="font-mono">{entry.action}</code>} about={<>{actorOf(entry)} · <TimeText at={entry.time} /></>} {...rest}>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-5 p-4">
        {entry.erased && <p className="rounded-outer bg-info-tint px-3 py-2">It was erased with its workspace. Its number and hash are left, so that the trail can still be verified.</p>}
        <Facts facts={[
          ['When', <TimeText key="t" at={entry.time} full />],
          ['Who', <span key="w">{actorOf(entry)} {entry.actor && <span className="text-soft">({actorWords[entry.actor_kind]})</span>}</span>],
          ...maybe('Their id', actor && <Id key="a" id={actor} />),
          ['Did', <button key="d" type="button" className={`${link} font-mono text-12`} onClick={() => { onFilter({ action: entry.action }) }}>{entry.action}</button>],
          ...maybe('To', (entry.object ?? object) && <span key="o" className="break-words">{objectOf(entry)}</span>),
          ...maybe('Its id', object && object !== objectOf(entry) && entry.object_kind !== 'release' && <Id key="i" id={object} />),
          ...maybe('Environment', entry.environment && (names.environment(entry.environment) ?? <code key="e" className="font-mono text-12">{entry.environment}</code>)),
          ...maybe('From', entry.address && <code key="f" className="font-mono text-12">{entry.address}</code>),
          ...maybe('With', entry.agent && <span key="g" className="break-all">{entry.agent}</span>),
          ...maybe('Request', entry.request_id && <Id key="r" id={entry.request_id} />),
          ...maybe('Note', entry.note),
          ['Number', String(entry.number)],
        ]} />
        {entry.object_kind === 'file' ? <FileChange entry={entry} /> : <Change before={entry.before} after={entry.after} />}
        <div className="flex flex-wrap gap-x-4 gap-y-1 text-12">
          {actor && <button type="button" className={link} onClick={() => { onFilter({ actor }) }}>All that they did</button>}
          {object && <button type="button" className={link} onClick={() => { onFilter({ object }) }}>All that was done to it</button>}
        </div>
      </div>
    </Drawer>
  )
}

const maybe = (name: string, value: ReactNode): [string, ReactNode][] => value ? [[name, value]] : []

function Id({ id }: { id: string }) {
  return <span className="inline-flex max-w-full items-center gap-1"><code className="truncate font-mono text-12">{id}</code><CopyButton text={id} label="Copy the id" /></span>
}

function Change({ before, after }: { before: unknown; after: unknown }) {
  if (before === undefined && after === undefined) return null
  if (before !== undefined && after !== undefined) return <section><h3 className="mb-1 text-12 font-medium text-soft">What changed</h3><Diff before={pretty(before)} after={pretty(after)} /></section>
  return <section><h3 className="mb-1 text-12 font-medium text-soft">{after === undefined ? 'What was before' : 'What is since'}</h3><CodeBlock label={after === undefined ? 'Before' : 'After'} code={pretty(after ?? before)} wrap /></section>
}

/** What a change of a file was: the version that it made has both texts; the trail has only what tells them apart. */
function FileChange({ entry }: { entry: AuditEntry }) {
  const of = useQuery({ ...requestQuery(entry.request_id ?? ''), enabled: entry.request_id !== undefined })
  const version = of.data?.map(versionOf).find((v) => v !== undefined)
  const diff = useQuery({ ...releaseDiffQuery(version ?? 0, undefined), enabled: version !== undefined })
  const files = diff.data?.files.filter((f) => f.path === entry.object_id || f.path === entry.object) ?? []
  if (of.isLoading || diff.isLoading) return <SkeletonRows rows={3} />
  if (version === undefined) return <p className="text-soft">Its text is not in the trail: this change made no version. {entry.action !== 'file.remove' && <Link to="/project" search={{ file: entry.object_id }} className={link}>Open the file as it is now</Link>}</p>
  return (
    <section className="grid grid-cols-[minmax(0,1fr)] gap-2">
      <h3 className="text-12 font-medium text-soft">What changed</h3>
      {files.map((f) => <FileDiff key={f.path} file={f} />)}
      <p><Link to="/settings/releases" search={{ open: String(version) }} className={link}>Version {version}, which it made</Link></p>
    </section>
  )
}
