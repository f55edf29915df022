import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call, problemOf } from '@/api/client'
import type { FileChange, Source } from '@/api/schema'
import { Button } from '@/design/Button'
import { CopyButton } from '@/design/CopyButton'
import { Dialog } from '@/design/Dialog'
import { ErrorBox } from '@/design/ErrorBox'
import { toast } from '@/design/Toast'
import { Part } from '@/design/View'
import { newKey } from './key'

/** The keys of a source. To rotate one, add another, move the senders over, and take the old one away: meanwhile both work. */
export function Keys({ source, dev }: { source: Source; dev: boolean }) {
  const [removing, remove] = useState<string>()
  const client = useQueryClient()
  const edit = useMutation({
    mutationFn: async (change: FileChange) => {
      const path = `sources/${source.name}.yaml`
      const { etag } = await call('read-file', { params: { path } })
      return await call('edit-file', { body: { path, etag, changes: [change] } })
    },
    onSuccess: (saved) => {
      remove(undefined)
      if (saved.problems.length > 0) toast(`${saved.path} was saved, but the project has a mistake: the version before goes on`, { meaning: 'warning' })
      else toast(`${saved.path} was saved`, { meaning: 'good' })
    },
    onSettled: () => Promise.all([client.invalidateQueries({ queryKey: ['sources'] }), client.invalidateQueries({ queryKey: ['files'] }), client.invalidateQueries({ queryKey: ['status'] })]),
  })
  return (
    <Part title={source.write_keys.length === 1 ? 'Write key' : 'Write keys'} actions={<Button small icon="plus" busy={edit.isPending && removing === undefined} onClick={() => { edit.mutate({ op: 'append', path: ['write_keys'], value: newKey(dev) }) }}>Add a key</Button>}>
      <ul className="grid">
        {source.write_keys.map((key) => (
          <li key={key} className="flex min-h-8 items-center gap-1 border-b border-line/60">
            <code className="font-mono text-12">{key}</code><CopyButton text={key} label={`Copy ${key}`} />
            {source.write_keys.length > 1 && <Button small look="quiet" className="ml-auto" onClick={() => { edit.reset(); remove(key) }}>Take away</Button>}
          </li>
        ))}
      </ul>
      <p className="mt-2 max-w-160 text-12 text-soft">To rotate a key, add another, move the senders over to it, and take the old one away. Meanwhile both work.</p>
      {edit.error && removing === undefined && <div className="mt-2"><ErrorBox problem={problemOf(edit.error)} /></div>}
      {removing !== undefined && (
        <Dialog title={`Take ${removing} away?`} onClose={() => { remove(undefined) }} actions={<><Button look="quiet" onClick={() => { remove(undefined) }}>Cancel</Button><Button look="danger" busy={edit.isPending} onClick={() => { edit.mutate({ op: 'remove', path: ['write_keys', source.write_keys.indexOf(removing)] }) }}>Take it away</Button></>}>
          <div className="grid gap-3"><p>Whoever still sends with it is refused from then on, and what they send is lost unless they try again with another key.</p>{edit.error && <ErrorBox problem={problemOf(edit.error)} />}</div>
        </Dialog>
      )}
    </Part>
  )
}
