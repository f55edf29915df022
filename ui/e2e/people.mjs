// A server that people sign in to: the first owner, those they invite, and what becomes of sessions.
import { phone, same, Tab, until, wide } from './browser.mjs'
import { calm, payloads } from './payloads.mjs'

const owner = { name: 'Ada Lovelace', email: 'ada@example.com', password: 'seven purple engines hum' }
const guest = { name: 'Grace Hopper', email: 'grace@example.com', password: 'quiet compilers dream often' }

export async function scenes(play, { link }) {
  await play.scene('the first owner', {}, (tab) => setUp(tab, link))
  await play.scene('signing in', {}, signIn)
  await play.scene('somebody is invited', {}, invited)
  await play.scene('a role is changed and taken', {}, roles)
  await play.scene('a password is set anew', {}, reset)
  await play.scene('profile and sessions', {}, profile)
  await play.scene('another site changes nothing', {}, csrf)
  await play.scene('hostile names of people', {}, hostile)
  await play.scene('releases', {}, releases)
  await play.scene('environments', {}, environments)
  await play.scene('backups', {}, backups)
  await play.scene('signing in on a phone', { viewport: phone, colorScheme: 'dark' }, small)
}

/** other is a browser of somebody else; what goes wrong in it goes wrong in the scene. */
export async function other(tab) {
  const context = await tab.page.context().browser().newContext({ viewport: wide, locale: 'en-GB', timezoneId: 'Europe/London' })
  const its = new Tab(await context.newPage(), tab.base)
  its.wrong = tab.wrong
  its.trace = tab.trace
  its.close = () => context.close()
  return its
}

/** enter signs in where the page asks for it. */
export async function enter(tab, person = owner) {
  await (await tab.see(tab.page.getByLabel('E-mail address'))).fill(person.email)
  await (await tab.see(tab.page.getByLabel('Password', { exact: true }))).fill(person.password)
  await tab.press('Enter')
  await tab.see(tab.role('navigation', 'Rooms'))
}

export async function fill(tab, person) {
  await (await tab.see(tab.page.getByLabel('Your name'))).fill(person.name)
  if (await tab.page.getByLabel('E-mail address').isEditable()) await tab.page.getByLabel('E-mail address').fill(person.email)
  await tab.page.getByLabel('Password', { exact: true }).fill(person.password)
}

/** whole is what was behind the # of a link, in any of the places where it could have stayed. */
async function noToken(tab, link) {
  const token = link.slice(link.indexOf('#') + 1)
  const kept = await tab.page.evaluate(() => [location.href, document.referrer, JSON.stringify(history.state), JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.documentElement.outerHTML].join('\n'))
  if (token.length < 20 || kept.includes(token)) throw new Error('the token of the link is still somewhere in the page')
  if (tab.trace.some((line) => / (GET|POST) /.test(line) && line.includes(token))) throw new Error('the token of the link was in an address that was asked for')
}

async function setUp(tab, link) {
  await tab.go('/')
  await tab.see('Nobody owns this server yet')
  await tab.soundInBoth('nobody owns it')
  await tab.page.goto(link)
  await tab.see(tab.role('heading', 'Set up this server'))
  await noToken(tab, link)
  await tab.soundInBoth('the set-up')
  await fill(tab, { ...owner, password: 'short' })
  await tab.press('Enter')
  await tab.see('It has 5 of at least 15 characters')
  await tab.page.getByLabel('Password', { exact: true }).fill('password password password')
  tab.allow(400)
  await tab.press('Enter')
  await tab.see(/easy to guess/)
  tab.allow()
  await tab.sound('a weak password')
  await tab.page.getByLabel('Password', { exact: true }).fill(owner.password)
  await tab.press('Enter')
  await tab.see(tab.role('navigation', 'Rooms'))
  same('one is at home', tab.address, '/')
  await tab.see(tab.role('link', `Your profile, ${owner.name}`))
  same('scripts do not see the cookie', await tab.page.evaluate(() => document.cookie), '')
  await tab.page.goto(link)
  await fill(tab, { ...guest, email: 'eve@example.com' })
  tab.allow(409, 410)
  await tab.press('Enter')
  await tab.see(tab.role('alert'))
  tab.allow()
  await tab.page.reload()
  await tab.see(/This page has lost its link/)
  await tab.sound('a door without its link')
}

