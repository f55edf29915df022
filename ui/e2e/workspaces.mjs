// Workspaces: going from one to another, making and changing them, what they use, and backups where there are none.
import { phone, same, until } from './browser.mjs'
import { calm, payloads } from './payloads.mjs'
import { ask } from './settings.mjs'

export async function scenes(play) {
  await play.scene('workspaces', {}, workspaces)
  await play.scene('another workspace', {}, another)
  await play.scene('usage', {}, usage)
  await play.scene('no place for backups', {}, noBackups)
  await play.scene('hostile names of workspaces', {}, hostile)
  await play.scene('workspaces on a phone', { viewport: phone, colorScheme: 'dark' }, small)
}

/** made makes a workspace with an environment staging, unless it is there. */
async function made(tab, name, title = name) {
  const answer = await ask(tab.base, 'POST', '/api/v1/workspaces', { body: { name, title } })
  if (answer.status !== 201) {
    if (answer.status !== 409) throw new Error(`${name} is refused: ${answer.text}`)
    return
  }
  const more = await ask(tab.base, 'POST', `/api/v1/workspaces/${name}/environments`, { body: { name: 'staging' } })
  if (more.status !== 201) throw new Error(more.text)
}

/** With the keyboard: made, renamed, limited, suspended, resumed, deleted and had back. */
async function workspaces(tab) {
  await tab.go('/settings/workspaces')
  const grid = tab.role('grid', 'Workspaces')
  await tab.see(grid.getByText('default').first())
  await tab.see(/of which nobody else sees anything/)
  await tab.soundInBoth('one workspace')
  await tab.press('n')
  await tab.see(tab.role('dialog', 'A new workspace'))
  await tab.type('9lives')
  await tab.see(/beginning with a letter/)
  await tab.page.getByLabel('Name', { exact: true }).fill('globex')
  await tab.page.getByLabel('Title').fill('Globex Corporation')
  await tab.soundInBoth('a new workspace')
  await tab.press('Enter')
  const drawer = tab.role('region', 'Globex Corporation')
  await tab.see(drawer.getByText('It may use whatever there is.'))
  await tab.soundInBoth('a workspace')

  await tab.click(drawer.getByRole('button', { name: 'Rename' }))
  await tab.page.getByLabel('Name', { exact: true }).fill('globex-group')
  await tab.see(/leads here for 90 days/)
  await tab.sound('renaming')
  await tab.press('Enter')
  await tab.see(drawer.getByText('Was called'))

  await tab.click(drawer.getByRole('button', { name: 'Set quotas' }))
  await tab.page.getByLabel('Events a day').fill('lots')
  await tab.see(/Write it as 1,000,000/)
  await tab.page.getByLabel('Events a day').fill('2.5M')
  await tab.page.getByLabel('Stored', { exact: true }).fill('20 GiB')
  await tab.soundInBoth('quotas')
  await tab.click(tab.role('button', 'Set them'))
  await tab.see(drawer.getByText('2,500,000 events a day'))
  same('the server has them', (await ask(tab.base, 'GET', '/api/v1/workspaces/globex-group')).body.quotas, { events_per_day: 2500000, storage_bytes: 20 * 1024 ** 3 })

  const more = drawer.getByRole('button', { name: 'More of this workspace' })
  await tab.click(more)
  await tab.click(tab.role('menuitem', 'Suspend'))
  await tab.page.getByLabel('Reason').fill('unpaid')
  await tab.sound('suspending')
  await tab.press('Enter')
  await tab.see(drawer.getByText('Suspended: unpaid.'))
  await tab.soundInBoth('a workspace that is suspended')
  await tab.click(drawer.getByRole('button', { name: 'Resume' }))
  await tab.click(tab.role('button', 'Resume it'))
  await tab.gone(drawer.getByText('Suspended: unpaid.'))

  await tab.click(more)
  await tab.click(tab.role('menuitem', 'Delete'))
  const remove = tab.role('button', 'Delete it')
  same('its name has to be typed', await remove.isDisabled(), true)
  await tab.see(/in the last 30 days/)
  await tab.page.getByLabel('Type globex-group to go on').fill('globex-group')
  await tab.soundInBoth('deleting')
  await tab.press('Enter')
  await tab.see(/globex-group is deleted; it can be had back until 20\d\d-\d\d-\d\d \d\d:\d\d GMT/)
  await tab.see(drawer.getByText(/It can be had back until/))
  await tab.sound('a workspace that is deleted')
  await tab.page.getByLabel('State').selectOption('deleted')
  await tab.at(/state=deleted/)
  await tab.click(drawer.getByRole('button', { name: 'Have it back' }))
  await tab.click(tab.role('dialog', 'Have globex-group back?').getByRole('button', { name: 'Have it back' }))
  await tab.gone(drawer.getByText(/It can be had back until/))
  await tab.see('Nothing matches')
  await tab.click(drawer.getByRole('link', { name: 'What was done with it' }))
  await tab.see(tab.role('grid', 'Audit trail').getByText('workspace.undelete'))
}

