// The rooms with the orders of the example shop in them.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { phone, same, until, wide, zoomed } from './browser.mjs'

const revenue = `SELECT date_trunc('month', "timestamp") AS month, sum(total_price) AS revenue FROM shop.order_placed GROUP BY month ORDER BY month`

/** Every view, with what is seen in it when it is there. */
const views = [
  ['/', (t) => t.role('link', /^Log /)],
  ['/sources', (t) => t.role('link', /shop/)],
  ['/sources/shop', (t) => t.role('heading', /shop/)],
  ['/sources/shop?tab=events', (t) => t.role('grid', 'Events').getByText('Order Placed', { exact: true })],
  ['/sources/web?tab=setup', (t) => t.role('tabpanel').getByText(/^curl http.*dev_web/)],
  ['/live', (t) => t.role('grid', 'Records as they arrive').getByRole('gridcell')],
  ['/live/find?user=ada', (t) => t.role('grid', 'Records found').getByText('Order Completed')],
  ['/live/find?user=nobody-is-called-so', (t) => t.text('No record was found')],
  ['/rejected', (t) => t.text(/needs its name in event/)],
  ['/rejected?tab=all', (t) => t.role('grid', 'Rejected events').getByRole('gridcell')],
  [`/warehouse?sql=${encodeURIComponent(revenue)}`, (t) => t.role('button', /^Run/)],
  ['/warehouse/shop/order_placed', (t) => t.role('heading', /order_placed/)],
  ['/warehouse/shop/order_placed?tab=columns', (t) => t.role('grid', 'Columns').getByRole('button', { name: 'Fixed: why id has its type' })],
  ['/warehouse/shop/order_placed?tab=why', (t) => t.role('heading', /order_placed/)],
  ['/project?file=sources/web.yaml', (t) => t.text('As it is saved')],
  ['/status', (t) => t.role('heading', 'Readers of the log')],
  ['/status?tab=charts', (t) => t.role('heading', 'Memory')],
  ['/status?tab=log', (t) => t.role('grid', 'The server\'s log')],
  ['/api/docs', (t) => t.text('/api/v1/status')],
]

async function everyView(tab, which = views) {
  for (const [path, what] of which) {
    await tab.go(path)
    await tab.see(what(tab))
    await tab.sound(path)
  }
}

const shapes = [
  ['every view, light', { colorScheme: 'light' }],
  ['every view, dark', { colorScheme: 'dark' }],
  ['every view on a phone', { viewport: phone, colorScheme: 'dark', hasTouch: true, isMobile: true }],
  ['every view at 200 %', { viewport: zoomed, deviceScaleFactor: 2, reducedMotion: 'reduce' }],
]

/** sender sends events to the source web as an SDK does. */
const sender = (base) => async (...events) => {
  const response = await fetch(`${base}/v1/batch`, { method: 'POST', headers: { Authorization: `Basic ${Buffer.from('dev_web:').toString('base64')}` }, body: JSON.stringify({ batch: events }) })
  if (!response.ok) throw new Error(`intake answers ${response.status}: ${await response.text()}`)
}

const track = (event, messageId, properties = {}, userId = 'ada') => ({ type: 'track', event, messageId, userId, properties })

export async function scenes(play, { project }) {
  const send = sender(play.base)
  for (const [name, options] of shapes) await play.scene(name, options, (tab) => everyView(tab))
  await play.scene('what the browser is told', {}, policy)
  await play.scene('home', {}, (tab) => home(tab, send))
  await play.scene('live', {}, (tab) => live(tab, send))
  await play.scene('one event', {}, (tab) => oneEvent(tab, send))
  await play.scene('rejected', {}, (tab) => rejected(tab, send))
  await play.scene('sources', {}, sources)
  await play.scene('warehouse', {}, warehouse)
  await play.scene('project', {}, (tab) => files(tab, project))
  await play.scene('status', {}, status)
  await play.scene('keyboard only', {}, keyboard)
  await play.scene('theme and time zone', {}, settings)
  await play.scene('reduced motion', { reducedMotion: 'reduce' }, still)
  await play.scene('a phone', { viewport: phone, hasTouch: true, isMobile: true }, onPhone)
  await play.scene('links', {}, links)
  // It makes a column another type, which stays: the last one.
  await play.scene('how far a rebuild is', {}, rebuild)
}

