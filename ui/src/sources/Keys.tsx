import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { call, problemOf, ProblemError } from '@/api/client'
import type { FileChange, Source, SourceKey } from '@/api/schema'
import { Badge } from '@/design/Badge'
import { Button } from '@/design/Button'
import { CopyButton } from '@/design/CopyButton'
import { Dialog } from '@/design/Dialog'
import { ErrorBox } from '@/design/ErrorBox'
import { useNow } from '@/design/now'
import { TimeText } from '@/design/TimeText'
import { toast } from '@/design/Toast'
import { Part } from '@/design/View'
import { at, valuesOf } from './edits'
import { fileOf } from './form'
import { newKey } from './key'
import { inUse } from './state'

/** The keys of a source. To rotate one, add another, move the senders over, and take the old one away: meanwhile both work. */
export function Keys({ source, dev }: { source: Source; dev: boolean }) {
  const [removing, remove] = useState<SourceKey>()
  const client = useQueryClient()
  const now = useNow()
  const edit = useMutation({
    mutationFn: async (key: { add: string } | { remove: string }) => {
      const path = source.file ?? fileOf(source.name)
      const { etag, text } = await call('read-file', { params: { path } })
      return await call('edit-file', { body: { path, etag, changes: [await changeOf(path, text, key, source.write_keys_path ?? ['write_keys'])] } })
    },
    onSuccess: (saved) => {
      remove(undefined)
      if (saved.problems.length > 0) toast(`${saved.path} was saved, but the project has a mistake: the version before goes on`, { meaning: 'warning' })
      else toast(saved.version ? `Version ${String(saved.version)} runs` : dev ? `${saved.path} was saved` : `${saved.path} was saved; it is served when the server is started again`, { meaning: 'good' })
    },
    onSettled: () => Promise.all([client.invalidateQueries({ queryKey: ['sources'] }), client.invalidateQueries({ queryKey: ['files'] }), client.invalidateQueries({ queryKey: ['status'] })]),
  })
  const several = source.keys.length > 1
  return (
    <Part title={several ? 'Write keys' : 'Write key'} actions={<Button small icon="plus" busy={edit.isPending && removing === undefined} onClick={() => { edit.mutate({ add: newKey(dev) }) }}>Add a key</Button>}>
      <ul className="grid grid-cols-[minmax(0,1fr)]">
        {source.keys.map((key) => (
          <li key={key.key} className="flex min-h-9 flex-wrap items-center gap-x-3 border-b border-line/60">
            <span className="flex max-w-full min-w-0 items-center gap-1"><code className="truncate font-mono text-12" title={key.key}>{key.key}</code><CopyButton text={key.key} label={`Copy ${key.key}`} /></span>
            {!key.works && <Badge meaning="warning">works in millrace dev only</Badge>}
            <span className="ml-auto flex items-center gap-3 text-12 text-soft">
              <span>{key.last_used ? <>last used <TimeText at={key.last_used} /></> : 'not used yet'}</span>
              {several && <Button small look="quiet" onClick={() => { edit.reset(); remove(key) }}>Take away</Button>}
            </span>
          </li>
        ))}
      </ul>
      <p className="mt-2 max-w-160 text-12 text-soft">{several ? 'All of them work. Take one away when it is not used any more.' : 'To rotate a key, add another, move the senders over to it, and take the old one away when it is not used any more. Meanwhile both work.'}</p>
      {edit.error && removing === undefined && <div className="mt-2"><ErrorBox problem={problemOf(edit.error)} action={<Link to="/sources/$source/edit" params={{ source: source.name }} className="underline underline-offset-2">Edit the file</Link>} /></div>}
      {removing !== undefined && (
        <Dialog title={`Take ${removing.key} away?`} onClose={() => { remove(undefined) }} actions={<><Button look="quiet" onClick={() => { remove(undefined) }}>Cancel</Button><Button look="danger" busy={edit.isPending} onClick={() => { edit.mutate({ remove: removing.key }) }}>Take it away</Button></>}>
          <div className="grid gap-3">
            {inUse(removing, now)
              ? <p className="rounded-outer bg-warning-tint px-3 py-2">It is in use: last <TimeText at={removing.last_used} />. Whoever still sends with it is refused from then on, and what they send is lost unless they try again with another key.</p>
              : <p>{removing.last_used ? <>It was last used <TimeText at={removing.last_used} />.</> : 'Nothing is known to have used it.'} Whoever sends with it later is refused.</p>}
            {edit.error && <ErrorBox problem={problemOf(edit.error)} />}
          </div>
        </Dialog>
      )}
    </Part>
  )
}

/** changeOf finds the key in the file as it is now, which may have others than those that are served. */
async function changeOf(path: string, text: string, key: { add: string } | { remove: string }, field: string[]): Promise<FileChange> {
  if ('add' in key) return { op: 'append', path: field, value: key.add }
  const { values } = await call('read-values', { body: { text } })
  const keys = at(valuesOf(values), field)
  const i = Array.isArray(keys) ? keys.indexOf(key.remove) : -1
  if (i < 0) throw new ProblemError({ kind: 'conflict', status: 409, title: 'The key is gone', detail: `${key.remove} is not in ${path} any more: somebody has taken it away already.` })
  return { op: 'remove', path: [...field, i] }
}