async function signIn(tab) {
  await tab.go('/status?tab=charts')
  const email = await tab.see(tab.page.getByLabel('E-mail address'))
  same('it can be typed at once', await email.evaluate((e) => e === document.activeElement), true)
  await tab.soundInBoth('the sign-in')
  tab.allow(401)
  for (const who of [owner.email, 'nobody@example.com']) {
    await email.fill(who)
    await tab.page.getByLabel('Password', { exact: true }).fill('this is not the password')
    await tab.press('Enter')
    await tab.see(tab.role('alert').getByText('The e-mail address or the password is wrong.'))
    await until('it can be tried again', () => tab.role('button', 'Sign in').isEnabled())
  }
  await tab.sound('a wrong password')
  tab.allow()
  await tab.click(tab.role('button', 'Show it'))
  same('one may look at it', await tab.page.getByLabel('Password', { exact: true }).getAttribute('type'), 'text')
  await enter(tab)
  same('one is where one wanted to go', tab.address, '/status?tab=charts')
  await tab.page.reload()
  await tab.see(tab.role('heading', 'Status'))
  await tab.click(tab.role('button', 'Theme and time zone'))
  await tab.click(tab.role('menuitem', 'Sign out'))
  await tab.see(tab.role('heading', 'Sign in', { exact: true }))
  await tab.page.reload()
  await tab.see(tab.page.getByLabel('E-mail address'))
  await tab.click(tab.role('button', 'I forgot my password'))
  await tab.see(/This server sends no mail/)
  await tab.sound('a forgotten password')
}

/** invite makes a link in the page. */
async function invite(tab, { email, role }) {
  await tab.go('/settings/members')
  await tab.see(tab.role('button', 'Invite'))
  await tab.press('n')
  await tab.see(tab.role('dialog', 'Invite a member'))
  if (email) await tab.page.getByLabel('E-mail address').fill(email)
  await tab.page.getByLabel('Role').selectOption(role)
  await tab.click(tab.role('button', 'Make the link'))
  const link = (await (await tab.see(tab.role('region', 'Link'))).innerText()).trim()
  return link
}

async function invited(tab) {
  await tab.go('/')
  await enter(tab)
  const link = await invite(tab, { email: guest.email, role: 'viewer' })
  await tab.soundInBoth('an invitation, once')
  await tab.click(tab.role('button', 'Copy link'))
  await until('the link is copied', async () => await tab.copied() === link)
  await tab.click(tab.role('button', 'I have copied it'))
  await tab.click(tab.role('tab', 'Invitations'))
  await tab.see(tab.role('listitem').filter({ hasText: guest.email }).getByText('Open'))
  await tab.soundInBoth('invitations')

  const her = await other(tab)
  await her.page.goto(link)
  await her.see(/You are invited to work in Default as/)
  await noToken(her, link)
  await her.sound('an invitation')
  await fill(her, guest)
  await her.press('Enter')
  await her.see(her.role('link', `Your profile, ${guest.name}`))
  await her.go('/settings')
  await her.at(/^\/settings\/members/)
  same('she sees what a viewer can use', await her.role('navigation', 'Settings').getByRole('link').allInnerTexts(), ['Profile', 'Members', 'Environments', 'Releases'])
  same('and invites nobody', await her.role('button', 'Invite').count(), 0)
  her.allow(403)
  await her.go('/settings/keys')
  await her.see(/key:read/)
  await her.sound('a refusal names the permission')
  her.allow()
  await her.close()

  await tab.click(tab.role('tab', 'Members'))
  await tab.page.reload()
  await tab.see(tab.role('listitem').filter({ hasText: guest.email }).getByText('viewer'))
  await tab.soundInBoth('members')
  await tab.click(tab.role('tab', 'What roles may do'))
  await tab.see(tab.role('region', 'An environment: who may do what'))
  await tab.soundInBoth('what roles may do')
}

const menuOf = async (tab, name, item) => {
  await tab.click(tab.role('button', `What may be done with ${name}`))
  await tab.click(tab.role('menuitem', item))
}

