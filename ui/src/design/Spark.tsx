import { capOf } from './axis'

interface Props {
  /** One for each step; null where nothing is known. */
  values: (number | null)[]
  width?: number
  height?: number
}

/** A line as small as a word, beside the number that it is the past of: a screen reader has the number. */
export function Spark({ values, width = 120, height = 24 }: Props) {
  const known = values.map((v) => v ?? 0)
  const most = capOf(known) ?? Math.max(...known, 0)
  if (values.length < 2 || most === 0) return <svg aria-hidden="true" width={width} height={height} className="block"><line x1={0} x2={width} y1={height - 1} y2={height - 1} stroke="var(--n6)" strokeWidth={1.5} /></svg>
  const points = known.map((v, i) => `${((i / (known.length - 1)) * width).toFixed(1)} ${(height - 1 - (Math.min(v, most) / most) * (height - 3)).toFixed(1)}`)
  return (
    <svg aria-hidden="true" width={width} height={height} className="block">
      <path d={`M0 ${height - 1} L${points.join(' L')} L${width} ${height - 1} Z`} fill="var(--accent-tint)" />
      <path d={`M${points.join(' L')}`} fill="none" stroke="var(--accent-solid)" strokeWidth={1.25} strokeLinejoin="round" />
    </svg>
  )
}
