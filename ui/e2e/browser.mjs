// Drives a real browser over the page and watches it: whatever the console
// says, a request that fails or goes to another host, and what axe finds fail
// the scene in which it happens.
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const axe = readFileSync(fileURLToPath(new URL('../node_modules/axe-core/axe.min.js', import.meta.url)), 'utf8')
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

/** How long anything may take on a machine that does other things too, in milliseconds. */
export const patience = Number(process.env.E2E_PATIENCE ?? 45_000)

export const wide = { width: 1440, height: 900 }
export const phone = { width: 390, height: 844 }
/** 200 % zoom of a window of 1440 by 900. */
export const zoomed = { width: 720, height: 450 }

export const launch = (executablePath) => chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] })

/** until waits for something to be so: it is asked again and again, and what it answers last is told when it never is. */
export async function until(what, ask, limit = patience) {
  const end = Date.now() + limit
  let last
  for (;;) {
    try {
      last = await ask()
      if (last) return last
    } catch (thrown) { last = thrown }
    if (Date.now() > end) throw new Error(`not in ${limit / 1000} s: ${what}; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** same fails when two values are not the same. */
export function same(what, got, want) {
  if (JSON.stringify(got) !== JSON.stringify(want)) throw new Error(`${what}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`)
}

/** A tab with what is known of it. */
export class Tab {
  constructor(page, base) {
    this.page = page
    this.base = base
    this.wrong = []
    this.trace = []
    this.allowed = []
    const host = new URL(base).host
    const fail = (text) => { this.wrong.push(text); this.note(`FAULT ${text}`) }
    page.on('console', (m) => {
      this.note(`console ${m.type()}: ${m.text()}`)
      // Of an answer that the scene expects the browser speaks on its own.
      if (['error', 'warning'].includes(m.type()) && !(m.text().startsWith('Failed to load resource') && this.allowed.some((a) => m.text().includes(String(a))))) fail(`the console says: ${m.text()} (${m.location().url})`)
    })
    page.on('pageerror', (e) => { fail(`an error that nobody caught: ${e.stack ?? e}`) })
    page.on('request', (r) => {
      const url = new URL(r.url())
      if (!['data:', 'blob:'].includes(url.protocol) && url.host !== host) fail(`a request to another host: ${r.url()}`)
    })
    page.on('requestfailed', (r) => {
      const why = r.failure()?.errorText ?? ''
      this.note(`${r.method()} ${r.url()}: ${why}`)
      if (!why.includes('ERR_ABORTED')) fail(`a request failed: ${r.url()}: ${why}`)
    })
    page.on('response', (r) => {
      this.note(`${r.status()} ${r.request().method()} ${r.url().replace(base, '')}`)
      if (r.status() >= 400 && !this.allowed.includes(r.status())) fail(`an answer of ${r.status()}: ${r.request().method()} ${r.url()}`)
    })
    page.on('framenavigated', (f) => { this.note(`at ${f.url().replace(base, '')}`) })
  }

  note(text) {
    this.trace.push(`${new Date().toISOString().slice(11, 23)} ${text}`)
    if (this.trace.length > 400) this.trace.shift()
  }

  /** allow says which answers are part of the scene. */
  allow(...statuses) { this.allowed = statuses }

  async go(path) {
    this.note(`go ${path}`)
    await this.page.goto(this.base + path)
  }

  role(role, name, options = {}) { return this.page.getByRole(role, { name, ...options }) }
  text(text) { return this.page.getByText(text) }

  /** menu is the button of what else the view can do: a phone has another of that name for rooms. */
  get menu() { return this.page.locator('main header').getByRole('button', { name: 'More', exact: true }) }

  /** see waits until something is seen, and returns all of it that is: who clicks says which, when there is more than one. */
  async see(what) {
    const locator = (typeof what === 'string' || what instanceof RegExp ? this.text(what) : what).filter({ visible: true })
    this.note(`see ${what}`)
    await locator.first().waitFor({ timeout: patience })
    return locator
  }

  /** gone waits until none of it is seen. */
  async gone(what) {
    const locator = (typeof what === 'string' || what instanceof RegExp ? this.text(what) : what).filter({ visible: true })
    this.note(`gone ${what}`)
    await locator.first().waitFor({ state: 'hidden', timeout: patience })
  }

  async click(locator) {
    this.note(`click ${locator}`)
    await locator.click({ timeout: patience })
  }

  async press(...keys) {
    for (const key of keys) {
      this.note(`press ${key}`)
      await this.page.keyboard.press(key)
    }
  }

  async type(text) {
    this.note(`type ${text}`)
    await this.page.keyboard.type(text)
  }

  /** address is path and query of where the tab is. */
  get address() { return this.page.url().replace(this.base, '') }

  /** at waits until the address is so. */
  at(pattern) { return until(`the address ${pattern}`, () => pattern.test(this.address) || Promise.reject(new Error(this.address))) }

  /** focus says what has the keyboard: its role or element, and its name. */
  focus() {
    return this.page.evaluate(() => {
      let e = document.activeElement
      while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement
      return e === null || e === document.body ? '' : `${e.getAttribute('role') ?? e.tagName.toLowerCase()} ${e.getAttribute('aria-label') ?? (e.textContent ?? '').trim().slice(0, 40)}`.trim()
    })
  }

  /** kept fails when nothing has the keyboard. */
  kept(when) { return until(`something has the focus ${when}`, () => this.focus()) }

  /** settled waits until skeletons have gone and nothing turns any more. */
  async settled() {
    await this.page.waitForLoadState('load')
    await until('the page shows what it has', () => this.page.evaluate(() => document.querySelector('h1, form') !== null && document.querySelector('.skeleton') === null && document.getAnimations().every((a) => a.effect?.getComputedTiming().iterations === Infinity || a.playState !== 'running')))
  }

  /** sound lets axe look, by those rules, and at whether the page is wider than its window. */
  async sound(where, runOnly = rules) {
    await this.settled()
    // In a world of its own, so that the page's policy stays in force.
    const session = await this.page.context().newCDPSession(this.page)
    const { frameTree } = await session.send('Page.getFrameTree')
    const { executionContextId } = await session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id })
    await session.send('Runtime.evaluate', { expression: axe, contextId: executionContextId })
    const { result } = await session.send('Runtime.evaluate', { contextId: executionContextId, awaitPromise: true, returnByValue: true,
      expression: `axe.run(document, { runOnly: ${JSON.stringify(runOnly)}, resultTypes: ['violations'] }).then((r) => r.violations.map((v) => v.id + ': ' + v.help + ': ' + v.nodes.slice(0, 3).map((n) => n.target.join(' ') + ' ' + (n.failureSummary || '').split('\\n').slice(1).join(' ')).join('; ')))` })
    await session.detach()
    for (const found of result.value ?? ['axe did not run']) this.wrong.push(`axe at ${where}: ${found}`)
    const over = await this.page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    if (over > 1) this.wrong.push(`${where} scrolls sideways by ${over} pixels`)
  }

  /** soundInBoth lets axe look in both themes, of which only the colours differ; the page follows the system. */
  async soundInBoth(where) {
    const theme = async (colorScheme) => {
      await this.page.emulateMedia({ colorScheme })
      await until(`the theme is ${colorScheme}`, () => this.page.evaluate((wanted) => document.documentElement.dataset.theme === wanted, colorScheme))
    }
    await this.sound(`${where}, light`)
    await theme('dark')
    await this.sound(`${where}, dark`, { type: 'rule', values: ['color-contrast'] })
    await theme('light')
  }

  /** copied is what the page has put on the clipboard. */
  copied() { return this.page.evaluate(() => navigator.clipboard.readText()) }
}

/** A Play runs scenes, each in a fresh browser profile, and writes a line of JSON about each. */
export class Play {
  constructor({ browser, base, folder, only }) {
    this.browser = browser
    this.base = base
    this.folder = folder
    this.only = only ? new RegExp(only) : undefined
    mkdirSync(folder, { recursive: true })
  }

  /** scene runs one story. Options are those of a browser context. */
  async scene(name, options, story) {
    if (this.only && !this.only.test(name)) return
    const began = Date.now()
    const context = await this.browser.newContext({ viewport: wide, colorScheme: 'light', timezoneId: 'Europe/London', locale: 'en-GB', ...options })
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: this.base })
    context.setDefaultTimeout(patience)
    const tab = new Tab(await context.newPage(), this.base)
    let text
    try {
      await story(tab)
    } catch (thrown) {
      text = thrown.stack ?? String(thrown)
    }
    if (text || tab.wrong.length > 0) {
      const picture = join(this.folder, `${name.replace(/[^a-z0-9]+/gi, '-')}.png`)
      await tab.page.screenshot({ path: picture }).catch(() => {})
      const seen = await tab.page.locator('body').ariaSnapshot().catch((e) => String(e))
      text = [...tab.wrong, text, `picture: ${picture}`, `at ${tab.page.url()}, focus on ${await tab.focus().catch(() => '?')}`, '', 'What was to be seen:', seen.slice(0, 6000), '', 'What happened last:', ...tab.trace.slice(-80)].filter((t) => t !== undefined).join('\n')
    }
    await context.close()
    process.stdout.write(JSON.stringify({ scene: name, seconds: (Date.now() - began) / 1000, failure: text }) + '\n')
  }
}
