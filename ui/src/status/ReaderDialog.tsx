import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call, problemOf } from '@/api/client'
import type { Reader } from '@/api/schema'
import { Button } from '@/design/Button'
import { Dialog } from '@/design/Dialog'
import { ErrorBox } from '@/design/ErrorBox'
import { Input } from '@/design/Input'
import { toast } from '@/design/Toast'

export type ReaderAct = 'pause' | 'resume' | 'reset'

const texts: Record<ReaderAct, { title: string; verb: string; done: string; about: string }> = {
  pause: { title: 'Pause', verb: 'Pause', done: 'is paused', about: 'It keeps its place. Nothing is lost while the log and the archive keep what it has not read; what it feeds falls behind.' },
  resume: { title: 'Resume', verb: 'Resume', done: 'goes on', about: 'It goes on where it stopped, from the archive if the log has moved on.' },
  reset: { title: 'Begin again with', verb: 'Begin again', done: 'begins again', about: 'It reads everything once more, from the position below or from the very beginning. What it made before is made again, not doubled; until it is through, it is behind.' },
}

/** Asks before a reader is paused, resumed or begins again. */
export function ReaderDialog({ reader, act, onClose }: { reader: Reader; act: ReaderAct; onClose: () => void }) {
  const [after, setAfter] = useState('')
  const client = useQueryClient()
  const text = texts[act]
  const params = { name: reader.name }
  const doing = useMutation({
    mutationFn: () => {
      switch (act) {
        case 'pause': return call('pause-reader', { params })
        case 'resume': return call('resume-reader', { params })
        case 'reset': return call('reset-reader', { params, body: after.trim() ? { after: after.trim() } : {} })
      }
    },
    onSuccess: () => {
      toast(`${reader.name} ${text.done}`, { meaning: 'good' })
      onClose()
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['status'] }),
  })
  return (
    <Dialog title={`${text.title} ${reader.name}?`} onClose={onClose} actions={<>
      <Button look="quiet" onClick={onClose}>Cancel</Button>
      <Button look={act === 'reset' ? 'danger' : 'main'} busy={doing.isPending} onClick={() => { doing.mutate() }}>{text.verb}</Button>
    </>}>
      <div className="grid gap-3">
        <p>{text.about}</p>
        {act === 'reset' && <Input label="After position" mono value={after} onChange={(e) => { setAfter(e.target.value) }} placeholder="the very beginning" />}
        {doing.error && <ErrorBox problem={problemOf(doing.error)} />}
      </div>
    </Dialog>
  )
}
