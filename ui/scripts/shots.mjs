// Takes pictures of every room and looks at each with axe. It fails on anything
// that the console says, a request that fails, or what axe finds.
//
//   node scripts/shots.mjs [ADDRESS] [parts of names, with commas between]
//
// Without an address it starts the example shop, with people in it. Pictures go
// to .shots, or to the folder SHOTS.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { start, trade } from './shop.mjs'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const folder = process.env.SHOTS ?? here('../.shots')
const axe = readFileSync(here('../node_modules/axe-core/axe.min.js'), 'utf8')
const pages = JSON.parse(readFileSync(here('shots.json'), 'utf8'))
const sizes = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 },
  // 1440 wide at 200 %.
  zoom: { width: 720, height: 450 } }
const settings = ['wide', 'phone', 'zoom'].flatMap((size) => ['light', 'dark'].map((theme) => ({ size, theme })))
mkdirSync(folder, { recursive: true })

async function act(page, step, said) {
  try {
    if (step.press) await page.keyboard.press(step.press)
    if (step.click) await page.locator(step.click).first().click({ timeout: 10_000 })
    if (step.type) await page.keyboard.type(step.type)
  } catch (thrown) {
    said.push(`${JSON.stringify(step)}: ${String(thrown).split('\n')[0]}`)
  }
  await page.waitForTimeout(step.wait ?? 500)
}

/** look runs axe in a world of its own, so that the page's policy stays in force. */
async function look(page) {
  const session = await page.context().newCDPSession(page)
  const { frameTree } = await session.send('Page.getFrameTree')
  const { executionContextId } = await session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id })
  await session.send('Runtime.evaluate', { expression: axe, contextId: executionContextId })
  const { result } = await session.send('Runtime.evaluate', { contextId: executionContextId, awaitPromise: true, returnByValue: true,
    expression: `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }).then((r) => r.violations.map((v) => v.id + ': ' + v.help + '\\n      ' + v.nodes.slice(0, 3).map((n) => n.target.join(' ') + '  ' + (n.failureSummary || '').split('\\n')[1]).join('\\n      ')))` })
  await session.detach()
  const wide = await page.evaluate('document.documentElement.scrollWidth > innerWidth + 1')
  return [...(wide ? ['the page scrolls sideways'] : []), ...(result.value ?? ['axe did not run'])]
}

// With DOCS=1 these go to the documentation as well.
const inDocs = { 'home-wide-light': 'home.webp', 'event-wide-dark': 'event.webp' }

async function keep(page, name) {
  const session = await page.context().newCDPSession(page)
  const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality: 85 })
  await session.detach()
  mkdirSync(here('../../docs/images'), { recursive: true })
  writeFileSync(here(`../../docs/images/${name}`), Buffer.from(data, 'base64'))
}

/** all takes the pictures whose name has a part, of those servers that run. */
async function all(browser, addresses, only) {
  let failed = 0
  for (const { size, theme } of settings) {
    const context = await browser.newContext({ viewport: sizes[size], deviceScaleFactor: size === 'zoom' ? 2 : 1, colorScheme: theme, reducedMotion: 'reduce' })
    const page = await context.newPage()
    let said = []
    page.on('console', (m) => { if (m.type() === 'error' || m.type() === 'warning') said.push(m.text()) })
    page.on('pageerror', (e) => said.push(String(e)))
    page.on('requestfailed', (r) => { if (!/ERR_ABORTED/.test(r.failure()?.errorText ?? '')) said.push(`${r.url()} ${r.failure()?.errorText}`) })
    page.on('response', (r) => { if (r.status() >= 400) said.push(`${r.status()} ${r.url()}`) })
    for (const { name, path, wait = 1200, steps = [], only: where, on = 'shop', offline, refused } of pages) {
      const base = addresses[on]
      if (!base || (where ?? (size === 'zoom' ? 'others' : size)) !== size || !only.split(',').some((part) => `${name}-${size}-${theme}`.includes(part))) continue
      said = []
      await page.goto(base + path)
      await page.waitForTimeout(wait)
      for (const step of steps) await act(page, step, said)
      if (offline) {
        await context.setOffline(true) // what is open stays open
        await page.waitForTimeout(6000)
      }
      await page.screenshot({ path: join(folder, `${name}-${size}-${theme}.png`) })
      if (process.env.DOCS && inDocs[`${name}-${size}-${theme}`]) await keep(page, inDocs[`${name}-${size}-${theme}`])
      const found = [...(refused || offline ? [] : said), ...await look(page)]
      await context.setOffline(false)
      failed += found.length
      console.log(`${found.length === 0 ? 'ok  ' : 'FAIL'} ${name} ${size} ${theme}${found.map((f) => `\n    ${f}`).join('')}`)
    }
    await context.close()
  }
  console.log(`The pictures are in ${folder}`)
  return failed
}

const given = process.argv.slice(2)
const named = given[0]?.startsWith('http') ? given.shift() : undefined
const shop = named ? undefined : await start()
const empty = named ? undefined : await start({ orders: false, empty: true })
const locked = named ? undefined : await start({ orders: false, token: 'a token of sixteen letters or more' })
const close = shop ? trade(shop, 40) : async () => {}
let failed = 1
try {
  // So that charts have something to show.
  if (shop) await new Promise((resolve) => setTimeout(resolve, process.env.DOCS ? 160_000 : 60_000))
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] })
  failed = await all(browser, { shop: named ?? shop?.address, empty: empty?.address, locked: locked?.address }, given[0] ?? '').finally(() => browser.close())
} finally {
  await close()
  for (const one of [shop, empty, locked]) await one?.stop()
}
process.exit(failed === 0 ? 0 : 1)
