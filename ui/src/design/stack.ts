type Values = (number | null)[]

/** stackOf is how high each series reaches when they stand on each other, the last one first: each is drawn over those above it. Of bars that are nothing not even a line is drawn. */
export function stackOf(series: Values[], bars: boolean): Values[] {
  const sums: number[] = []
  return series.map((values) => values.map((v, i) => {
    const sum = sums[i] = (sums[i] ?? 0) + (v ?? 0)
    return bars && (v ?? 0) === 0 ? null : sum
  })).reverse()
}