async function policy(tab) {
  const page = await tab.page.request.get(`${tab.base}/`)
  const csp = page.headers()['content-security-policy'] ?? ''
  for (const word of ['unsafe-inline', 'unsafe-eval', 'http:', 'https:', '*']) if (csp.includes(word)) throw new Error(`the policy allows ${word}: ${csp}`)
  same('the policy begins with nothing', /default-src '(none|self)'/.test(csp), true)
  const script = /src="(\/assets\/[^"]+\.js)"/.exec(await page.text())?.[1]
  const asset = await tab.page.request.get(tab.base + script, { headers: { 'Accept-Encoding': 'br' } })
  same('assets are for ever', asset.headers()['cache-control'], 'public, max-age=31536000, immutable')
  same('and compressed', asset.headers()['content-encoding'], 'br')
}

async function home(tab, send) {
  await tab.go('/')
  const river = await tab.see(tab.role('region', 'The river'))
  await tab.see(river.getByRole('link', { name: /Warehouse/ }))
  let n = 0
  // It moves when something flows, without a reload.
  await until('the river flows', async () => {
    await send(track('Flowed', `flow-${Date.now()}-${n++}`))
    return await tab.page.locator('svg .flow').count() > 0
  })
  await tab.see(river.getByRole('link', { name: /web.*Receiving/ }))
  await tab.see(tab.role('region', 'Needs attention').getByRole('link').filter({ hasText: 'rejected' }))
  await tab.click(river.getByRole('link', { name: /^Warehouse/ }))
  await tab.at(/^\/warehouse/)
  await tab.page.goBack()
  await tab.see(tab.role('region', 'The river'))
  await tab.click(tab.role('button', 'Last 6h'))
  await tab.click(tab.role('button', 'last 15m'))
  await tab.at(/range=last\+?(%20)?15m/)
}

async function live(tab, send) {
  const rows = tab.role('grid', 'Records as they arrive').getByRole('row')
  await tab.go('/live?source=web')
  await tab.see(tab.page.getByText('Live', { exact: true }))
  await send(track('First Seen', `live-${Date.now()}`))
  await tab.see(rows.filter({ hasText: 'First Seen' }))
  // Paused it stays where it is while more comes.
  await tab.click(tab.role('button', 'Pause'))
  const top = await rows.nth(1).innerText()
  await send(track('Came Later', `live-later-${Date.now()}`), track('Came Later', `live-later2-${Date.now()}`))
  await tab.see(tab.role('button', /Resume, 2 new/))
  same('the list stays', await rows.nth(1).innerText(), top)
  await tab.click(tab.role('button', /Resume/))
  await tab.see(rows.filter({ hasText: 'Came Later' }))

  const only = async (label, value, has) => {
    await tab.page.getByLabel(label, { exact: true }).fill(value)
    await until(`only ${value}`, async () => {
      const texts = (await rows.allInnerTexts()).slice(1)
      return texts.length > 0 && texts.every((t) => t.includes(has))
    })
    await tab.page.getByLabel(label, { exact: true }).fill('')
  }
  await only('Event', 'First Seen', 'First Seen')
  await only('User', 'grace', 'grace')
  await only('Text', 'needle-in-hay', 'needle-in-hay')
  await tab.page.getByLabel('Result', { exact: true }).selectOption('rejected')
  await until('only rejected ones', async () => (await rows.allInnerTexts()).slice(1).every((t) => t.includes('rejected')) && await rows.count() > 1)
  await tab.at(/result=rejected/)
  await tab.page.reload()
  await until('a link keeps the filter', async () => await tab.page.getByLabel('Result', { exact: true }).inputValue() === 'rejected')
  await tab.click(tab.menu)
  await tab.click(tab.role('menuitem', 'Copy as curl'))
  await until('curl is copied', async () => /^curl .*\/api\/v1\/tail\?.*result=rejected/.test(await tab.copied()))
}