async function roles(tab) {
  await tab.go('/settings/members')
  await enter(tab)
  const line = tab.role('listitem').filter({ hasText: guest.email })
  await tab.see(line)
  await menuOf(tab, guest.name, 'Change role')
  await tab.page.getByLabel('Role').selectOption('editor')
  await tab.sound('a role')
  await tab.click(tab.role('button', 'Set the role'))
  await tab.see(line.getByText('editor'))
  tab.allow(409)
  await menuOf(tab, owner.name, 'Leave')
  await tab.click(tab.role('dialog', 'Leave?').getByRole('button', { name: 'Leave' }))
  await tab.see(tab.role('alert').getByText(/Ada Lovelace \(ada@example.com\) is the last owner of the workspace default/))
  await tab.sound('the last owner stays')
  await tab.press('Escape')
  tab.allow()
  await tab.go('/settings/people?tab=accounts')
  await tab.see(tab.role('listitem').filter({ hasText: guest.email }))
  await tab.soundInBoth('all accounts')
  await menuOf(tab, guest.name, 'Suspend')
  await tab.click(tab.role('button', 'Suspend', { exact: true }))
  await tab.see(tab.role('listitem').filter({ hasText: guest.email }).getByText('suspended'))
  const her = await other(tab)
  await her.go('/')
  her.allow(401, 403)
  await (await her.see(her.page.getByLabel('E-mail address'))).fill(guest.email)
  await her.page.getByLabel('Password', { exact: true }).fill(guest.password)
  await her.press('Enter')
  await her.see(her.role('alert'))
  await her.close()
  await menuOf(tab, guest.name, 'Let them in again')
  await tab.click(tab.role('button', 'Let them in', { exact: true }))
  await tab.gone(tab.role('listitem').filter({ hasText: guest.email }).getByText('suspended'))
  await tab.click(tab.role('tab', 'Who runs it'))
  await tab.see(tab.role('listitem').filter({ hasText: owner.email }))
  await tab.soundInBoth('who runs the server')
}

async function reset(tab) {
  await tab.go('/settings/members')
  await enter(tab)
  await tab.see(tab.role('listitem').filter({ hasText: guest.email }))
  await menuOf(tab, guest.name, 'Link for a new password')
  await tab.click(tab.role('button', 'Make the link'))
  const link = (await (await tab.see(tab.role('region', 'Link'))).innerText()).trim()
  const her = await other(tab)
  await her.page.goto(link)
  await her.see(her.role('heading', 'A new password'))
  await noToken(her, link)
  await her.sound('a new password')
  guest.password = 'brave ferrets paint clouds'
  await her.page.getByLabel('New password').fill(guest.password)
  await her.press('Enter')
  await her.see(her.role('link', `Your profile, ${guest.name}`))
  await her.page.goto(link)
  her.allow(410)
  await her.page.getByLabel('New password').fill(guest.password)
  await her.press('Enter')
  await her.see(/works once/)
  await her.close()
}

async function profile(tab) {
  await tab.go('/settings/profile')
  await enter(tab)
  const name = await tab.see(tab.page.getByLabel('Your name'))
  await name.fill('Ada King')
  await tab.click(tab.role('button', 'Save'))
  await tab.see(tab.role('link', 'Your profile, Ada King'))
  await name.fill(owner.name)
  await tab.click(tab.role('button', 'Save'))
  await tab.see(tab.role('link', `Your profile, ${owner.name}`))
  await tab.soundInBoth('a profile')

  const second = await other(tab)
  await second.go('/warehouse?sql=SELECT%2042')
  await enter(second)
  await second.see(second.role('button', 'Run'))
  await tab.click(await tab.see(tab.role('button', /^End the other/)))
  await tab.see('All other sessions have ended')
  // The other browser is asked again, and is back where it was.
  second.allow(401)
  await second.see(second.role('heading', 'Sign in again'))
  await second.sound('a session has ended')
  await enter(second)
  second.allow()
  await second.see(second.role('button', 'Run'))
  same('it is back where it was', /^\/warehouse\?sql=SELECT/.test(second.address), true)
  await second.close()

  await tab.click(tab.role('region', 'Password').getByRole('button', { name: 'Change' }))
  await tab.page.getByLabel('Current password').fill('this is not the password')
  await tab.page.getByLabel('New password', { exact: true }).fill('slow rivers carry letters')
  tab.allow(403)
  await tab.click(tab.role('button', 'Change password'))
  await tab.see(tab.role('alert').getByText('the password is wrong'))
  await tab.sound('a wrong password of oneself')
  tab.allow()
  await tab.page.getByLabel('Current password').fill(owner.password)
  await tab.click(tab.role('button', 'Change password'))
  await tab.see(/Your password was changed/)
  owner.password = 'slow rivers carry letters'
  // The session has another token since: changes still go through.
  await name.fill('Ada, once more')
  await tab.click(tab.role('button', 'Save'))
  await tab.see(tab.role('link', 'Your profile, Ada, once more'))
  await name.fill(owner.name)
  await tab.click(tab.role('button', 'Save'))
  await tab.see(tab.role('link', `Your profile, ${owner.name}`))
}

