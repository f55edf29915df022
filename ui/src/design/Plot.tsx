// The drawing part of Chart, loaded when the first chart is seen.
import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { clock, day, exact, number } from '@/format/format'
import { peaksOf, together } from './axis'
import { colourOf, type ChartProps } from './Chart'
import { huesOf } from './hues'
import { stackOf } from './stack'
import { useDark } from './theme'
import { useZone } from './zone'

export default function Plot(props: ChartProps) {
  const box = useRef<HTMLDivElement>(null)
  const dark = useDark()
  const zone = useZone()
  const plot = useRef<uPlot>(undefined)
  const shape = JSON.stringify([props.kind, props.series.map((s) => [s.name, s.meaning]), props.stacked, props.time, dark, zone, props.marks?.length, props.shown !== undefined, props.cap !== undefined, props.among])
  const current = useRef(props)
  useEffect(() => { current.current = props })
  useEffect(() => {
    const element = box.current
    if (!element) return
    const made = new uPlot(options(current, element, zone), dataOf(current.current), element)
    plot.current = made
    const sized = new ResizeObserver(() => { made.setSize({ width: element.clientWidth, height: element.clientHeight }) })
    sized.observe(element)
    return () => {
      sized.disconnect()
      made.destroy()
      plot.current = undefined
    }
  }, [shape, zone])
  useEffect(() => { plot.current?.setData(dataOf(props)) }, [props])
  return <div ref={box} className="relative h-full w-full" />
}

// Distances between times on the axis, in seconds.
const steps = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 5184000, 7776000, 15552000, 31536000, 63072000, 157680000]

// Distances between values on the axis that are round in their unit.
const scales = {
  bytes: Array.from({ length: 50 }, (_, i) => 2 ** i),
  seconds: [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800],
}

function xOf(props: ChartProps): number[] {
  return props.x.map((v, i) => typeof v === 'string' ? i : props.time ? v / 1000 : v)
}

/** dataOf stacks the series when they are to be stacked. */
function dataOf(props: ChartProps): uPlot.AlignedData {
  if (!props.stacked) return [xOf(props), ...props.series.map((s) => s.values)]
  return [xOf(props), ...stackOf(props.series.map((s) => s.values), props.kind === 'bar')]
}

function options(current: { current: ChartProps }, element: HTMLElement, zone: string): uPlot.Options {
  const props = current.current
  const style = getComputedStyle(document.documentElement)
  const colour = (value: string) => style.getPropertyValue(value.slice(4, -1)).trim()
  const named = huesOf(props.among ?? props.series.map((s) => s.name))
  const write = (v: number) => (current.current.write ?? number)(v)
  const faint = colour('var(--n10)')
  const grid = { stroke: colour('var(--n6)'), width: 1 }
  const font = `11px ${getComputedStyle(document.body).fontFamily}`
  const words = typeof props.x[0] === 'string'
  const series = props.series.map((s): uPlot.Series => {
    const stroke = colour(colourOf(s, named))
    const filled = props.kind === 'area' || props.kind === 'bar' || props.stacked === true
    return {
      label: s.name, stroke, width: 1.5, points: { show: props.kind === 'line' && props.x.length < 3 },
      fill: filled ? `color-mix(in oklab, ${stroke} ${props.kind === 'bar' ? 80 : 26}%, ${colour('var(--n1)')})` : undefined,
      paths: props.kind === 'bar' ? uPlot.paths.bars?.({ size: [0.8, 60], align: words ? 0 : 1 }) : undefined,
    }
  })
  if (props.stacked) series.reverse()
  const span = (u: uPlot) => (u.scales['x']?.max ?? 0) - (u.scales['x']?.min ?? 0)
  return {
    width: element.clientWidth || 300, height: element.clientHeight || 160, legend: { show: false },
    padding: [8, props.time ? 30 : 8, 0, 0],
    cursor: { drag: { x: props.onRange !== undefined, y: false, setScale: false }, points: { size: 6 }, y: false },
    scales: { x: { time: props.time === true, ...(words ? { range: (_u, least, most): [number, number] => [least - 0.5, most + 0.5] } : {}), ...(props.time && props.shown ? { range: (_u, least, most): [number, number] => { const shown = current.current.shown; return shown ? [shown.from / 1000, shown.until / 1000] : [least, most] } } : {}) }, y: { range: (_u, least, most) => [Math.min(0, least), current.current.cap ?? (most > 0 ? most * 1.08 : 1)] } },
    axes: [
      { stroke: faint, font, grid: { show: false }, ticks: { show: false }, size: 28, gap: 8, space: 90, ...(props.time ? { incrs: steps } : {}),
        values: (u, splits) => splits.map((v) => words ? (Number.isInteger(v) ? String(current.current.x[v] ?? '') : '') : props.time ? (span(u) > 300 * 86400 ? day(v * 1000, zone).slice(0, 7) : span(u) > 2 * 86400 ? day(v * 1000, zone).slice(5) : span(u) > 300 ? clock(v * 1000, zone).slice(0, 5) : clock(v * 1000, zone)) : number(v)) },
      { stroke: faint, font, grid, ticks: { show: false }, size: 62, gap: 4, ...(props.scale ? { incrs: scales[props.scale] } : {}), values: (_u, splits) => splits.map(write) },
    ],
    series: [{}, ...series],
    plugins: [hover(current, zone, write), marks(current, faint, colour('var(--n1)')), peaks(current, colour('var(--n11)'), colour('var(--n1)'), write)],
    hooks: {
      setSelect: [(u) => {
        if (u.select.width < 8) return
        const scale = props.time ? 1000 : 1
        current.current.onRange?.(u.posToVal(u.select.left, 'x') * scale, u.posToVal(u.select.left + u.select.width, 'x') * scale)
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
      }],
    },
  }
}