/** From one to another by keyboard: addresses, requests and what the browser keeps are of the one that one is in. */
async function another(tab) {
  await made(tab, 'acme', 'Acme Ltd')
  await tab.go('/warehouse')
  const text = () => tab.page.locator('.cm-content').or(tab.page.locator('[role=textbox]')).first()
  await tab.see(text())
  await text().click()
  await tab.type("SELECT 'only in the default one'")
  await tab.see("SELECT 'only in the default one'")
  await tab.press('Escape', 'Escape')
  await tab.click(tab.role('button', /^default production: go to/))
  const list = tab.role('dialog', 'Switch workspace')
  await tab.see(list.getByRole('option', { name: /acme.*staging/ }))
  await tab.soundInBoth('the list of workspaces')
  await tab.type('acme stag')
  await tab.sound('workspaces that match')
  const before = tab.trace.length
  await tab.press('Enter')
  await tab.at(/^\/w\/acme@staging\/warehouse/)
  await tab.see(tab.role('button', 'acme staging: go to another workspace'))
  await tab.see(text())
  await tab.gone("SELECT 'only in the default one'")
  await tab.soundInBoth('in another workspace')
  await tab.click(tab.role('link', 'Live'))
  await tab.at(/^\/w\/acme@staging\/live/)
  await tab.see(tab.role('heading', 'Live'))
  await until('the stream is of this space', () => tab.trace.some((line) => line.includes('/api/v1/w/acme@staging/tail')))
  await tab.page.reload()
  await tab.see(tab.role('button', 'acme staging: go to another workspace'))
  const loaded = tab.trace.findLastIndex((line, i) => i >= Math.min(before, 0) && line.includes('/w/acme@staging/warehouse') && line.includes('at '))
  const asked = tab.trace.slice(loaded).filter((line) => / (GET|POST) \/api\/v1\//.test(line) && !/\/api\/v1\/(w\/acme@staging\/|workspaces)/.test(line))
  same('nothing is asked elsewhere', asked, [])

  await tab.press('g', 'o')
  await tab.see(list.getByRole('option', { name: /you are here/ }))
  await tab.type('default')
  await tab.press('Enter')
  await tab.at(/^\/live/)
  await tab.go('/w/default/warehouse')
  await tab.at(/^\/warehouse/)
  await tab.see("SELECT 'only in the default one'")

  tab.allow(404)
  await tab.go('/w/nowhere/live')
  await tab.see('nowhere is not shown to you')
  await tab.soundInBoth('a workspace that is not there')
  await tab.click(tab.role('navigation', 'Your workspaces').getByRole('link', { name: /acme\s*production/ }))
  await tab.at(/^\/w\/acme\/live/)
  tab.allow()
  await ask(tab.base, 'POST', '/api/v1/workspaces/acme/suspend', { body: { reason: 'unpaid' } })
  tab.allow(403)
  await tab.go('/w/acme/status')
  await tab.see(/is suspended \(unpaid\)/)
  await tab.sound('a workspace that is suspended, from inside')
  tab.allow()
  await ask(tab.base, 'POST', '/api/v1/workspaces/acme/resume')
}

/** By day, with quotas that are nearly and wholly used up; taken along as CSV. */
async function usage(tab) {
  await tab.go('/settings/usage')
  await tab.see(/No quota is set/)
  const batch = Array.from({ length: 90 }, (_, i) => ({ type: 'track', event: 'Counted', messageId: `counted-${i}`, userId: 'ada' }))
  const sent = await ask(tab.base, 'POST', '/v1/batch', { body: { batch, writeKey: 'dev_web' } })
  if (sent.status !== 200) throw new Error(sent.text)
  await until('they are counted', async () => (await ask(tab.base, 'GET', '/api/v1/workspaces/default/usage')).body.today[0].used >= 90)
  await tab.click(tab.role('button', 'Set quotas').last())
  await tab.see(/Today: \d+/)
  await tab.page.getByLabel('Events a day').fill('100')
  await tab.page.getByLabel('Query time a day').fill('2 h')
  await tab.press('Enter')
  await tab.see(tab.role('progressbar', 'Events today, of the quota'))
  await tab.see('Nearly used up')
  await tab.see(tab.role('img', /^Events by day/))
  await tab.soundInBoth('usage')
  await ask(tab.base, 'PUT', '/api/v1/workspaces/default/quotas', { body: { events_per_day: 50 } })
  await tab.page.reload()
  await tab.see('Used up')
  await tab.sound('a quota that is used up')
  await ask(tab.base, 'PUT', '/api/v1/workspaces/default/quotas', { body: {} })
  await tab.page.getByLabel('Days').selectOption('7')
  await tab.at(/days=7/)
  const download = tab.page.waitForEvent('download')
  await tab.click(tab.menu)
  await tab.click(tab.role('menuitem', 'As CSV'))
  same('it can be taken along', (await download).suggestedFilename(), 'usage.csv')
  await made(tab, 'initech', 'Initech')
  await tab.go('/settings/usage?of=initech')
  await tab.see('Nothing was used in this time')
  await tab.soundInBoth('nothing was used')
}

async function noBackups(tab) {
  await tab.go('/settings/backups')
  await tab.see('Nothing is backed up yet')
  await tab.see('No place for them yet')
  same('there is nothing to start', await tab.role('button', 'Take one now').count(), 0)
  await tab.soundInBoth('no place for backups')
}

/** Whatever a title holds is shown as it is. */
async function hostile(tab) {
  for (const [i, title] of payloads.entries()) await made(tab, `hostile-${'abcdefghijklmnopqrstuvwxyz'[i]}`, title.slice(0, 100).trim())
  await tab.go('/settings/workspaces?q=hostile')
  const grid = tab.role('grid', 'Workspaces')
  for (const title of payloads.slice(0, 4)) await tab.see(grid.getByText(title.slice(0, 100).trim(), { exact: true }).first())
  await calm(tab, 'the list of workspaces')
  await tab.click(grid.getByText('hostile-a', { exact: true }))
  await tab.see(tab.role('button', 'Rename'))
  await calm(tab, 'a workspace')
  await tab.sound('hostile names of workspaces')
  await tab.press('Escape', 'g', 'o')
  await tab.see(tab.role('option', /hostile-a/))
  await calm(tab, 'the list to go to')
}

async function small(tab) {
  await made(tab, 'acme', 'Acme Ltd')
  await tab.go('/')
  await tab.click(tab.role('navigation', 'Rooms').getByRole('button', { name: 'More' }))
  await tab.click(tab.role('menuitem', /^default, /))
  await tab.see(tab.role('option', /acme.*staging/))
  await tab.sound('the list of workspaces on a phone')
  await tab.press('Escape')
  for (const [path, seen] of [['/settings/workspaces', tab.role('grid', 'Workspaces')], ['/settings/usage', 'Quotas'], ['/settings/backups', 'Nothing is backed up yet']]) {
    await tab.go(path)
    await tab.see(seen)
    await tab.sound(`${path} on a phone`)
  }
  await tab.go('/settings/workspaces?q=acme')
  await tab.click(tab.role('gridcell', 'acme', { exact: true }))
  await tab.see(tab.role('button', 'Set quotas'))
  await tab.sound('a workspace on a phone')
}
