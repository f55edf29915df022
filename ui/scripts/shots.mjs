// Takes pictures of every room and looks at each with axe. It fails on anything
// that the console says, a request that fails, or what axe finds.
//
//   node scripts/shots.mjs [ADDRESS or FILE] [parts of names, with commas between]
//
// Without an address it starts the example shop, with people in it, and servers
// that people sign in to; a file is what control.mjs has written of servers that
// run. Pictures go to .shots, or to the folder SHOTS.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { fresh, full, unowned } from './control.mjs'
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
async function all(browser, servers, only) {
  let failed = 0
  for (const { size, theme } of settings) {
    const context = await browser.newContext({ viewport: sizes[size], deviceScaleFactor: size === 'zoom' ? 2 : 1, colorScheme: theme, reducedMotion: 'reduce' })
    const page = await context.newPage()
    let said = []
    page.on('console', (m) => { if (m.type() === 'error' || m.type() === 'warning') said.push(m.text()) })
    page.on('pageerror', (e) => said.push(String(e)))
    page.on('requestfailed', (r) => { if (!/ERR_ABORTED/.test(r.failure()?.errorText ?? '')) said.push(`${r.url()} ${r.failure()?.errorText}`) })
    page.on('response', (r) => { if (r.status() >= 400) said.push(`${r.status()} ${r.url()}`) })
    for (const { name, path, wait = 1200, steps = [], only: where, on = 'shop', as, link, offline, refused } of pages) {
      const { address: base, links, people } = servers[on] ?? {}
      if (!base || (where ?? (size === 'zoom' ? 'others' : size)) !== size || !only.split(',').some((part) => `${name}-${size}-${theme}`.includes(part))) continue
      await context.clearCookies()
      if (as) await context.addCookies([{ ...people[as], url: base, httpOnly: true, sameSite: 'Strict' }])
      said = []
      // So that a door is loaded anew with its token.
      if (link) await page.goto('about:blank')
      await page.goto(link ? base + links[link].slice(new URL(links[link]).origin.length) : base + path)
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
const named = /^http|\.json$/.test(given[0] ?? '') ? given.shift() : undefined
const wanted = given[0] ?? ''
/** needed says whether a picture that is wanted is of that server. */
const needed = (of) => pages.some(({ name, on = 'shop' }) => on === of && settings.some(({ size, theme }) => wanted.split(',').some((part) => `${name}-${size}-${theme}`.includes(part))))

const makers = { shop: () => start(), empty: () => start({ orders: false, empty: true }), locked: () => start({ orders: false, token: 'a token of sixteen letters or more' }), unowned, fresh, control: full }
const servers = named === undefined ? {} : named.startsWith('http') ? { shop: { address: named } } : JSON.parse(readFileSync(named, 'utf8'))
let failed = 1
let close = async () => {}
const started = []
try {
  if (named === undefined) {
    for (const [name, make] of Object.entries(makers)) if (needed(name)) started.push(servers[name] = await make())
    if (servers.shop) close = trade(servers.shop, 40)
    // So that charts have something to show.
    if (servers.shop) await new Promise((resolve) => setTimeout(resolve, process.env.DOCS ? 160_000 : 60_000))
  }
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] })
  failed = await all(browser, servers, wanted).finally(() => browser.close())
} finally {
  await close()
  for (const one of started) await one.stop()
}
process.exit(failed === 0 ? 0 : 1)