/** hover shows the values under the pointer. */
function hover(current: { current: ChartProps }, zone: string, write: (v: number) => string): uPlot.Plugin {
  const tip = document.createElement('div')
  tip.className = 'pointer-events-none absolute z-10 hidden rounded-inner bg-ink px-2 py-1 text-11 text-surface whitespace-nowrap'
  return { hooks: {
    init: [(u) => { u.over.append(tip) }],
    setCursor: [(u) => {
      const at = u.cursor.idx
      const props = current.current
      tip.classList.toggle('hidden', at === null || at === undefined || (u.cursor.left ?? -1) < 0)
      if (at === null || at === undefined) return
      const x = props.x[at]
      const rows = [typeof x === 'number' ? (props.time ? exact(x, zone).replace('.000', '') : number(x)) : String(x ?? '')]
      for (const s of props.series) { const v = s.values[at]; if (v !== null && v !== undefined) rows.push(`${s.name}: ${write(v)}`) }
      tip.replaceChildren(...rows.map((text) => Object.assign(document.createElement('div'), { textContent: text })))
      const left = u.cursor.left ?? 0
      tip.style.left = `${left > u.over.clientWidth / 2 ? left - tip.offsetWidth - 10 : left + 10}px`
      tip.style.top = '4px'
    }],
  } }
}

/** marks draws a line where something happened: a deploy, a restart. What happened at about the same time is one. */
function marks(current: { current: ChartProps }, stroke: string, surface: string): uPlot.Plugin {
  return { hooks: { draw: [(u) => {
    const { left, top, width, height } = u.bbox
    const ratio = uPlot.pxRatio
    const inside = (current.current.marks ?? []).filter((m) => { const x = u.valToPos(m.at / 1000, 'x', true); return x >= left && x <= left + width })
    let free = -Infinity // texts do not cover each other
    for (const { x: place, text } of together(inside, (at) => u.valToPos(at / 1000, 'x', true), 24 * ratio)) {
      const x = Math.round(place)
      u.ctx.save()
      u.ctx.strokeStyle = stroke
      u.ctx.lineWidth = ratio
      u.ctx.setLineDash([3 * ratio, 3 * ratio])
      u.ctx.beginPath()
      u.ctx.moveTo(x, top)
      u.ctx.lineTo(x, top + height)
      u.ctx.stroke()
      const wide = u.ctx.measureText(text).width
      const start = x + 8 * ratio + wide > left + width ? x - 6 * ratio - wide : x + 6 * ratio
      if (start > free) {
        u.ctx.textAlign = 'left'
        u.ctx.textBaseline = 'middle'
        u.ctx.globalAlpha = 0.8
        u.ctx.fillStyle = surface
        u.ctx.fillRect(start - 3 * ratio, top, wide + 6 * ratio, 16 * ratio)
        u.ctx.globalAlpha = 1
        u.ctx.fillStyle = stroke
        u.ctx.fillText(text, start, top + 8 * ratio)
        free = start + wide + 8 * ratio
      }
      u.ctx.restore()
    }
  }] } }
}

/** peaks tells at the top of what is higher than the chart is cut at. */
function peaks(current: { current: ChartProps }, stroke: string, surface: string, write: (v: number) => string): uPlot.Plugin {
  return { hooks: { draw: [(u) => {
    const { cap } = current.current
    if (cap === undefined) return
    const { left, top, width } = u.bbox
    const ratio = uPlot.pxRatio
    const tops = Array.from(u.data[0], (_, i) => Math.max(...u.data.slice(1).map((values) => values[i] ?? 0)))
    let free = -Infinity // texts do not cover each other
    for (const { at, value } of peaksOf(tops, cap)) {
      const x = Math.round(u.valToPos(u.data[0][at] ?? 0, 'x', true))
      const text = write(value)
      u.ctx.save()
      u.ctx.fillStyle = stroke
      u.ctx.beginPath()
      u.ctx.moveTo(x - 5 * ratio, top + 7 * ratio)
      u.ctx.lineTo(x, top)
      u.ctx.lineTo(x + 5 * ratio, top + 7 * ratio)
      u.ctx.fill()
      u.ctx.textAlign = 'left'
      u.ctx.textBaseline = 'middle'
      const wide = u.ctx.measureText(text).width
      const start = Math.max(left, Math.min(x + 8 * ratio, left + width - wide - 2 * ratio))
      if (start > free) {
        // Beneath the names of marks.
        u.ctx.globalAlpha = 0.8
        u.ctx.fillStyle = surface
        u.ctx.fillRect(start - 3 * ratio, top + 17 * ratio, wide + 6 * ratio, 16 * ratio)
        u.ctx.globalAlpha = 1
        u.ctx.fillStyle = stroke
        u.ctx.fillText(text, start, top + 25 * ratio)
        free = start + wide + 8 * ratio
      }
      u.ctx.restore()
    }
  }] } }
}