async function oneEvent(tab, send) {
  const id = `hostile-${Date.now()}`
  await send(track('<b>Bold</b>', id, { link: 'https://example.com/a', script: 'javascript:alert(1)', markup: '<img src=x onerror=alert(1)>', deep: { list: [1, 2, { three: 3 }] } }))
  await tab.go('/live?source=web')
  await tab.click((await tab.see(tab.role('grid', 'Records as they arrive').getByRole('row').filter({ hasText: id.slice(0, 6) }))).getByRole('gridcell').first())
  const drawer = tab.role('region', '<b>Bold</b>')
  await tab.see(drawer)
  const tree = drawer.getByRole('tree', { name: 'Body' })
  await tab.see(tree.getByText('<img src=x onerror=alert(1)>'))
  same('links are those of the web', await tree.getByRole('link').evaluateAll((all) => all.map((a) => [a.getAttribute('href'), a.rel])), [['https://example.com/a', 'noopener noreferrer nofollow']])
  await tab.sound('an event')
  // A link to it shows it, however many have come since.
  await tab.at(/open=/)
  await tab.page.reload()
  await tab.see(drawer.getByRole('listitem').filter({ hasText: 'In the log' }))
  await tab.click(drawer.getByRole('tab', { name: 'JSON' }))
  await tab.see(drawer.getByText(`"messageId": "${id}"`))
  await tab.click(drawer.getByRole('tab', { name: 'Journey' }))
  for (const step of ['Received', 'In the log', 'Judged', 'In the warehouse']) await tab.see(drawer.getByRole('listitem').filter({ hasText: step }).filter({ hasText: 'done' }))
  await tab.see(drawer.getByRole('link', { name: /^web\./ }))
  await tab.sound('a journey')
  // And however old it is, by its id.
  await tab.go('/live/find')
  await tab.page.getByLabel('By', { exact: true }).selectOption('id')
  await tab.page.getByLabel('Id', { exact: true }).fill('536365')
  await tab.press('Enter')
  await tab.click((await tab.see(tab.role('grid', 'Records found').getByRole('row').filter({ hasText: 'accepted' }).getByText('Order Placed'))))
  await tab.see(tab.role('listitem').filter({ hasText: 'In the warehouse' }).filter({ hasText: 'done' }))
  await tab.at(/open=/)
  await tab.page.reload()
  await tab.see(tab.role('region', 'Order Placed'))
}

async function rejected(tab, send) {
  const id = `nameless-${Date.now()}`
  await send(track('Order Completed', `good-${id}`), { type: 'track', userId: 'ada', messageId: id, properties: { total: 7 } })
  await tab.go('/rejected')
  await tab.click((await tab.see(tab.role('button', /needs its name in event/))))
  await tab.at(/group=/)
  await tab.click((await tab.see(tab.role('grid', 'Rejected events').getByRole('gridcell'))).first())
  const mend = await tab.see(tab.page.getByLabel(/What was received/))
  await tab.sound('a rejected event')
  const event = JSON.parse(await mend.inputValue())
  await mend.fill('{"type": ')
  await tab.see(/It is not JSON/)
  await mend.fill(JSON.stringify({ ...event, event: 'Order Mended' }, null, 2))
  await tab.click(tab.role('button', 'Send the mended event'))
  await tab.see('It was accepted and is in the log.')
  await tab.sound('a mended event')
  await tab.go('/live/find?user=ada')
  await tab.see(tab.role('grid', 'Records found').getByText('Order Mended'))

  // The others of the group, all at once, each with the same change.
  await tab.go('/rejected')
  const group = tab.role('listitem').filter({ hasText: 'needs its name in event' })
  await tab.click((await tab.see(group.getByRole('button', { name: /^Resend/ }))))
  const dialog = tab.role('dialog', /^Resend/)
  await tab.page.getByLabel(/Mend each with this JSON/).fill('{"event": "Order Mended"}')
  await tab.see(dialog.getByText('"event": "Order Mended"'))
  await tab.sound('resending a group')
  await tab.click(dialog.getByRole('button', { name: /^Resend/ }))
  await tab.see(dialog.getByText(/\d accepted/))
  await tab.click(dialog.locator('footer').getByRole('button', { name: 'Close' }))
  await tab.gone(group.getByRole('button', { name: /^Resend/ }))
}

