import { bytes, compact, number } from '@/format/format'

/** A number with its thousands; compact ones have the whole on hover. */
export function NumberText({ value, short = false }: { value: number | undefined | null; short?: boolean }) {
  if (short && value !== undefined && value !== null) return <span title={number(value)} className="tabular-nums">{compact(value)}</span>
  return <span className="tabular-nums">{number(value)}</span>
}

/** A size, with the bytes on hover. */
export function Bytes({ value }: { value: number | undefined }) {
  return <span title={value === undefined ? undefined : `${number(value)} bytes`} className="whitespace-nowrap tabular-nums">{bytes(value)}</span>
}
