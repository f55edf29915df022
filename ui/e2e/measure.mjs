// Measures the page in a real browser against the real binary, and writes what
// it found as one line of JSON. make bench calls it.
//
//   node e2e/measure.mjs '{"long": 600, "only": "live"}'
//
// long is how many seconds memory is watched. Times of the browser are medians.
import { readFileSync } from 'node:fs'
import { start, visit } from '../scripts/shop.mjs'
import { launch, until, wide } from './browser.mjs'

const { long = 600, runs = 5, only = '', chromium = '/usr/bin/chromium' } = JSON.parse(process.argv[2] ?? '{}')
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]
const say = (text) => { process.stderr.write(`… page: ${text}\n`) }
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

const phone = { latency: 40, downloadThroughput: 10e6 / 8, uploadThroughput: 5e6 / 8, offline: false }

/** firstLoad opens the page with nothing in the cache. */
async function firstLoad(browser, base, slow) {
  const context = await browser.newContext({ viewport: wide })
  const page = await context.newPage()
  const session = await context.newCDPSession(page)
  await session.send('Network.enable')
  if (slow) {
    await session.send('Network.emulateNetworkConditions', phone)
    await session.send('Emulation.setCPUThrottlingRate', { rate: 4 })
  }
  let bytes = 0
  const assets = new Set()
  session.on('Network.responseReceived', ({ requestId, response }) => { if (!response.url.includes('/api/')) assets.add(requestId) })
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => { if (assets.has(requestId)) bytes += encodedDataLength })
  await page.goto(base)
  await page.getByRole('region', { name: 'The river' }).waitFor()
  const { painted, seen } = await page.evaluate(() => ({ painted: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0, seen: performance.now() }))
  await context.close()
  return { bytes, painted, seen, requests: assets.size }
}

const rooms = [
  ['Sources', '/sources', 'a[href="/sources/shop"]'],
  ['Live', '/live', '[role=grid] [role=gridcell]'],
  ['Rejected', '/rejected', '[role=tabpanel] li'],
  ['Warehouse', '/warehouse', '[role=group][aria-label]'],
  ['Project', '/project', 'aside li'],
  ['Status', '/status', '[role=tabpanel] dl'],
  ['Home', '/', '[aria-label="The river"]'],
]

/** routes clicks through the rooms twice: the first time their code comes too. */
async function routes(browser, base) {
  const context = await browser.newContext({ viewport: wide })
  const page = await context.newPage()
  await page.goto(base)
  await page.getByRole('region', { name: 'The river' }).waitFor()
  const times = [new Map(), new Map()]
  for (const round of times) {
    for (const [name, to, what] of rooms) {
      round.set(name, await page.evaluate(([href, selector]) => new Promise((resolve) => {
        const began = performance.now()
        const look = () => {
          if (location.pathname === href && document.querySelector(selector)) requestAnimationFrame(() => { resolve(performance.now() - began) })
          else requestAnimationFrame(look)
        }
        document.querySelector(`nav a[href="${href}"]`).click()
        look()
      }), [to, what]))
      await sleep(200)
    }
  }
  await context.close()
  return times
}

/** frames counts what is drawn for some seconds. */
const frames = (page, seconds) => page.evaluate((s) => new Promise((resolve) => {
  const gaps = []
  let last = performance.now()
  const end = last + s * 1000
  const next = (now) => {
    gaps.push(now - last)
    last = now
    if (now < end) requestAnimationFrame(next)
    else {
      gaps.shift()
      gaps.sort((a, b) => a - b)
      resolve({ perSecond: 1000 * gaps.length / gaps.reduce((a, b) => a + b, 0), p99: gaps[Math.floor(gaps.length * 0.99)], worst: gaps.at(-1) })
    }
  }
  requestAnimationFrame(next)
}), seconds)

/** load sends events at a rate until stopped, and counts them. */
function load(shop, perSecond) {
  const many = 250
  let on = true
  let sent = 0
  const began = Date.now()
  const run = (async () => {
    while (on) {
      const due = (Date.now() - began) / 1000 * perSecond
      if (sent + many > due) { await sleep(5); continue }
      sent += many
      await shop.send('web', Array.from({ length: many }, visit))
    }
  })()
  return { sent: () => sent, rate: () => sent / ((Date.now() - began) / 1000), stop: async () => { on = false; await run } }
}