async function sources(tab) {
  await tab.go('/sources')
  await tab.click((await tab.see(tab.role('listitem').getByRole('link', { name: /^web/ }))))
  await tab.see(tab.role('heading', /web/))
  await tab.click(tab.role('tab', 'Events'))
  await tab.see(tab.role('grid', 'Events').getByText('Order Completed', { exact: true }))
  await tab.at(/tab=events/)
  await tab.click(tab.role('tab', /^Set.?up/i))
  await tab.see(tab.role('tabpanel').getByText(/^curl http.*dev_web/))
  await tab.click(tab.role('button', /Send a test event/))
  await tab.see(tab.role('status').getByText('Intake took it', { exact: true }))
  await tab.sound('a test event')
  await tab.page.goBack()
}

async function warehouse(tab) {
  await tab.go(`/warehouse?sql=${encodeURIComponent(revenue)}`)
  await tab.click((await tab.see(tab.role('button', /^Run/))))
  await tab.see(tab.role('grid', 'Result').getByRole('gridcell'))
  await tab.see(/25 rows/)
  await tab.sound('a result')
  await tab.click(tab.role('tab', 'Chart'))
  await tab.see(tab.page.locator('canvas'))
  await tab.sound('a chart of a result')
  await tab.go(`/warehouse?sql=${encodeURIComponent('SELECT customer, 1\nFROM shop.order_placed')}`)
  tab.allow(400)
  await tab.click((await tab.see(tab.role('button', /^Run/))))
  await tab.see(tab.role('alert'))
  await tab.sound('a mistake in SQL')
  tab.allow()
  await tab.go('/warehouse')
  // At once, while what was open gets into the address. The same words stand in the editor, which is there before the tables are.
  await tab.click(await tab.see(tab.role('complementary', 'Tables').getByRole('region', { name: 'shop', exact: true }).getByText('order_placed', { exact: true })))
  await tab.see(tab.role('heading', /order_placed/))
  await tab.see(tab.role('grid', 'Newest rows of shop.order_placed').getByRole('columnheader', { name: /^total_price/ }))
}

async function files(tab, project) {
  const path = join(project, 'sources', 'web.yaml')
  const before = readFileSync(path, 'utf8')
  await tab.go('/project')
  await tab.click((await tab.see(tab.role('button', /web\.yaml/))))
  await tab.click((await tab.see(tab.page.locator('.cm-content'))))
  await tab.press('Control+End')
  await tab.type('dedub: 24h')
  const mistakes = tab.role('list', 'Mistakes in this file')
  await tab.see(mistakes.getByText(/dedub/))
  await tab.press('Escape')
  await tab.sound('a mistake in a file')
  await tab.click(mistakes.getByRole('button'))
  await tab.at(/line=4/)
  same('nothing is saved yet', readFileSync(path, 'utf8'), before)
  // What is not saved survives a reload.
  await tab.page.reload()
  await tab.see(mistakes.getByText(/dedub/))
  await tab.click(tab.role('button', 'Save', { exact: true }))
  const dialog = tab.role('dialog', /^Save/)
  await tab.see(dialog.getByText('dedub: 24h'))
  await tab.sound('a difference')
  await tab.click(dialog.getByRole('button', { name: 'Save', exact: true }))
  await tab.see(/the version before goes on/)
  await until('the file is as it was typed', () => readFileSync(path, 'utf8').includes('dedub: 24h'))
  // The mistake is mended where it stands, and the server serves it.
  await tab.click((await tab.see(tab.page.locator('.cm-content'))))
  await tab.press('Control+End', 'Shift+Home', 'Delete')
  await tab.type('dedup: 48h')
  await tab.gone(mistakes)
  await tab.press('Control+s')
  await tab.click((await tab.see(dialog)).getByRole('button', { name: 'Save', exact: true }))
  await tab.see('Saved, and served')
  await until('the source has it', async () => (await (await fetch(`${tab.base}/api/v1/status`)).json()).sources.some((s) => s.name === 'web' && s.dedup === '2d'))
  same('comments are kept', readFileSync(path, 'utf8').split('\n')[0], before.split('\n')[0])
  writeFileSync(path, before)
}

