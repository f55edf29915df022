import { useId, useState, type ReactNode } from 'react'
import { Button } from '@/design/Button'
import { IconButton } from '@/design/IconButton'
import { Input } from '@/design/Input'
import { Select } from '@/design/Select'
import type { FileProblem } from '@/api/schema'
import { at, isMap, numberOf, problemAt, put, same, written, type Path, type Value, type Values } from './edits'
import type { Field } from './form'

/** What the fields of the form share. */
export interface FormData {
  values: Values
  problems: FileProblem[]
  /** Paths that an alias repeats: they are changed in the text. */
  shared: Set<string>
  onValues: (values: Values) => void
  /** Columns that have a type, as table.column. */
  columns: string[]
  /** Secrets that are set, as references to them. */
  secrets: string[]
  /** Makes a key that nobody guesses. */
  makeKey: () => string
}

interface Props { field: Field; form: FormData }

/** One field of the file, as what it is. */
export function FieldControl({ field, form }: Props) {
  const value = at(form.values, field.path)
  if (form.shared.has(field.id)) return <Untouched field={field}>It is written once and repeated elsewhere in the file: change it in the file.</Untouched>
  if (!fits(field, value)) return <Untouched field={field}>It is written in a way that the form does not show: change it in the file.</Untouched>
  const set = (next: Value | undefined) => { form.onValues(put(form.values, field.path, next)) }
  const problem = problemAt(form.problems, field.path)
  switch (field.control) {
    case 'group': return <Group field={field} form={form} />
    case 'list': return <List field={field} form={form} items={Array.isArray(value) ? value : []} onItems={(items) => { set(items.length === 0 ? undefined : items) }} problem={problem} />
    case 'map': return <Pairs field={field} form={form} pairs={isMap(value) ? value : {}} onPairs={(pairs) => { set(Object.keys(pairs).length === 0 ? undefined : pairs) }} problem={problem} />
    case 'choice': return <Select label={field.label} value={written(value)} hint={field.hint} problem={problem} onValue={(v) => { set(v === '' ? undefined : v) }} options={choices(field, value, field.options)} />
    case 'flag': return <Select label={field.label} value={written(value)} hint={field.hint} problem={problem} onValue={(v) => { set(v === '' ? undefined : v === 'true') }} options={[{ value: '', label: `Default (${field.fallback === 'true' ? 'yes' : 'no'})` }, { value: 'true', label: 'Yes' }, { value: 'false', label: 'No' }]} />
    case 'number': return <Text field={field} value={value} problem={problem} read={numberOf} onText={set} />
    case 'text': case 'secret': return <Text field={field} value={value} problem={problem} offers={field.control === 'secret' ? form.secrets : undefined} read={(t) => t === '' ? undefined : t} onText={set} />
  }
}

/** choices are the options, and what is written although it is none. */
function choices(field: Field, value: Value | undefined, options: string[]) {
  const own = written(value)
  const none = field.fallback === undefined ? [] : [{ value: '', label: `Default (${field.fallback})` }]
  const strange = own !== '' && !options.includes(own) ? [{ value: own, label: own }] : []
  return [...(none.length > 0 || own === '' ? (none.length > 0 ? none : [{ value: '', label: 'Choose' }]) : []), ...options.map((o) => ({ value: o, label: o })), ...strange]
}

/** fits says whether a control can show a value. */
export function fits(field: Field, value: Value | undefined): boolean {
  if (value === undefined || value === null) return true
  const scalar = (v: Value) => typeof v !== 'object' || v === null
  switch (field.control) {
    case 'group': return isMap(value)
    case 'list': return Array.isArray(value) && value.every(scalar)
    case 'map': return isMap(value) && Object.values(value).every(scalar)
    case 'flag': return typeof value === 'boolean'
    case 'number': case 'choice': case 'text': case 'secret': return scalar(value)
  }
}

function Untouched({ field, children }: { field: Field; children: ReactNode }) {
  return <div className="grid gap-1"><p className="text-12 font-medium text-soft">{field.label}</p><p className="rounded-outer bg-hover px-2.5 py-1.5 text-12">{children}</p></div>
}

function Text({ field, value, problem, offers = field.offers.length > 1 ? field.offers : [], read, onText }: { field: Field; value: Value | undefined; problem?: string; offers?: string[]; read: (typed: string) => Value | undefined; onText: (value: Value | undefined) => void }) {
  // What was typed stays as it was typed ("1." on the way to "1.5") while it means what the file says.
  const [typed, setTyped] = useState(written(value))
  const shown = same(read(typed), value ?? undefined) ? typed : written(value)
  const list = useId()
  const plain = field.control === 'number' || field.id === 'dedup'
  return (
    <>
      <Input label={field.required ? `${field.label} (needed)` : field.label} mono={!plain} value={shown} problem={problem} hint={field.hint} placeholder={field.fallback ?? field.offers[0]} inputMode={field.control === 'number' ? 'decimal' : undefined}
        list={offers.length > 0 ? list : undefined} onChange={(e) => { setTyped(e.target.value); onText(read(e.target.value)) }} />
      {offers.length > 0 && <datalist id={list}>{offers.map((o) => <option key={o} value={o} />)}</datalist>}
    </>
  )
}