/** What a form or script elsewhere could send with the cookie is refused. */
async function csrf(tab) {
  await tab.go('/settings/members')
  await enter(tab)
  tab.allow(403)
  const refused = await tab.page.evaluate(async () => {
    const send = async (headers) => { const r = await fetch('/api/v1/keys', { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: '{"name":"stolen","role":"viewer"}' }); return r.status }
    return [await send({}), await send({ 'Millrace-CSRF': 'x'.repeat(43) })]
  })
  same('without the token of the page', refused, [403, 403])
  const keys = await tab.page.evaluate(async () => (await (await fetch('/api/v1/keys')).json()).keys.map((k) => k.name))
  same('nothing was made', keys.includes('stolen'), false)
  tab.allow()
  // A page of another site, on another port of this machine: the browser does not even send the cookie.
  const status = (await fetch(`${tab.base}/api/v1/keys`, { method: 'POST', headers: { Origin: 'https://attacker.example', 'Sec-Fetch-Site': 'cross-site', Cookie: (await tab.page.context().cookies()).map((c) => `${c.name}=${c.value}`).join('; ') }, body: '{"name":"stolen","role":"viewer"}' })).status
  same('a page of another site', status, 403)
  const cookie = (await tab.page.context().cookies())[0]
  same('the cookie is for this site and for no script', [cookie?.httpOnly, cookie?.sameSite], [true, 'Strict'])
}

async function hostile(tab) {
  await tab.go('/settings/members')
  await enter(tab)
  const made = []
  for (const [i, name] of payloads.entries()) {
    // As the page asks for it.
    const text = await tab.page.evaluate(async ({ name, i }) => {
      const { csrf } = await (await fetch('/api/v1/session')).json()
      const answer = await fetch('/api/v1/members/invitations', { method: 'POST', headers: { 'Content-Type': 'application/json', 'Millrace-CSRF': csrf }, body: JSON.stringify({ role: 'viewer' }) })
      const { link } = await answer.json()
      const body = JSON.stringify({ token: link.slice(link.indexOf('#') + 1), name, email: `hostile${i}@example.com`, password: 'nine wooden spoons whisper' })
      const accepted = await fetch('/api/v1/invitations/accept', { method: 'POST', credentials: 'omit', headers: { 'Content-Type': 'application/json' }, body })
      return accepted.ok ? '' : `${accepted.status} ${await accepted.text()}`
    }, { name, i })
    if (text === '') made.push(name)
    else tab.note(`${name} is refused: ${text}`)
  }
  if (made.length < payloads.length / 2) throw new Error(`only ${made.length} names were taken`)
  await tab.page.reload()
  for (const name of made) await tab.see(tab.role('listitem').getByText(name, { exact: true }))
  await calm(tab, 'members')
  await tab.sound('hostile names of members')
  await menuOf(tab, made[0], 'Remove')
  await tab.see(tab.role('dialog'))
  await calm(tab, 'removing a member')
  await tab.press('Escape')
  await tab.go('/settings/people?tab=accounts')
  for (const name of made) await tab.see(tab.role('listitem').getByText(name, { exact: true }))
  await calm(tab, 'accounts')
  await tab.go('/settings/audit?action=invitation')
  await tab.see(tab.role('grid', 'Audit trail').getByText('invitation.accept').first())
  await calm(tab, 'the trail')
  const his = await other(tab)
  await his.go('/')
  await enter(his, { email: 'hostile1@example.com', password: 'nine wooden spoons whisper' })
  await calm(his, 'his own page')
  await his.go('/settings/profile')
  await his.see(his.role('region', 'Sessions'))
  await calm(his, 'his own profile')
  await his.close()
}

