import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { problemOf, ProblemError } from '@/api/client'
import { Badge, type Meaning } from '@/design/Badge'
import { CodeBlock } from '@/design/CodeBlock'
import { ErrorBox } from '@/design/ErrorBox'
import { Icon } from '@/design/Icon'
import { Input } from '@/design/Input'
import { SkeletonRows } from '@/design/Skeleton'
import { View } from '@/design/View'
import { curl, operationsOf, typeText, type Document, type Operation } from './openapi'

const document = {
  queryKey: ['openapi'],
  staleTime: Infinity,
  queryFn: async () => {
    const response = await fetch('/api/openapi.json')
    if (!response.ok) throw new ProblemError({ kind: 'unavailable', status: response.status, title: 'The description was not given', detail: `GET /api/openapi.json answered ${response.status}.` })
    return await response.json() as Document
  },
}

/** The whole API, from its own description. */
export default function Docs() {
  const { data, error, refetch } = useQuery(document)
  const [typed, setTyped] = useState('')
  const wanted = typed.trim().toLowerCase()
  const shown = data ? operationsOf(data).filter((o) => `${o.method} ${o.path} ${o.summary} ${o.id}`.toLowerCase().includes(wanted)) : []
  const tags = [...new Set(shown.map((o) => o.tag))]
  return (
    <View crumbs={[{ title: 'The API' }]} scroll state={data && <span>{data.info.title} {data.info.version}, OpenAPI {data.openapi}</span>} actions={<a href="/api/openapi.json" className="inline-flex h-8 items-center gap-1.5 rounded-outer bg-hover px-3 font-medium hover:bg-active"><Icon name="download" size={14} />openapi.json</a>}>
      {error && !data ? <div className="p-4"><ErrorBox problem={problemOf(error)} onRetry={() => void refetch()} /></div> : !data ? <SkeletonRows /> : (
        <div className="mx-auto grid max-w-240 grid-cols-[minmax(0,1fr)] gap-6 p-4">
          <Input label="Filter operations" hideLabel icon="search" placeholder="Filter operations" value={typed} onChange={(e) => { setTyped(e.target.value) }} />
          {tags.map((tag) => (
            <section key={tag} aria-label={tag}>
              <h2 className="mb-2 text-15 font-semibold capitalize">{tag}</h2>
              <ul className="grid">{shown.filter((o) => o.tag === tag).map((o) => <li key={o.id} className="border-b border-line/60"><One operation={o} document={data} open={shown.length === 1} /></li>)}</ul>
            </section>
          ))}
        </div>
      )}
    </View>
  )
}

const colours: Record<string, Meaning> = { GET: 'info', POST: 'good', PUT: 'warning', PATCH: 'warning', DELETE: 'bad' }

function One({ operation, document, open }: { operation: Operation; document: Document; open: boolean }) {
  const { method, path, summary, description, params, body, answers } = operation
  return (
    <details open={open || undefined} className="group">
      <summary className="flex min-h-9 list-none items-baseline gap-x-3 py-1.5 hover:bg-hover">
        <Icon name="right" size={12} className="text-faint transition-transform group-open:rotate-90" />
        <span className="w-14"><Badge meaning={colours[method] ?? 'neutral'} mono>{method}</Badge></span>
        <span className="flex min-w-0 flex-wrap items-baseline gap-x-3"><code className="font-mono text-12 break-all">{path}</code><span className="text-soft">{summary}</span></span>
      </summary>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-4 py-3 pb-6 wide:pl-8">
        {description && <p className="max-w-160">{description}</p>}
        {params.length > 0 && <Fields title="Parameters" rows={params.map((p) => ({ name: p.name, about: `${p.in}${p.required ? ', required' : ''}`, type: typeText(p.schema, document), text: p.description ?? p.schema?.description }))} />}
        {body && <section><h3 className="mb-1 text-12 font-medium text-soft">Body</h3><CodeBlock label="Type of the body" code={typeText(body.schema, document, true)} />{body.example !== undefined && <div className="mt-2"><CodeBlock label="Example of the body" code={JSON.stringify(body.example, null, 2)} /></div>}</section>}
        {answers.map((a) => (
          <section key={a.status}><h3 className="mb-1 text-12 font-medium text-soft">{a.status} {a.description}</h3>
            {a.schema && <CodeBlock label={`Type of ${a.status}`} code={typeText(a.schema, document, true)} />}
            {a.example !== undefined && <div className="mt-2"><CodeBlock label={`Example of ${a.status}`} code={JSON.stringify(a.example, null, 2)} /></div>}
          </section>
        ))}
        {operation.errors.length > 0 && <p className="text-12 text-soft">Problems (RFC 9457): {operation.errors.join(', ')}</p>}
        <CodeBlock label="curl" code={curl(operation, location.origin)} />
      </div>
    </details>
  )
}

function Fields({ title, rows }: { title: string; rows: { name: string; about: string; type: string; text?: string }[] }) {
  return (
    <section>
      <h3 className="mb-1 text-12 font-medium text-soft">{title}</h3>
      <dl className="grid gap-2">{rows.map((row) => (
        <div key={row.about + row.name}><dt className="flex flex-wrap items-baseline gap-2"><code className="font-mono text-12 font-medium">{row.name}</code><span className="font-mono text-12 text-info-text">{row.type}</span><span className="text-12 text-faint">{row.about}</span></dt>{row.text && <dd className="text-soft">{row.text}</dd>}</div>
      ))}</dl>
    </section>
  )
}