async function live(browser, shop) {
  const context = await browser.newContext({ viewport: wide })
  const page = await context.newPage()
  const session = await context.newCDPSession(page)
  await session.send('Performance.enable')
  const all = await browser.newBrowserCDPSession()
  await page.goto(`${shop.address}/live`)
  await page.getByRole('grid', { name: 'Records as they arrive' }).waitFor()
  // Of the browser's processes the one that draws the tab, with its worker, is the busiest.
  const resident = async () => {
    const renderers = (await all.send('SystemInfo.getProcessInfo')).processInfo.filter((p) => p.type === 'renderer')
    const mine = renderers.reduce((a, b) => b.cpuTime > a.cpuTime ? b : a)
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${mine.id}/status`, 'utf8'))?.[1] ?? 0) * 1024
  }
  const heap = async () => {
    await session.send('HeapProfiler.collectGarbage')
    await session.send('HeapProfiler.collectGarbage')
    const { metrics } = await session.send('Performance.getMetrics')
    return { heap: metrics.find((m) => m.name === 'JSHeapUsedSize').value, nodes: metrics.find((m) => m.name === 'Nodes').value, resident: await resident() }
  }
  const sending = load(shop, 5000)
  try {
    await sleep(10_000)
    const drawn = await frames(page, 10)
    say(`${Math.round(drawn.perSecond)} frames/s, sent ${Math.round(sending.rate())} events/s`)
    const samples = []
    const began = Date.now()
    for (let at = 0; at <= 10; at++) {
      await sleep(Math.max(0, began + at * long * 100 - Date.now()))
      samples.push({ at: (Date.now() - began) / 1000, ...await heap() })
      say(`${Math.round(samples.at(-1).at)} s: heap ${(samples.at(-1).heap / 1e6).toFixed(1)} MB, resident ${(samples.at(-1).resident / 1e6).toFixed(0)} MB`)
    }
    const later = await frames(page, 10)
    const told = page.getByText(/not shown: too fast/)
    const lost = await told.count() > 0 ? Number((await told.first().innerText()).replace(/\D/g, '')) : 0
    return { drawn, later, samples, rate: sending.rate(), lost, sent: sending.sent() }
  } finally {
    await sending.stop()
    await context.close()
  }
}

/** grid scrolls through a million rows and looks at every frame whether rows are missing. */
async function grid(browser, base) {
  const context = await browser.newContext({ viewport: wide })
  const page = await context.newPage()
  page.setDefaultTimeout(120_000)
  const sql = "SELECT i AS number, i * 2 AS twice, 'row ' || i AS name, i % 97 AS rest, i / 7.0 AS seventh FROM range(1000000) AS t(i)"
  await page.goto(`${base}/warehouse?sql=${encodeURIComponent(sql)}`)
  const began = Date.now()
  await page.getByRole('button', { name: /^Run/ }).click()
  await page.getByRole('gridcell').first().waitFor()
  const answered = Date.now() - began
  await until('a million rows', () => page.evaluate(() => Number(document.querySelector('[role=grid][aria-rowcount]')?.getAttribute('aria-rowcount')) > 1_000_000))
  const found = await page.evaluate(async () => {
    const box = document.querySelector('[role=grid]')
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve))
    const missing = () => {
      const rows = box.querySelectorAll('[role=rowgroup] [role=row]')
      if (rows.length === 0 || box.querySelector('[role=rowgroup] .skeleton')) return true
      const [top, bottom] = [box.getBoundingClientRect().top + 32, box.getBoundingClientRect().bottom]
      const seen = [...rows].map((r) => r.getBoundingClientRect())
      return Math.min(...seen.map((r) => r.top)) > top + 1 || Math.max(...seen.map((r) => r.bottom)) < bottom - 1
    }
    const blanks = []
    let since = 0
    const look = () => {
      const now = performance.now()
      if (missing()) since ||= now
      else if (since) { blanks.push(now - since); since = 0 }
    }
    // As with a wheel, 4,000 pixels a second.
    let last = await frame()
    const gaps = []
    for (const end = last + 10_000; last < end;) {
      const now = await frame()
      box.scrollTop += (now - last) * 4
      gaps.push(now - last)
      last = now
      look()
    }
    const wheel = Math.max(0, ...blanks)
    blanks.length = 0
    // As with the scroll bar, to anywhere.
    for (let i = 0; i < 40; i++) {
      box.scrollTop = box.scrollHeight * ((i * 0.618034) % 1)
      for (const end = performance.now() + 250; performance.now() < end;) { await frame(); look() }
    }
    blanks.sort((a, b) => a - b)
    gaps.sort((a, b) => a - b)
    return { wheel, jump: blanks.at(-1) ?? 0, jumpMedian: blanks[Math.floor(blanks.length / 2)] ?? 0, perSecond: 1000 * gaps.length / gaps.reduce((a, b) => a + b, 0) }
  })
  await context.close()
  return { ...found, answered }
}

const shop = await start()
const browser = await launch(chromium)
const found = {}
try {
  await shop.send('web', Array.from({ length: 400 }, visit))
  if ('load'.includes(only)) {
    found.load = await series(runs, () => firstLoad(browser, shop.address, false))
    found.slow = await series(runs, () => firstLoad(browser, shop.address, true))
    say(`first load ${Math.round(found.load.seen)} ms, ${Math.round(found.load.bytes / 1024)} KiB`)
  }
  if ('routes'.includes(only)) {
    const [first, again] = await routes(browser, shop.address)
    found.routes = Object.fromEntries(rooms.map(([name]) => [name, { first: first.get(name), again: again.get(name) }]))
  }
  if ('grid'.includes(only)) found.grid = await grid(browser, shop.address)
  if ('live'.includes(only)) found.live = await live(browser, shop)
} finally {
  await browser.close()
  await shop.stop()
}
process.stdout.write(JSON.stringify(found) + '\n')

/** series measures several times and takes the median of each figure. */
async function series(times, measure) {
  const all = []
  for (let i = 0; i < times; i++) all.push(await measure())
  return Object.fromEntries(Object.keys(all[0]).map((key) => [key, median(all.map((one) => one[key]))]))
}
