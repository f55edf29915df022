import { useState } from 'react'
import type { FileProblem } from '@/api/schema'
import { cx } from '@/design/cx'
import { Icon } from '@/design/Icon'
import { Select } from '@/design/Select'
import { Part } from '@/design/View'
import { FieldControl, type FormData } from './Controls'
import { isWithin, put, type Values } from './edits'
import { sectionsOf, vendors, type Field } from './form'

/** All fields of a file under their headings. What the form has no field for is told of, and stays. */
export function FormFields({ fields, form, name }: { fields: Field[]; form: FormData; name: string }) {
  const [asked, ask] = useState<Proof>()
  const both = fields.some((f) => f.id === 'signature')
  const proof: Proof | undefined = !both ? undefined : asked ?? ('signature' in form.values ? 'signature' : 'keys')
  const hidden = proof === undefined ? [] : proof === 'keys' ? ['signature'] : ['write_keys']
  const shown = (f: Field) => !hidden.includes(f.id) || (asked === undefined && f.id in form.values)
  const turn = (to: Proof) => {
    ask(to)
    const rest = to === 'signature' ? put(form.values, ['write_keys'], undefined) : put(form.values, ['signature'], undefined)
    if (to === 'keys') form.onValues(put(rest, ['write_keys'], [form.makeKey()]))
    else form.onValues({ ...rest, signature: { header: 'X-Signature', secret: `\${secret:${name || 'webhook'}}` } })
  }
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-7">
      {sectionsOf(fields).map((section) => (
        <Part key={section.title} title={section.title}>
          <div className="grid grid-cols-[minmax(0,1fr)] gap-4">
            {section.about && <p className="-mt-2 text-12 text-soft">{section.about}</p>}
            {proof && section.fields.some((f) => f.id === 'signature') && <Proofs proof={proof} onProof={turn} form={form} name={name} />}
            {section.fields.filter(shown).map((f) => <FieldControl key={f.id} field={f} form={form} />)}
          </div>
        </Part>
      ))}
    </div>
  )
}

type Proof = 'keys' | 'signature'

function Proofs({ proof, onProof, form, name }: { proof: Proof; onProof: (proof: Proof) => void; form: FormData; name: string }) {
  const start = (id: string) => {
    const vendor = vendors.find((v) => v.id === id)
    if (!vendor) return
    const { event, eventID } = vendor
    form.onValues({ ...form.values, signature: { ...vendor.signature, secret: `\${secret:${name || vendor.id}}` }, ...(event ? { event } : {}), ...(eventID ? { id: eventID } : {}) })
  }
  const signature = form.values['signature'] as Values | undefined
  const like = vendors.find((v) => v.signature['header'] === signature?.['header'])
  return (
    <div className="grid gap-3 wide:grid-cols-2">
      <Select label="A delivery is proven by" value={proof} onValue={(v) => { onProof(v as Proof) }} options={[{ value: 'keys', label: 'A write key in its address' }, { value: 'signature', label: 'A signature of its vendor' }]} />
      {proof === 'signature' && <Select label="As signed by" value={like?.id ?? ''} onValue={start} options={[{ value: '', label: 'Somebody else' }, ...vendors.map((v) => ({ value: v.id, label: v.title }))]} />}
    </div>
  )
}

/** What is wrong and belongs to no field that is shown, and what the form leaves alone. */
export function FormNotes({ problems, path, fields, values, text, shared }: { problems: FileProblem[]; path: string; fields: Field[]; values: Values; text: string; shared: Set<string> }) {
  const others = problems.filter((p) => p.path !== path || !fields.some((f) => isWithin(p, f.id)))
  const unknown = Object.keys(values).filter((name) => name !== 'kind' && !fields.some((f) => f.id === name))
  const kept = [
    ...(/(^|\s)#/m.test(text.replace(/^# yaml-language-server:.*$/m, '')) ? ['its comments'] : []), ...(shared.size > 0 ? ['what is written once and repeated'] : []), ...unknown,
  ]
  return (
    <>
      <Problems problems={others} path={path} />
      {kept.length > 0 && <p className="text-12 text-soft">The form does not touch {kept.map((k, i) => <span key={k}>{i > 0 && ', '}{unknown.includes(k) ? <code className="font-mono">{k}</code> : k}</span>)}. Change those in the file.</p>}
    </>
  )
}

/** Mistakes as a list. */
export function Problems({ problems, path, className }: { problems: FileProblem[]; path: string; className?: string }) {
  if (problems.length === 0) return null
  return (
    <ul aria-label="Mistakes" className={cx('grid gap-1 rounded-outer bg-bad-tint px-3 py-2', className)}>
      {problems.map((p, i) => (
        <li key={i} className="flex gap-2"><Icon name="rejected" className="mt-0.5 text-bad-text" /><span className="min-w-0 break-words whitespace-pre-wrap">{(p.path !== path || p.line > 0) && <span className="mr-2 font-mono text-12 text-soft">{p.path !== path && p.path}{p.line > 0 && `${p.path !== path ? ':' : ''}${p.line}:${p.column}`}</span>}{p.message}</span></li>
      ))}
    </ul>
  )
}
