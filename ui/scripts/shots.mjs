// Takes pictures of every room and looks at each with axe. It fails on anything
// that the console says, a request that fails, or what axe finds.
//
//   node scripts/shots.mjs http://127.0.0.1:8080 [part of a name]
import { mkdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const base = process.argv[2] ?? 'http://127.0.0.1:5173'
const only = process.argv[3] ?? ''
const folder = fileURLToPath(new URL('../.shots/', import.meta.url))
const axe = readFileSync(fileURLToPath(new URL('../node_modules/axe-core/axe.min.js', import.meta.url)), 'utf8')
mkdirSync(folder, { recursive: true })

const pages = JSON.parse(readFileSync(fileURLToPath(new URL('shots.json', import.meta.url)), 'utf8'))
const sizes = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } }

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] })
let failed = 0
for (const [size, viewport] of Object.entries(sizes)) {
  for (const theme of ['light', 'dark']) {
    const context = await browser.newContext({ viewport, colorScheme: theme, reducedMotion: 'reduce', bypassCSP: false })
    const page = await context.newPage()
    let said = []
    page.on('console', (m) => { if (m.type() === 'error' || m.type() === 'warning') said.push(m.text()) })
    page.on('pageerror', (e) => said.push(String(e)))
    page.on('requestfailed', (r) => { if (!/ERR_ABORTED/.test(r.failure()?.errorText ?? '')) said.push(`${r.url()} ${r.failure()?.errorText}`) })
    page.on('response', (r) => { if (r.status() >= 400) said.push(`${r.status()} ${r.url()}`) })
    for (const { name, path, wait = 1200, steps = [], only: where } of pages) {
      if ((where && where !== size) || !`${name}-${size}-${theme}`.includes(only)) continue
      said = []
      await page.goto(base + path)
      await page.waitForTimeout(wait)
      for (const step of steps) {
        try {
          if (step.press) await page.keyboard.press(step.press)
          if (step.click) await page.locator(step.click).first().click({ timeout: 4000 })
          if (step.type) await page.keyboard.type(step.type)
        } catch (thrown) {
          said.push(`${JSON.stringify(step)}: ${String(thrown).split('\n')[0]}`)
        }
        await page.waitForTimeout(step.wait ?? 500)
      }
      await page.screenshot({ path: `${folder}${name}-${size}-${theme}.png` })
      // In a world of its own, so that the page's policy stays in force.
      const session = await context.newCDPSession(page)
      const { frameTree } = await session.send('Page.getFrameTree')
      const { executionContextId } = await session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id })
      await session.send('Runtime.evaluate', { expression: axe, contextId: executionContextId })
      const { result } = await session.send('Runtime.evaluate', { contextId: executionContextId, awaitPromise: true, returnByValue: true,
        expression: `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }).then((r) => r.violations.map((v) => v.id + ': ' + v.help + '\\n      ' + v.nodes.slice(0, 3).map((n) => n.target.join(' ') + '  ' + (n.failureSummary || '').split('\\n')[1]).join('\\n      ')))` })
      const wide = await page.evaluate('document.documentElement.scrollWidth > innerWidth + 1')
      if (wide) said.push('the page scrolls sideways')
      const found = [...said, ...(result.value ?? ['axe did not run'])]
      failed += found.length
      console.log(`${found.length === 0 ? 'ok  ' : 'FAIL'} ${name} ${size} ${theme}${found.map((f) => `\n    ${f}`).join('')}`)
      await session.detach()
    }
    await context.close()
  }
}
await browser.close()
process.exit(failed === 0 ? 0 : 1)