/** A change in the page is a version; an earlier one is compared, planned, and gone back to. */
async function releases(tab) {
  await tab.go('/settings/releases')
  await enter(tab)
  const grid = tab.role('grid', 'Versions')
  await tab.see(grid.getByText('Runs here'))
  const first = Number((await tab.page.getByText(/Version \d+ runs here/).innerText()).match(/\d+/)?.[0])
  await tab.soundInBoth('versions')
  // Somebody changes a file, with a comment that is none of ours.
  const saved = await tab.page.evaluate(async (comment) => {
    const { csrf } = await (await fetch('/api/v1/session')).json()
    const { etag, text } = await (await fetch('/api/v1/files/text?path=sources/web.yaml')).json()
    const answer = await fetch('/api/v1/files/text?path=sources/web.yaml', { method: 'PUT', headers: { 'Content-Type': 'application/json', 'Millrace-CSRF': csrf }, body: JSON.stringify({ etag, text: `# ${comment}\n${text}` }) })
    return `${answer.status} ${await answer.text()}`
  }, payloads[1])
  if (!saved.startsWith('200')) throw new Error(`the file is not saved: ${saved}`)
  await tab.see(`Version ${first + 1} runs here`)
  await tab.click(grid.getByRole('gridcell', { name: String(first + 1), exact: true }))
  await tab.see(tab.role('region', 'What changes in sources/web.yaml').getByText(`# ${payloads[1]}`))
  await calm(tab, 'a version')
  await tab.soundInBoth('a version')
  await tab.press('ArrowDown')
  const before = tab.role('region', `Version ${first}`, { exact: true })
  await tab.click(before.getByRole('button', { name: 'Roll back to it' }))
  const dialog = tab.role('dialog', `Back to version ${first}?`)
  await until('it is planned', () => dialog.getByRole('button', { name: 'Roll back' }).isEnabled())
  await dialog.getByLabel('Why').fill(payloads[2])
  await tab.soundInBoth('a plan')
  await tab.click(dialog.getByRole('button', { name: 'Roll back' }))
  await tab.gone(dialog)
  await tab.press('Escape')
  await until('what ran before runs', async () => { const { release } = await tab.page.evaluate(async () => (await fetch('/api/v1/releases/running')).json()); const text = await tab.page.evaluate(async () => (await (await fetch('/api/v1/files/text?path=sources/web.yaml')).json()).text); return release && !text.includes('onerror') })
  await tab.click(tab.role('tab', 'Deployments'))
  await tab.see(tab.role('grid', 'Deployments').getByText(payloads[2], { exact: true }))
  await calm(tab, 'deployments')
  await tab.soundInBoth('deployments')
}

/** Made, renamed, deleted and had back. */
async function environments(tab) {
  await tab.go('/settings/environments')
  await enter(tab)
  const line = (name) => tab.role('listitem').filter({ hasText: name })
  await tab.see(line('production').getByText('default', { exact: true }))
  await tab.press('n')
  await tab.see(tab.role('dialog', 'A new environment'))
  await tab.type('staging!')
  await tab.see(/beginning with a letter/)
  await tab.soundInBoth('a new environment')
  await tab.press('Backspace', 'Enter')
  await tab.see(line('staging').getByText('Active'))
  await menuOf(tab, 'staging', 'Rename')
  await tab.page.getByLabel('New name').fill('preview')
  await tab.press('Enter')
  await tab.see(line('preview'))
  await menuOf(tab, 'preview', 'Delete')
  const sure = tab.role('button', 'Delete it')
  same('its name has to be typed', await sure.isDisabled(), true)
  await tab.page.getByLabel('Type preview to go on').fill('preview')
  await tab.sound('deleting an environment')
  await tab.click(sure)
  await tab.see(line('preview').getByText(/Deleted/))
  await tab.soundInBoth('environments')
  await menuOf(tab, 'preview', 'Have it back')
  await tab.click(tab.role('dialog').getByRole('button', { name: 'Have it back' }))
  await tab.see(line('preview').getByText('Active'))
}

async function backups(tab) {
  await tab.go('/settings/backups')
  await enter(tab)
  await tab.see('Nothing is backed up yet')
  await tab.soundInBoth('no place for backups')
}

async function small(tab) {
  await tab.go('/settings/profile')
  await tab.sound('the sign-in on a phone')
  await enter(tab)
  await tab.see(tab.role('region', 'Sessions'))
  await tab.sound('a profile on a phone')
  for (const [path, seen] of [['/settings/members', tab.role('listitem').filter({ hasText: guest.email })], ['/settings/members?tab=roles', tab.role('region', 'An environment: who may do what')], ['/settings/people?tab=accounts', tab.page.getByLabel('Filter accounts')]]) {
    await tab.go(path)
    await tab.see(seen)
    await tab.sound(`${path} on a phone`)
  }
}
