// Starts the example shop with the real binary in a folder of its own: two years
// of orders, and a page and an app that send as long as it runs.
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
export const binary = process.env.MILLRACE_BINARY ?? join(root, 'bin', 'millrace')

const sources = {
  web: '# What the pages of the shop send.\nkind: http\nwrite_keys: [dev_web]\ntypes:\n  order_completed.total: double\n',
  ios: '# The app.\nkind: http\nwrite_keys: [dev_ios]\n',
}
const files = [
  ['orders.csv', 'Order Placed', ['--id', 'invoice_id', '--user', 'customer_id', '--time', 'invoice_date']],
  ['items.csv', 'Item Sold', ['--user', 'CustomerID', '--time', 'InvoiceDate']],
]

export const freePort = () => new Promise((resolve, reject) => {
  const server = createServer().on('error', reject).listen(0, '127.0.0.1', () => { const { port } = server.address(); server.close(() => { resolve(port) }) })
})

export async function until(what, ask) {
  for (const end = Date.now() + 60_000; Date.now() < end;) {
    try { if (await ask()) return } catch { /* not yet */ }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`not in a minute: ${what}`)
}

const queries = {
  'orders-a-day': `SELECT date_trunc('day', "timestamp") AS day, count(*) AS orders\nFROM shop.order_placed\nGROUP BY day\nORDER BY day\n`,
  'best-sellers': 'SELECT product, count(*) AS n\nFROM web.product_added\nGROUP BY product\nORDER BY n DESC\n',
}

/**
 * start runs the shop and returns its address, a way to send to it, and how to
 * stop it. Without sources it is the project of somebody's first day; with a
 * token only whoever knows it gets in.
 */
export async function start({ orders = true, empty = false, token } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-shop-'))
  const project = join(folder, 'shop')
  mkdirSync(project)
  cpSync(join(root, 'examples', 'shop', 'millrace.yaml'), join(project, 'millrace.yaml'))
  if (!empty) {
    cpSync(join(root, 'examples', 'shop', 'sources'), join(project, 'sources'), { recursive: true })
    for (const [name, text] of Object.entries(sources)) writeFileSync(join(project, 'sources', `${name}.yaml`), text)
    mkdirSync(join(project, 'queries'))
    for (const [name, text] of Object.entries(queries)) writeFileSync(join(project, 'queries', `${name}.sql`), text)
  }
  const address = `http://127.0.0.1:${await freePort()}`
  const server = spawn(binary, [token ? 'serve' : 'dev', project, '--listen', address.slice(7), '--data', join(folder, 'data'), '--quiet'], { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...(token && { MILLRACE_ADMIN_TOKEN: token }) } })
  const ended = new Promise((resolve) => { server.on('exit', resolve) })
  const stop = async () => {
    server.kill('SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await until('the server is ready', async () => (await fetch(`${address}/readyz`)).ok)
    if (orders) for (const [name, event, args] of files) {
      execFileSync(binary, ['send', join(root, 'examples', 'shop', 'data', name), '--source', 'shop', '--server', address, '--event', event, '--time-format', 'M/D/YY H:MM', '--time-zone', 'Europe/London', '--json', ...args],
        { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, XDG_STATE_HOME: join(folder, 'sent') } })
    }
  } catch (thrown) {
    await stop()
    throw thrown
  }
  return { address, server, stop, send: (source, batch) => send(address, source, batch) }
}

async function send(address, source, batch) {
  const response = await fetch(`${address}/v1/batch`, { method: 'POST', headers: { Authorization: `Basic ${Buffer.from(`dev_${source}:`).toString('base64')}` }, body: JSON.stringify({ batch }) })
  if (!response.ok && response.status !== 400) throw new Error(`intake answers ${response.status}`)
  await response.arrayBuffer()
}

const goods = [['Hanging heart lantern', 2.95], ['Cake stand, three tiers', 12.75], ['Party bunting', 4.95], ['Vintage clock', 14.95], ['Red retro kettle', 19.95], ['Jam making set', 4.25]]
const pages = ['/', '/lanterns', '/kitchen', '/garden', '/gifts', '/basket', '/checkout']
const people = ['ada', 'grace', 'linus', 'margaret', 'alan', 'barbara', 'edsger', 'katherine', 'donald', 'radia']
const pick = (list) => list[Math.floor(Math.random() * list.length)]

let made = 0

/** visit is one thing that somebody does in the shop; a few of them are wrong, or sent twice. */
export function visit() {
  const userId = `${pick(people)}@example.com`
  const messageId = `m-${Date.now().toString(36)}-${made++}`
  const context = { page: { url: `https://shop.example.com${pick(pages)}`, referrer: 'https://www.example.org/search' }, userAgent: 'Mozilla/5.0', locale: pick(['en-GB', 'fr-FR', 'de-DE']) }
  const track = (event, properties) => ({ type: 'track', event, userId, messageId, context, properties })
  const [product, price] = pick(goods)
  const chance = Math.random()
  if (chance < 0.004) return { type: 'track', userId, messageId, properties: { total: price } }
  if (chance < 0.006) return { type: 'track', event: 'Product Viewed', messageId, properties: { product } }
  if (chance < 0.02) return { ...track('Product Viewed', { product, price, currency: 'GBP' }), messageId: `again-${Math.floor(made / 40)}` }
  if (chance < 0.45) return { type: 'page', name: 'Shop', userId, messageId, context, properties: { path: pick(pages), title: 'A British gift shop' } }
  if (chance < 0.75) return track('Product Viewed', { product, price, currency: 'GBP' })
  if (chance < 0.9) return track('Product Added', { product, price, currency: 'GBP', quantity: 1 + Math.floor(Math.random() * 4) })
  const items = Array.from({ length: 1 + Math.floor(Math.random() * 3) }, () => { const [name, each] = pick(goods); return { name, price: each, quantity: 1 } })
  return track('Order Completed', { order_id: `o-${Math.floor(Math.random() * 1e6)}`, total: Math.round(items.reduce((sum, i) => sum + i.price, 0) * 100) / 100, currency: 'GBP', items })
}

/** trade sends visits, so many a second, until stopped. */
export function trade(shop, perSecond) {
  let on = true
  const run = (async () => {
    for (let at = Date.now(), n = 0; on; n++) {
      // It swells and ebbs, as days do.
      const now = perSecond * (1 + 0.5 * Math.sin(n / 25) + 0.2 * Math.random())
      const batch = Array.from({ length: Math.max(1, Math.round(now / 2)) }, visit)
      await shop.send('web', batch.slice(0, Math.ceil(batch.length * 0.7)))
      await shop.send('ios', batch.slice(Math.ceil(batch.length * 0.7)).concat(visit()))
      at += 500
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, at - Date.now())))
    }
  })()
  return async () => { on = false; await run }
}
