import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { call, problemOf } from '@/api/client'
import { snippetsQuery } from '@/api/queries'
import type { Snippet, Source, TestSent } from '@/api/schema'
import { Button } from '@/design/Button'
import { CodeBlock } from '@/design/CodeBlock'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { Select } from '@/design/Select'
import { SkeletonRows } from '@/design/Skeleton'
import { Tabs } from '@/design/Tabs'
import { Part } from '@/design/View'
import { sentence } from '@/format/format'

/** Code that sends to a source with its key and address, and a test event from here. */
export function SetUp({ source }: { source: Source }) {
  const [key, setKey] = useState<string>()
  const [chosen, choose] = useState<string>()
  const { data, error, refetch } = useQuery(snippetsQuery(source.name, key))
  if (error && !data) return <div className="p-4"><ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /></div>
  if (!data) return <SkeletonRows />
  const shown = data.snippets.find((s) => s.id === chosen) ?? data.snippets[0]
  return (
    <div className="grid gap-8 p-4">
      <Part title="Send from your code" actions={source.write_keys.length > 1 && <Select label="Write key" hideLabel className="w-48" value={key ?? data.key ?? ''} onValue={setKey} options={source.write_keys.map((k) => ({ value: k, label: k }))} />}>
        {shown && <Tabs among label="Languages" tabs={data.snippets.map((s) => ({ id: s.id, label: s.title }))} chosen={shown.id} onChoose={choose} panelClassName="pt-3"><Code snippet={shown} /></Tabs>}
      </Part>
      <Test source={source.name} />
    </div>
  )
}

function Code({ snippet }: { snippet: Snippet }) {
  return (
    <div className="grid max-w-200 gap-2">
      {snippet.file && <p className="text-soft">Save as <code className="font-mono text-12">{snippet.file}</code></p>}
      <CodeBlock label={snippet.title} code={snippet.code} />
      {snippet.run && <><p className="text-soft">Run</p><CodeBlock label={`Command for ${snippet.title}`} code={snippet.run} /></>}
      {snippet.note && <p className="text-soft">{snippet.note}</p>}
    </div>
  )
}

function Test({ source }: { source: string }) {
  const client = useQueryClient()
  const test = useMutation({
    mutationFn: () => call('send-test-event', { params: { source }, body: {} }),
    onSettled: () => client.invalidateQueries({ queryKey: ['sources', source] }),
  })
  return (
    <Part title="Send a test event from here">
      <div className="grid max-w-200 gap-3">
        <p className="text-soft">It goes through intake as any other event does, and ends up in the log and the warehouse.</p>
        <div><Button icon="send" busy={test.isPending} onClick={() => { test.mutate() }}>Send a test event</Button></div>
        {test.error && <ErrorBox problem={problemOf(test.error)} />}
        {test.data && <Sent sent={test.data} />}
      </div>
    </Part>
  )
}

function Sent({ sent }: { sent: TestSent }) {
  return (
    <div role="status" className={`grid gap-2 rounded-outer px-3 py-2.5 ${sent.accepted ? 'bg-good-tint' : 'bg-bad-tint'}`}>
      <p className="flex items-center gap-2 font-semibold"><Icon name={sent.accepted ? 'check' : 'rejected'} className={sent.accepted ? 'text-good-text' : 'text-bad-text'} />{sent.accepted ? 'Intake took it' : sentence(sent.reason ?? 'It was not taken')}</p>
      {sent.position && sent.accepted && <p><Link to="/live/find" search={{ open: sent.position }} className="underline underline-offset-2">Follow its journey</Link></p>}
      <CodeBlock label="The same as curl" code={sent.request} wrap />
    </div>
  )
}
