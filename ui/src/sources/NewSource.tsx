import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { problemOf } from '@/api/client'
import { checkQuery, filesQuery, schemaQuery, statusQuery } from '@/api/queries'
import { cx } from '@/design/cx'
import { ErrorBox } from '@/design/ErrorBox'
import { Input } from '@/design/Input'
import { SkeletonRows } from '@/design/Skeleton'
import { View } from '@/design/View'
import { sentence } from '@/format/format'
import { Editing } from './EditSource'
import { fileOf, kindsOf, nameProblem, startOf } from './form'
import { newKey } from './key'

/** A new source: its name and kind, then the form of every source, with a key made for it. */
export default function NewSource({ kind, onKind }: { kind: string; onKind: (kind: string) => void }) {
  const schema = useQuery(schemaQuery('sources.json'))
  const status = useQuery(statusQuery)
  const kinds = kindsOf(schema.data)
  const crumbs = [{ title: 'Sources', to: '/sources' }, { title: 'New source' }]
  const [name, setName] = useState('')
  if (schema.error && !schema.data) return <View crumbs={crumbs}><div className="p-4"><ErrorBox problem={problemOf(schema.error)} onRetry={() => void schema.refetch()} /></div></View>
  if (!schema.data || !status.data) return <View crumbs={crumbs}><SkeletonRows /></View>
  const chosen = kinds.some((k) => k.kind === kind) ? kind : kinds[0]?.kind ?? 'http'
  return <Fresh key={chosen} kind={chosen} kinds={kinds} name={name} onName={setName} onKind={onKind} dev={status.data.mode === 'dev'} />
}

interface Props { kind: string; kinds: { kind: string; about: string }[]; name: string; onName: (name: string) => void; onKind: (kind: string) => void; dev: boolean }

function Fresh({ kind, kinds, name, onName, onKind, dev }: Props) {
  const files = useQuery(filesQuery)
  const [start] = useState(() => ({ text: startOf(kind, newKey(dev)) }))
  const path = fileOf(name || 'new_source')
  // Some names are not for sources: the server knows which.
  const check = useQuery({ ...checkQuery({ [path]: start.text }), enabled: name !== '' })
  const refused = check.isPlaceholderData ? undefined : check.data?.problems.find((p) => p.path === path && p.line === 0)
  const problem = nameProblem(name, files.data?.files.map((f) => f.path) ?? []) ?? (refused && sentence(refused.message.split(': ').at(-1) ?? refused.message))
  const missing = name === '' ? 'Give it a name first' : problem
  const head = (
    <div className="grid gap-4">
      {/* Whoever makes a source names it first. */}
      {/* eslint-disable-next-line jsx-a11y/no-autofocus */}
      <Input autoFocus label="Name" value={name} problem={problem} onChange={(e) => { onName(e.target.value.trim().toLowerCase()) }} placeholder="web" hint={<>Names its file{name && <>, <code className="font-mono">{fileOf(name)}</code></>}, and the schema that its tables are in. It cannot be changed later.</>} />
      <fieldset className="grid gap-1">
        <legend className="mb-1 text-12 font-medium text-soft">Kind</legend>
        <div className="grid gap-2 wide:grid-cols-2">
          {kinds.map((k) => (
            <label key={k.kind} className={cx('grid cursor-pointer grid-cols-[auto_1fr] gap-x-2 rounded-outer border px-3 py-2 has-focus-visible:outline-2 has-focus-visible:outline-accent', k.kind === kind ? 'border-accent bg-accent-tint' : 'border-control hover:bg-hover')}>
              <input type="radio" name="kind" value={k.kind} checked={k.kind === kind} onChange={() => { onKind(k.kind) }} className="mt-0.5 accent-(--accent-solid)" />
              <span className="font-medium">{k.kind}</span><span className="col-start-2 text-12 text-soft">{k.about}</span>
            </label>
          ))}
        </div>
      </fieldset>
    </div>
  )
  return <Editing source={name} path={path} start={start} title="New source" head={head} missing={missing} />
}