async function status(tab) {
  await tab.go('/status')
  for (const part of ['Log', 'Warehouse', 'Archive', 'Duplicates', 'This server']) await tab.see(tab.role('heading', part, { exact: true }))
  await tab.click(tab.role('tab', 'Over time'))
  await tab.at(/tab=charts/)
  await tab.see(tab.page.locator('canvas'))
  await tab.click(tab.role('tab', 'Log'))
  await tab.see(tab.role('grid', 'The server\'s log'))
  await tab.page.getByLabel('Part', { exact: true }).selectOption('warehouse')
  await tab.at(/part=warehouse/)
  await tab.page.getByLabel('Level', { exact: true }).selectOption('error')
  await tab.at(/level=error/)
  await tab.page.goto(`${tab.base}/status`)
  const bundle = tab.page.waitForEvent('download')
  await tab.click(await tab.see(tab.menu))
  await tab.click(tab.role('menuitem', 'Download a support bundle'))
  same('it is an archive', /\.tar\.gz$/.test((await bundle).suggestedFilename()), true)
  await tab.click(tab.menu)
  await tab.click(tab.role('menuitem', 'Verify the archive'))
  await tab.click(tab.role('button', /^Jobs/))
  await tab.see(tab.role('dialog', 'Jobs').getByText('Verify the archive'))
}

async function keyboard(tab) {
  await tab.go('/')
  await tab.see(tab.role('region', 'The river'))
  await tab.press('Tab')
  same('first is the way past the rooms', await tab.focus(), 'a Skip to content')
  await tab.press('Enter')
  await tab.kept('after skipping')
  await tab.press('Control+k')
  await tab.type('rejected')
  await tab.see(tab.role('option', /^Rejected/))
  await tab.press('Enter')
  await tab.see(tab.role('heading', 'Rejected'))
  await tab.kept('after a way by the palette')
  await tab.press('/')
  same('the filter has the focus', await tab.page.evaluate(() => document.activeElement?.labels?.[0]?.textContent), 'Reason')
  await tab.press('Escape')
  await tab.press('Tab', 'Shift+Tab')
  await tab.kept('after leaving the filter')
  await tab.page.evaluate(() => document.activeElement?.blur())
  await tab.press('?')
  await tab.see(tab.role('dialog', 'Keys'))
  await tab.sound('the list of keys')
  await tab.press('Escape')
  await tab.gone(tab.role('dialog', 'Keys'))
  await tab.press('g', 's')
  await tab.see(tab.role('heading', 'Sources'))
  await tab.kept('after g then s')
  await tab.press('g', 'l')
  const grid = tab.role('grid', 'Records as they arrive')
  await tab.see(grid.getByRole('gridcell'))
  await until('the list is reached', async () => { await tab.press('Tab'); return (await tab.focus()).startsWith('grid Records') })
  await tab.press('ArrowDown', 'ArrowDown', 'ArrowRight', 'Enter')
  const drawer = tab.page.locator('section:has(> header button[aria-label="Close"])')
  await tab.see(drawer.getByRole('tree'))
  const first = await drawer.getByRole('definition').nth(3).innerText()
  await tab.press('ArrowDown')
  await until('the next one is shown', async () => await drawer.getByRole('definition').nth(3).innerText() !== first)
  await tab.kept('with the next event')
  await tab.press('Escape')
  await tab.gone(drawer)
  await until('the list has the focus again', async () => (await tab.focus()).startsWith('grid Records'))
  await tab.press('Control+c')
  await tab.see('Cell copied')
  await tab.press('Control+k')
  await tab.type('order_placed')
  await tab.see(tab.role('option', /shop\.order_placed/))
  await tab.sound('the palette')
  await tab.press('Escape')
  await until('the list has the focus once more', async () => (await tab.focus()).startsWith('grid Records'))
  await tab.press('Control+k')
  await tab.type('Order Comp')
  await tab.see(tab.role('option', /Order Completed.*Event of web/))
  await tab.press('Escape', 'Control+k')
  await tab.type('order_placed')
  await tab.see(tab.role('option', /shop\.order_placed/))
  await tab.press('Enter')
  await tab.at(/^\/warehouse\/shop\/order_placed/)
}

