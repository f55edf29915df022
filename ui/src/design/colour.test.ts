// Reads tokens.css and proves that text can be read and chart hues told apart.
import { readFileSync } from 'node:fs'
import { expect, describe, test } from 'vitest'

type RGB = [number, number, number]

const css = readFileSync('src/design/tokens.css', 'utf8')
const themes = { light: tokens(css.slice(0, css.indexOf("[data-theme='dark']"))), dark: tokens(css.slice(css.indexOf("[data-theme='dark']"))) }

function tokens(text: string): Map<string, [number, number, number]> {
  const found = new Map<string, [number, number, number]>()
  for (const m of text.matchAll(/--([\w-]+): oklch\(([\d.]+) ([\d.]+) ([\d.]+)\)/g)) found.set(m[1] ?? '', [Number(m[2]), Number(m[3]), Number(m[4])])
  return found
}

/** linear sRGB of an OKLCH colour; clipped to what a screen shows. */
function linear([l, c, h]: [number, number, number]): RGB {
  const a = c * Math.cos((h * Math.PI) / 180)
  const b = c * Math.sin((h * Math.PI) / 180)
  const lms = [l + 0.3963377774 * a + 0.2158037573 * b, l - 0.1055613458 * a - 0.0638541728 * b, l - 0.0894841775 * a - 1.291485548 * b].map((v) => v ** 3) as RGB
  return [4.0767416621 * lms[0] - 3.3077115913 * lms[1] + 0.2309699292 * lms[2], -1.2684380046 * lms[0] + 2.6097574011 * lms[1] - 0.3413193965 * lms[2], -0.0041960863 * lms[0] - 0.7034186147 * lms[1] + 1.707614701 * lms[2]]
    .map((v) => Math.max(0, Math.min(1, v))) as RGB
}

const luminance = ([r, g, b]: RGB) => 0.2126 * r + 0.7152 * g + 0.0722 * b

function contrast(a: RGB, b: RGB): number {
  const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p) as [number, number]
  return (x + 0.05) / (y + 0.05)
}

/** oklab of linear sRGB, for how different two colours look. */
function lab([r, g, b]: RGB): RGB {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
  return [0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s, 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s, 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s]
}

// How linear sRGB looks to people without one kind of cone (Machado, Oliveira, Fernandes 2009).
const eyes: Record<string, [RGB, RGB, RGB]> = {
  most: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritanopia: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}

const seenBy = (eye: [RGB, RGB, RGB], c: RGB): RGB => eye.map((row) => Math.max(0, Math.min(1, row[0] * c[0] + row[1] * c[1] + row[2] * c[2]))) as RGB
const distance = (a: RGB, b: RGB) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2])

describe.each(Object.entries(themes))('%s', (_name, theme) => {
  const colour = (name: string): RGB => {
    const found = theme.get(name)
    if (!found) throw new Error(`no token ${name}`)
    return linear(found)
  }
  const meanings = ['accent', 'good', 'warning', 'bad', 'info']

  test('text is read on every surface', () => {
    for (const text of ['n10', 'n11', 'n12', ...meanings.map((m) => `${m}-text`)]) {
      for (const surface of ['n1', 'n2', 'n3']) expect(contrast(colour(text), colour(surface)), `${text} on ${surface}`).toBeGreaterThanOrEqual(4.5)
    }
    for (const text of ['n11', 'n12']) {
      for (const surface of ['n4', 'n5', 'accent-tint']) expect(contrast(colour(text), colour(surface)), `${text} on ${surface}`).toBeGreaterThanOrEqual(4.5)
    }
  })
  test('meanings are read on their tints, and text on what is solid', () => {
    for (const m of meanings) {
      for (const text of [`${m}-text`, 'n11', 'n12']) expect(contrast(colour(text), colour(`${m}-tint`)), `${text} on ${m}-tint`).toBeGreaterThanOrEqual(4.5)
    }
    for (const m of ['accent', 'bad']) expect(contrast(colour('on-solid'), colour(`${m}-solid`)), `on ${m}-solid`).toBeGreaterThanOrEqual(4.5)
    expect(contrast(colour('n1'), colour('n12')), 'tooltips').toBeGreaterThanOrEqual(7)
  })
  test('controls, dots and chart hues stand out', () => {
    for (const mark of ['n8', ...meanings.map((m) => `${m}-solid`), ...Array.from({ length: 8 }, (_, i) => `chart${i + 1}`)]) {
      expect(contrast(colour(mark), colour('n1')), mark).toBeGreaterThanOrEqual(3)
    }
  })
  test.each(Object.entries(eyes))('chart hues are told apart: %s', (_eye, eye) => {
    for (let i = 1; i <= 8; i++) {
      for (let j = 1; j < i; j++) {
        const apart = distance(lab(seenBy(eye, colour(`chart${i}`))), lab(seenBy(eye, colour(`chart${j}`))))
        expect(apart, `chart${i} and chart${j}`).toBeGreaterThanOrEqual(0.06)
      }
    }
  })
})
