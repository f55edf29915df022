import { rate } from '@/format/format'
import { Chart } from './Chart'

const start = Date.parse('2026-01-31T08:00:00Z')
const x = Array.from({ length: 90 }, (_, i) => start + i * 120_000)
const wave = (k: number) => x.map((_, i) => Math.round(60 + 40 * Math.sin(i / 7 + k) + (i * k) / 4))
const names = ['web', 'shop', 'ios', 'android']

export const title = 'Chart'
export const stories = {
  line: () => <Chart label="Events by source" kind="line" time x={x} series={names.map((name, i) => ({ name, values: wave(i) }))} write={rate} marks={[{ at: start + 3_000_000, text: 'reload' }]} />,
  'stacked area': () => <Chart label="Events by source" kind="area" stacked time x={x} series={names.map((name, i) => ({ name, values: wave(i) }))} />,
  bar: () => <Chart label="Orders by country" kind="bar" x={['GB', 'DE', 'FR', 'BR']} series={[{ name: 'orders', values: [120, 80, 64, 31] }]} />,
}
