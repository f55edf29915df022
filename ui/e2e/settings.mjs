// Settings: keys for programs, and the trail of who did what.
import { phone, same, until } from './browser.mjs'
import { calm, payloads } from './payloads.mjs'

/** ask sends a request as a program does, and returns its answer. */
export async function ask(base, method, path, { token, body } = {}) {
  const response = await fetch(base + path, { method, headers: { ...(token && { Authorization: `Bearer ${token}` }), 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) })
  const text = await response.text()
  return { status: response.status, text, body: text.startsWith('{') ? JSON.parse(text) : undefined }
}

const statusWith = async (base, token) => (await ask(base, 'GET', '/api/v1/status', { token })).status

export async function scenes(play) {
  await play.scene('settings are reached', {}, reached)
  await play.scene('a key is made, rotated and revoked', {}, keys)
  await play.scene('a stolen key', {}, stolen)
  await play.scene('a key of single permissions', {}, picked)
  await play.scene('who did what', {}, audit)
  await play.scene('a secret', {}, secrets)
  await play.scene('a backup', {}, backup)
  await play.scene('hostile names in settings', {}, hostile)
  await play.scene('settings on a phone', { viewport: phone, colorScheme: 'dark' }, small)
}

async function reached(tab) {
  await tab.go('/status')
  await tab.see(tab.role('heading', 'Status'))
  await tab.press('g', ',')
  await tab.at(/^\/settings\/members/)
  await tab.see('There are no members yet')
  await tab.soundInBoth('no members on this machine')
  await tab.go('/settings/keys')
  await tab.see(tab.role('heading', 'There are no API keys yet'))
  await tab.soundInBoth('no keys yet')
  const nav = tab.role('navigation', 'Settings')
  await nav.getByRole('link', { name: 'API keys' }).focus()
  await tab.press('ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowDown', 'Enter')
  await tab.at(/^\/settings\/audit/)
  await tab.press('Control+k')
  await tab.type('api keys')
  await tab.press('Enter')
  await tab.at(/^\/settings\/keys/)
}

/** With the keyboard: made, used, rotated, revoked; its token is seen once and works as long as it should. */
async function keys(tab) {
  await tab.go('/settings/keys')
  await tab.see(tab.role('button', 'New key'))
  await tab.press('n')
  await tab.see(tab.role('dialog', 'A new API key'))
  await tab.type('deploy from CI')
  await tab.soundInBoth('a new key')
  await tab.press('Enter')
  const shown = await tab.see(tab.role('dialog', 'The key deploy from CI').getByRole('region', { name: 'Token' }))
  const first = (await shown.innerText()).trim()
  if (!/^mr_key_[0-9A-Za-z]{40,}$/.test(first)) throw new Error(`the token is ${first}`)
  await tab.soundInBoth('a token, once')
  await tab.click(tab.role('button', 'Copy token'))
  await until('the token is on the clipboard', async () => await tab.copied() === first)
  same('the token works', await statusWith(tab.base, first), 200)
  await tab.click(tab.role('button', 'I have copied it'))
  const drawer = tab.role('region', 'deploy from CI')
  await tab.see(drawer.getByRole('button', { name: 'Rotate' }))
  await tab.soundInBoth('a key')
  same('the token is shown no more', (await tab.page.content()).includes(first), false)
  await tab.see(drawer.getByText('127.0.0.1'))

  await tab.click(drawer.getByRole('button', { name: 'Rotate' }))
  await tab.sound('rotating')
  await tab.click(tab.role('dialog', 'Rotate deploy from CI?').getByRole('button', { name: 'Rotate' }))
  const second = (await (await tab.see(tab.role('region', 'Token'))).innerText()).trim()
  await tab.click(tab.role('button', 'I have copied it'))
  await tab.see(drawer.getByText('both work until'))
  same('both work while it is rotated', [await statusWith(tab.base, first), await statusWith(tab.base, second)], [200, 200])

  await tab.click(drawer.getByRole('button', { name: 'Revoke' }))
  await tab.see(tab.role('dialog', 'Revoke deploy from CI?').getByText('It was last used'))
  await tab.click(tab.role('button', 'Revoke it'))
  await tab.see(drawer.getByText('Revoked', { exact: true }))
  same('neither works any more', [await statusWith(tab.base, first), await statusWith(tab.base, second)], [401, 401])
  await tab.press('Escape')
  await tab.gone(tab.role('button', 'Rotate'))
}