async function settings(tab) {
  await tab.go('/status')
  await tab.see(tab.role('heading', 'Log', { exact: true }))
  const theme = () => tab.page.evaluate(() => document.documentElement.dataset.theme)
  same('as the system', await theme(), 'light')
  await tab.click(tab.role('button', 'Theme and time zone'))
  await tab.click(tab.role('menuitemcheckbox', 'Dark', { exact: true }))
  await until('dark', async () => await theme() === 'dark')
  await tab.click(tab.role('menuitemcheckbox', /^UTC/))
  await tab.press('Escape')
  await tab.see(tab.text(/\d \d\d:\d\d:\d\d\.\d{3} UTC/))
  await tab.page.reload()
  await tab.see(tab.text(/\d \d\d:\d\d:\d\d\.\d{3} UTC/))
  same('it is remembered', await theme(), 'dark')
  await tab.press('Control+k')
  await tab.type('Asia/Tokyo')
  await tab.see(tab.role('option', /Times in Asia\/Tokyo/))
  await tab.press('Enter')
  await tab.see(tab.text(/\d \d\d:\d\d:\d\d\.\d{3} GMT\+9/))
  await tab.press('Control+k')
  await tab.type('light theme')
  await tab.press('Enter')
  await until('light again', async () => await theme() === 'light')
  await tab.kept('after a setting by the palette')
}

async function still(tab) {
  await tab.go('/')
  const river = await tab.see(tab.role('region', 'The river'))
  await tab.see(river.getByText(/\/s$/))
  await tab.settled()
  same('nothing moves', await tab.page.evaluate(() => document.getAnimations().filter((a) => a.playState === 'running').map((a) => a.animationName)), [])
}

async function onPhone(tab) {
  await tab.go('/')
  await tab.see(tab.role('link', /Warehouse/))
  await tab.click(tab.role('link', 'Rejected', { exact: true }))
  await tab.see(tab.role('heading', 'Rejected'))
  await tab.click(tab.role('link', 'Live', { exact: true }))
  await tab.click((await tab.see(tab.role('grid', 'Records as they arrive').getByRole('gridcell'))).first())
  await tab.see(tab.role('tree', 'Body'))
  await tab.sound('an event on a phone')
  await tab.click(tab.role('button', 'Close'))
  await tab.click(tab.role('navigation', 'Rooms').getByRole('button', { name: 'More' }))
  await tab.click(tab.role('menuitem', 'Project'))
  await tab.click((await tab.see(tab.role('button', /web\.yaml/))))
  await tab.see('As it is saved')
  await tab.page.goBack()
  await tab.see(tab.role('button', /web\.yaml/))
}

