import { CodeBlock } from '@/design/CodeBlock'
import { Icon } from '@/design/Icon'

/** A token that is shown this once. */
export function TokenOnce({ token, note, try: tryIt }: { token: string; note?: string; try?: string }) {
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-3">
      <p className="flex gap-2 rounded-outer bg-warning-tint px-3 py-2"><Icon name="rejected" className="mt-0.5 text-warning-text" /><span>Copy it now: it is shown this once, and kept nowhere. Whoever has it can do what the key may.</span></p>
      <CodeBlock label="Token" code={token} wrap className="[&_pre]:select-all" />
      {note && <p className="text-soft">{note}</p>}
      {tryIt && <div><h3 className="mb-1 text-12 font-medium text-soft">How it is sent</h3><CodeBlock label="curl" code={tryIt} wrap /></div>}
    </div>
  )
}

/** curlWith is a request that says whether a token works, without the token in it: it does not belong in the history of a shell. */
export const curlWith = (origin: string, server: boolean): string => `read -rs MILLRACE_TOKEN   # paste it\ncurl -H "Authorization: Bearer $MILLRACE_TOKEN" ${origin}${server ? '/metrics' : '/api/v1/status'}`