async function stolen(tab) {
  const { token } = (await ask(tab.base, 'POST', '/api/v1/keys', { body: { name: 'build server', role: 'admin' } })).body
  const got = (await ask(tab.base, 'POST', '/api/v1/keys', { token, body: { name: 'left behind', role: 'viewer' } })).body.token
  await tab.go('/settings/keys')
  await tab.click(tab.role('grid', 'API keys').getByText('build server', { exact: true }))
  await tab.click(tab.role('button', 'Revoke'))
  await tab.click(tab.role('checkbox', 'It may have been stolen'))
  await tab.soundInBoth('revoking a stolen key')
  await tab.click(tab.role('button', 'Revoke it'))
  await tab.see('build server was revoked, and what was made with it: left behind')
  same('neither works any more', [await statusWith(tab.base, token), await statusWith(tab.base, got)], [401, 401])
}

async function picked(tab) {
  await tab.go('/settings/keys')
  await tab.click((await tab.see(tab.role('button', 'New key'))).first())
  await tab.page.getByLabel('Name').fill('only status')
  await tab.page.getByLabel('It may do').selectOption('')
  const make = tab.role('button', 'Make the key')
  same('nothing is picked yet', await make.isDisabled(), true)
  await tab.page.getByLabel('status:read').check()
  await tab.page.getByLabel('It works').selectOption('day')
  same('no day is picked yet', await make.isDisabled(), true)
  await tab.page.getByLabel('The last day').fill(new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 10))
  await tab.sound('single permissions')
  await tab.click(make)
  const token = (await (await tab.see(tab.role('region', 'Token'))).innerText()).trim()
  await tab.click(tab.role('button', 'I have copied it'))
  await tab.see(tab.role('region', 'only status').getByText('Expires soon'))
  same('it may do that', await statusWith(tab.base, token), 200)
  const refused = await ask(tab.base, 'POST', '/api/v1/query', { token, body: { sql: 'SELECT 1' } })
  same('and nothing else', [refused.status, refused.text.includes('query:run')], [403, true])
  await tab.go('/settings/keys?of=server')
  await tab.see('The server has no API keys')
  await tab.sound('no keys of the server')
}

async function audit(tab) {
  const made = (await ask(tab.base, 'POST', '/api/v1/keys', { body: { name: 'seen in the trail', role: 'viewer' } })).body.key
  await ask(tab.base, 'POST', `/api/v1/keys/${made.id}/rotate`, { body: { overlap_seconds: 60 } })
  await tab.go('/settings/audit')
  const grid = tab.role('grid', 'Audit trail')
  await tab.see(grid.getByText('seen in the trail'))
  await tab.soundInBoth('the trail')
  await tab.press('/')
  await tab.type('seen trail')
  await tab.press('Enter')
  await tab.at(/q=seen\+trail/)
  await until('only what matches is listed', async () => await grid.getAttribute('aria-rowcount') === '3')
  await tab.click(grid.getByText('key.rotate'))
  const drawer = tab.role('region', 'key.rotate')
  await tab.see(drawer.getByText(made.id))
  await tab.soundInBoth('an entry')
  await tab.press('ArrowDown')
  await tab.see(tab.role('region', 'key.create'))
  await tab.click(tab.role('button', 'All that was done to it'))
  await tab.at(new RegExp(`object=${made.id}`))
  await tab.page.reload()
  await until('the link shows the same', async () => await grid.getAttribute('aria-rowcount') === '3')
  // A link leads to its entry, wherever that is in the trail.
  const first = (await ask(tab.base, 'GET', '/api/v1/audit?action=workspace.create')).body.entries[0].number
  await tab.go(`/settings/audit?q=seen+trail&open=${first}`)
  await tab.see(tab.role('region', 'workspace.create'))
  tab.allow(404)
  await tab.go('/settings/audit?open=987654')
  await tab.see(tab.role('alert').getByText(/no audit entry with the number 987654/i))
  await tab.soundInBoth('a link to no entry')
  tab.allow()
  await tab.go(`/settings/audit?object=${made.id}`)
  await until('the trail of the key', async () => await grid.getAttribute('aria-rowcount') === '3')

  const download = tab.page.waitForEvent('download')
  await tab.click(tab.menu)
  await tab.click(tab.role('menuitem', 'As CSV'))
  same('what is chosen is taken along', (await download).suggestedFilename(), 'audit.csv')

  await tab.click(tab.role('button', 'Verify'))
  await tab.see(/entries are as they were written/)
  await tab.soundInBoth('the trail is verified')
  await tab.click(tab.role('button', 'Copy the hash'))
  await tab.go('/settings/audit?q=nothing_is_called_so')
  await tab.see('Nothing matches')
  await tab.sound('nothing matches')
}