/** What is seen is in the address: a link shows it to a colleague, and Back goes back. */
async function links(tab) {
  await tab.go('/sources')
  await tab.click((await tab.see(tab.role('listitem').getByRole('link', { name: /^shop/ }))))
  await tab.at(/^\/sources\/shop/)
  await tab.click(tab.role('tab', 'Events'))
  await tab.at(/tab=events/)
  await tab.page.reload()
  await tab.see(tab.role('grid', 'Events').getByText('Order Placed', { exact: true }))
  await tab.go('/rejected?source=web')
  await tab.click((await tab.see(tab.role('tab', 'One by one'))))
  await tab.click((await tab.see(tab.role('grid', 'Rejected events').getByRole('gridcell'))).first())
  await tab.at(/open=/)
  await tab.page.reload()
  await tab.see(tab.page.getByLabel(/What was received/))
  await tab.page.goBack()
  await tab.gone(tab.page.getByLabel(/What was received/))
  await tab.see(tab.role('grid', 'Rejected events'))
  await tab.go('/status?tab=log&level=info')
  await tab.see(tab.role('grid', 'The server\'s log'))
  same('the level is of the link', await tab.page.getByLabel('Level', { exact: true }).inputValue(), 'info')
  await tab.go('/live/find?user=ada')
  await tab.see(tab.role('grid', 'Records found').getByText('Order Completed'))
  await tab.page.setViewportSize(wide)
}

/**
 * heldAt lets the page see a job as the server told it in the middle of its work
 * until it is let go: rebuilding the shop takes less time than looking.
 */
async function heldAt(tab, middle) {
  let seen
  let held = true
  const ask = async (id) => (await fetch(`${tab.base}/api/v1/jobs/${id}`)).json()
  const caught = async (id) => {
    for (const end = Date.now() + 20_000; Date.now() < end;) {
      const job = await ask(id)
      if (middle(job)) return job
      if (job.state !== 'running') throw new Error(`the job was never seen in the middle: ${JSON.stringify(job)}`)
    }
    throw new Error('the job did not come to its middle')
  }
  await tab.page.route(/\/api\/v1\/jobs\/[^/]+$/, async (route) => {
    if (!held || route.request().method() !== 'GET') return route.continue()
    try {
      seen ??= await caught(route.request().url().split('/').at(-1))
      await route.fulfill({ json: seen })
    } catch (thrown) {
      tab.wrong.push(String(thrown))
      held = false
      await route.continue()
    }
  })
  await tab.page.route(/\/api\/v1\/jobs$/, async (route) => {
    const response = await route.fetch()
    const body = await response.json()
    await route.fulfill({ response, json: { ...body, jobs: body.jobs.map((job) => held && job.id === seen?.id ? seen : job) } })
  })
  return { job: () => until('the job is in its middle', () => seen), letGo: () => { held = false } }
}

/** A rebuild says how many of how many records it has read, where it was asked for and in the tray. */
async function rebuild(tab) {
  await tab.go('/warehouse/shop/order_placed?tab=columns')
  const held = await heldAt(tab, (job) => job.kind === 'warehouse.rebuild' && job.state === 'running' && job.done > 0 && job.total > job.done)
  await tab.click(await tab.see(tab.role('button', 'Change type of total_price')))
  const dialog = tab.role('dialog', 'Change the type of order_placed.total_price')
  await tab.page.getByLabel('New type').selectOption('text')
  await tab.click(await tab.see(dialog.getByRole('button', { name: 'Change to text, and rebuild shop' })))
  const job = await held.job()
  const number = (n) => n.toLocaleString('en-US')
  await tab.see(dialog.getByText(`${number(job.done)} records read of about ${number(job.total)}`))
  const bar = dialog.getByRole('progressbar', { name: 'Rebuild' })
  same('the bar', Math.abs(Number(await bar.getAttribute('aria-valuenow')) - 100 * job.done / job.total) <= 1, true)
  await tab.sound('a rebuild that goes on')
  await tab.click(dialog.getByRole('button', { name: 'Go on in the background' }))
  await tab.gone(dialog)
  await tab.click(await tab.see(tab.role('button', 'Jobs: 1 running')))
  const tray = tab.role('dialog', 'Jobs').getByRole('listitem').filter({ hasText: 'Rebuild the warehouse' })
  await tab.see(tray.getByText(`${number(job.done)} of ${number(job.total)} records`))
  await tab.sound('a rebuild in the tray')
  held.letGo()
  await tab.see(tray.getByText(/^([\d,]+) of \1 records · done in /))
  await tab.press('Escape')
  await tab.see(tab.role('row').filter({ has: tab.page.getByRole('gridcell', { name: 'total_price', exact: true }) }).getByText('text', { exact: true }))
}