function Group({ field, form }: Props) {
  const problem = problemAt(form.problems, field.path)
  return (
    <div role="group" aria-label={field.label} className="grid gap-3">
      {problem && <p className="text-12 text-bad-text">{problem}</p>}
      <div className="grid gap-x-4 gap-y-3 wide:grid-cols-2">{field.fields.map((f) => <FieldControl key={f.id} field={f} form={form} />)}</div>
    </div>
  )
}

/** Several are the rows of a field, between its name and its hint as with any other. */
function Several({ field, problem, children }: { field: Field; problem?: string; children: ReactNode }) {
  const id = useId()
  return (
    <div role="group" aria-labelledby={id} aria-describedby={`${id}-more`} className="grid grid-cols-[minmax(0,1fr)] gap-1">
      <p id={id} className="text-12 font-medium text-soft">{field.label}</p>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-1.5">{children}</div>
      <p id={`${id}-more`} className={problem ? 'text-12 text-bad-text' : 'text-12 text-faint'}>{problem ?? field.hint}</p>
    </div>
  )
}

function List({ field, form, items, onItems, problem }: Props & { items: Value[]; onItems: (items: Value[]) => void; problem?: string }) {
  const [typed, setTyped] = useState('')
  const keys = field.id === 'write_keys'
  const add = (text: string) => { onItems([...items, text]); setTyped('') }
  return (
    <Several field={field} problem={problem}>
      {items.map((item, i) => (
        <Row key={i} label={`${field.label} ${i + 1}`} value={written(item)} problem={problemAt(form.problems, [...field.path, i] as Path)} onValue={(v) => { onItems(items.map((other, j) => j === i ? v : other)) }} onRemove={() => { onItems(items.filter((_, j) => j !== i)) }} />
      ))}
      {keys ? <div><Button small icon="plus" onClick={() => { add(form.makeKey()) }}>Add a key</Button></div> : (
        <div className="flex items-end gap-1">
          <Input className="grow" label={`Another of ${field.label.toLowerCase()}`} hideLabel mono value={typed} placeholder={field.offers[0]} onChange={(e) => { setTyped(e.target.value) }} onKeyDown={(e) => { if (e.key === 'Enter' && typed.trim()) { e.preventDefault(); add(typed.trim()) } }} />
          <Button className="w-14" disabled={typed.trim() === ''} onClick={() => { add(typed.trim()) }}>Add</Button>
        </div>
      )}
    </Several>
  )
}

function Row({ label, value, problem, onValue, onRemove }: { label: string; value: string; problem?: string; onValue: (value: string) => void; onRemove: () => void }) {
  return (
    <div className="flex items-start gap-1">
      <Input className="grow" label={label} hideLabel mono value={value} problem={problem} onChange={(e) => { onValue(e.target.value) }} />
      <IconButton icon="cross" className="w-14!" label={`Take ${value || label} away`} onClick={onRemove} />
    </div>
  )
}

function Pairs({ field, form, pairs, onPairs, problem }: Props & { pairs: Values; onPairs: (pairs: Values) => void; problem?: string }) {
  const list = useId()
  const [name, setName] = useState('')
  const first = field.options[0] ?? ''
  const [value, setValue] = useState(first)
  const clean = name.trim()
  const add = () => { if (clean && !Object.hasOwn(pairs, clean)) { onPairs({ ...pairs, [clean]: value }); setName('') } }
  const options = field.options.map((o) => ({ value: o, label: o }))
  return (
    <Several field={field} problem={problem}>
      {Object.entries(pairs).map(([key, v]) => {
        const wrong = problemAt(form.problems, [...field.path, key])
        return (
          <div key={key} className="grid gap-0.5">
            <div className="flex items-center gap-1">
              <code className="h-8 min-w-0 grow truncate rounded-outer bg-hover px-2.5 leading-8 font-mono text-12" title={key}>{key}</code>
              <Select className="w-32 shrink-0" label={`Type of ${key}`} hideLabel value={written(v)} onValue={(next) => { onPairs({ ...pairs, [key]: next }) }} options={options.some((o) => o.value === v) ? options : [...options, { value: written(v), label: written(v) }]} />
              <IconButton icon="cross" className="w-14!" label={`Take ${key} away`} onClick={() => { const { [key]: _, ...others } = pairs; onPairs(others) }} />
            </div>
            {wrong && <p className="text-12 text-bad-text">{wrong}</p>}
          </div>
        )
      })}
      <div className="flex items-end gap-1">
        <Input className="min-w-0 grow" label="Column" hideLabel mono list={list} placeholder="table.column" value={name} onChange={(e) => { setName(e.target.value) }} problem={Object.hasOwn(pairs, clean) ? 'It is there already' : undefined} onKeyDown={(e) => { if (e.key === 'Enter' && clean) { e.preventDefault(); add() } }} />
        <Select className="w-32 shrink-0" label="Its type" hideLabel value={value} onValue={setValue} options={options} />
        <Button className="w-14" disabled={clean === '' || Object.hasOwn(pairs, clean)} onClick={add}>Add</Button>
      </div>
      <datalist id={list}>{form.columns.filter((c) => !Object.hasOwn(pairs, c)).map((c) => <option key={c} value={c} />)}</datalist>
    </Several>
  )
}