/** Set, allowed, rotated, rolled back; its value is in nothing that the page gets until somebody asks for it. */
async function secrets(tab) {
  const canary = 'canary-7d1f0b36c2'
  const got = []
  tab.page.on('response', (r) => { if (!r.url().endsWith('/reveal')) void r.text().then((text) => { if (text.includes(canary)) got.push(r.url()) }, () => {}) })
  await tab.go('/settings/secrets')
  await tab.see('There are no secrets yet')
  await tab.soundInBoth('no secrets yet')
  await tab.press('n')
  await tab.see(tab.role('dialog', 'A new secret'))
  await tab.type('Stripe//key')
  await tab.see(/Small letters, digits and _/)
  await tab.page.getByLabel('Path').fill('stripe/live_key')
  await tab.page.getByLabel('Value', { exact: true }).fill(`${canary}-1`)
  same('it is hidden while it is typed', await tab.page.getByLabel('Value', { exact: true }).getAttribute('type'), 'password')
  await tab.page.getByLabel('May be used by').fill('sources/web')
  await tab.page.getByLabel('Note').fill(payloads[1])
  await tab.soundInBoth('a new secret')
  await tab.click(tab.role('button', 'Set it'))
  const drawer = tab.role('region', 'stripe/live_key')
  await tab.see(drawer.getByText('${secret:stripe/live_key}'))
  await tab.see(drawer.getByText(payloads[1]))
  await calm(tab, 'a secret with a note')
  await tab.soundInBoth('a secret')

  await tab.click(drawer.getByRole('button', { name: 'Who may use it' }))
  await tab.page.getByLabel('May be sent to').fill('https://x/')
  tab.allow(400)
  await tab.click(tab.role('button', 'Save'))
  await tab.see(tab.role('alert').getByText(/is no host/))
  tab.allow()
  await tab.page.getByLabel('May be sent to').fill('api.stripe.com')
  await tab.see(/can have the value sent/)
  await tab.sound('who may use a secret')
  await tab.click(tab.role('button', 'Save'))
  await tab.see(drawer.getByText('api.stripe.com'))

  await tab.click(drawer.getByRole('button', { name: 'New value' }))
  await tab.page.getByLabel('Value', { exact: true }).fill(`${canary}-2`)
  await tab.press('Enter')
  await tab.gone(tab.page.getByLabel('Value', { exact: true }))
  await tab.see(drawer.getByText('Version 2'))
  same('no answer had the value', got, [])
  same('nor has the page', (await tab.page.content()).includes(canary), false)
  await tab.click(drawer.getByRole('button', { name: 'Show it' }))
  await tab.see(drawer.getByText(`${canary}-2`))
  await tab.sound('a value that was asked for')
  await tab.click(drawer.getByRole('button', { name: 'Hide it' }))
  await tab.gone(drawer.getByText(`${canary}-2`))

  await tab.click(drawer.getByRole('button', { name: 'What may be done with version 1' }))
  await tab.click(tab.role('menuitem', 'Roll back to it'))
  await tab.click(tab.role('button', 'Roll back'))
  await tab.see(drawer.getByText('Version 1'))
  await tab.click(drawer.getByRole('button', { name: 'More of this secret' }))
  await tab.click(tab.role('menuitem', 'Delete'))
  await tab.click(tab.role('button', 'Delete it'))
  await tab.see(drawer.getByRole('button', { name: 'Restore' }))
  await tab.click(drawer.getByRole('button', { name: 'Restore' }))
  await tab.click(tab.role('button', 'Restore it'))
  await tab.see(drawer.getByText('Version 1'))
  await tab.click(drawer.getByRole('link', { name: 'What was done with it' }))
  await tab.see(tab.role('grid', 'Audit trail').getByText('secret.reveal'))
  same('nor does the trail', (await tab.page.content()).includes(canary), false)
}

