// Loads the browser library in Chromium as a visitor does, and prints what
// happened as JSON. Standard input: {"chromium": path, "scenarios": [{"collect":
// base URL, "page": URL that takes the page with PUT, "html": page or null for
// the published snippet, "key": write key, "calls": how many to expect}]}.
import { chromium } from 'playwright-core'
import snippet from '@segment/snippet'
import { text } from 'node:stream/consumers'

process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
const { chromium: executablePath, scenarios } = JSON.parse(await text(process.stdin))

// Nothing but this machine resolves, so a request to any other service fails and is listed.
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--ignore-certificate-errors', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1'],
})

// standard is the published snippet with only its host changed.
function standard({ collect, key }) {
  const { host, protocol } = new URL(collect)
  const code = snippet.min({ apiKey: key, host, page: true }).replace('"https://', `"${protocol}//`)
  return `<!doctype html><title>Shop</title><script>${code}</script>`
}

async function prove(scenario) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true })
  const page = await context.newPage()
  const result = { urls: [], answers: [], errors: [] }
  let taken = 0
  let finish
  const done = new Promise((resolve) => { finish = resolve })
  page.on('request', (request) => result.urls.push(request.url()))
  page.on('console', (message) => { if (message.type() === 'error') result.errors.push(message.text()) })
  page.on('pageerror', (error) => result.errors.push(String(error)))
  page.on('response', async (response) => {
    const request = response.request()
    if (request.method() !== 'POST') return
    const headers = response.headers()
    result.answers.push({
      url: request.url(), status: response.status(), retry: request.headers()['x-retry-count'] ?? '',
      position: headers['millrace-position'] ?? '',
    })
    if (response.status() === 200 && ++taken === scenario.calls) finish()
  })
  await fetch(scenario.page, { method: 'PUT', body: scenario.html ?? standard(scenario) })
  await page.goto(scenario.page)
  await page.evaluate(() => {
    const a = window.analytics
    a.identify('u1', { plan: 'pro' })
    a.track('Order Completed', { total: 12.5 })
    a.group('g1', { name: 'Acme' })
    a.alias('u2')
  })
  await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 40000).unref())])
  await context.close()
  return result
}

try {
  console.log(JSON.stringify(await Promise.all(scenarios.map(prove))))
} finally {
  await browser.close()
}