/** Taken, verified, deleted; what there is to do about versions says so. */
async function backup(tab) {
  await tab.go('/settings/backups')
  await tab.see('There are no backups yet')
  await tab.soundInBoth('no backups yet')
  await tab.press('n')
  await tab.see(/^A backup of .* is taken/)
  const grid = tab.role('grid', 'Backups')
  await tab.click((await tab.see(grid.getByText('Whole'))).first())
  await tab.see(tab.role('button', 'Verify'))
  await tab.see(/^millrace restore --from/)
  await tab.soundInBoth('a backup')
  await tab.click(tab.role('button', 'Verify'))
  await tab.see(/^All of .* is as it was stored/)
  await tab.sound('a backup that was verified')
  await tab.click(tab.role('button', 'Delete'))
  await tab.see(/It is the newest one/)
  await tab.sound('deleting a backup')
  await tab.click(tab.role('button', 'Delete it'))
  await tab.see('There are no backups yet')
  await tab.go('/settings/releases')
  await tab.see('There are no versions here')
  const none = await ask(tab.base, 'GET', '/api/v1/releases')
  same('the API says why, and what to do', [none.status, none.body.kind, none.body.detail.includes('Start the folder with millrace serve')], [404, 'not_found', true])
  await tab.sound('no versions here')
}

/** Whatever a name holds is shown as it is. */
async function hostile(tab) {
  for (const name of payloads) {
    const made = await ask(tab.base, 'POST', '/api/v1/keys', { body: { name, role: 'viewer' } })
    if (made.status !== 201) throw new Error(`${name} is refused: ${made.text}`)
  }
  await tab.go('/settings/keys')
  const grid = tab.role('grid', 'API keys')
  for (const name of payloads.slice(0, 4)) await tab.see(grid.getByText(name, { exact: true }))
  await calm(tab, 'the list of keys')
  for (const name of payloads) {
    await tab.click(grid.getByText(name, { exact: true }))
    await tab.see(tab.role('region', name))
    await calm(tab, `the key ${name}`)
  }
  await tab.click(tab.role('button', 'Revoke'))
  await tab.see(tab.role('button', 'Revoke it'))
  await calm(tab, 'asking before it is revoked')
  await tab.press('Escape')
  await tab.sound('hostile names')
  await tab.go('/settings/audit?action=key.create')
  const trail = tab.role('grid', 'Audit trail')
  for (const name of payloads) {
    await tab.click(trail.getByText(name, { exact: true }))
    await tab.see(tab.role('region', 'After').getByText(JSON.stringify(name).slice(0, 40)))
    await calm(tab, `the entry of ${name}`)
    await tab.press('Escape')
  }
  await tab.sound('hostile names in the trail')
}

async function small(tab) {
  await tab.go('/')
  await tab.click(tab.role('navigation', 'Rooms').getByRole('button', { name: 'More' }))
  await tab.click(tab.role('menuitem', 'Settings'))
  await tab.at(/^\/settings$/)
  await tab.see(tab.role('link', /API keys/))
  await tab.sound('settings on a phone')
  await tab.click(tab.role('link', /API keys/))
  await tab.see(tab.role('grid', 'API keys'))
  await tab.sound('keys on a phone')
  await tab.click(tab.role('gridcell').first())
  await tab.see(tab.role('button', 'Close'))
  await tab.sound('a key on a phone')
  await tab.go('/settings/audit')
  await tab.see(tab.role('grid', 'Audit trail'))
  await tab.sound('the trail on a phone')
}
