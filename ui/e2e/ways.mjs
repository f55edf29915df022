// Ways in: by links to a workspace, by mail, and again in the middle of some work; what who may not do things is shown, and where changes can be looked up.
import { same, until } from './browser.mjs'
import { enter, fill, other } from './people.mjs'
import { openPost } from './post.mjs'

const owner = { name: 'Ada Lovelace', email: 'ada@example.com', password: 'seven purple engines hum' }
const guest = { name: 'Grace Hopper', email: 'grace@example.com', password: 'quiet compilers dream often' }

export async function scenes(play, { link }) {
  await play.scene('an owner, and a second workspace', {}, (tab) => begin(tab, link))
  await play.scene('a link to a workspace leads through the sign-in', {}, linked)
  await play.scene('a session ends while something is typed', {}, ended)
  await play.scene('another person signs in instead', {}, instead)
  await play.scene('what changed in a file is found from the trail', {}, changed)
  await play.scene('secrets are encrypted anew', {}, rekeyed)
  const post = await openPost()
  try {
    await play.scene('an invitation comes by mail', {}, (tab) => invitedByMail(tab, post))
    await play.scene('somebody has no access', {}, noAccess)
    await play.scene('a viewer is offered what viewers may do', {}, viewer)
    await play.scene('a forgotten password is set by mail', {}, resetByMail(post))
    await play.scene('another address is confirmed by mail', {}, (tab) => addressByMail(tab, post))
  } finally {
    await post.close()
  }
}

/** asked asks the API as the page does for who is signed in. */
async function asked(tab, method, path, body) {
  const answer = await tab.page.evaluate(async ({ method, path, body }) => {
    const { csrf } = await (await fetch('/api/v1/session')).json()
    const response = await fetch(path, { method, headers: { 'Content-Type': 'application/json', 'Millrace-CSRF': csrf }, body: body === undefined ? undefined : JSON.stringify(body) })
    return { ok: response.ok, text: await response.text() }
  }, { method, path, body })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.text}`)
  return answer.text.startsWith('{') ? JSON.parse(answer.text) : undefined
}

async function begin(tab, link) {
  await tab.page.goto(link)
  await fill(tab, owner)
  await tab.press('Enter')
  await tab.see(tab.role('navigation', 'Rooms'))
  await asked(tab, 'POST', '/api/v1/workspaces', { name: 'acme', title: 'Acme Ltd' })
  await asked(tab, 'POST', '/api/v1/workspaces/acme/environments', { name: 'staging' })
}

/** Signed out, a link asks who one is, and then shows exactly what it names. */
async function linked(tab) {
  // Whose space it is, the server tells nobody who is signed out.
  tab.allow(404, 401)
  await tab.go('/w/acme@staging/sources?new=webhook')
  await tab.see(tab.role('heading', 'Sign in', { exact: true }))
  await tab.sound('the sign-in of a link')
  await enter(tab, owner)
  same('the link shows what it names', tab.address, '/w/acme@staging/sources?new=webhook')
  await tab.see(tab.role('button', 'acme staging: go to another workspace'))
  tab.allow()
  await tab.page.reload()
  await tab.see(tab.role('button', 'acme staging: go to another workspace'))
}

/** What is typed is there when the session has ended elsewhere and one has signed in again. */
async function ended(tab) {
  await tab.go('/settings/secrets')
  await enter(tab, owner)
  await tab.see(tab.role('heading', 'There are no secrets yet'))
  await tab.press('n')
  await tab.page.getByLabel('Path').fill('stripe/live_key')
  await tab.page.getByLabel('Value', { exact: true }).fill('typed before the end')
  await tab.page.getByLabel('Note').fill('Ask Grace')
  tab.allow(401)
  await asked(await elsewhere(tab), 'DELETE', '/api/v1/profile/sessions')
  await tab.see(tab.role('heading', 'Sign in again'))
  await tab.see(/You will be back where you were/)
  same('nothing of it is to be seen meanwhile', await tab.page.getByLabel('Note').isVisible(), false)
  await tab.soundInBoth('a session has ended over a dialog')
  await tab.press('Escape', 'Escape')
  await tab.see(tab.role('heading', 'Sign in again'))
  await enter(tab, owner)
  tab.allow()
  await tab.gone(tab.role('heading', 'Sign in again'))
  same('what was typed is there', [await tab.page.getByLabel('Path').inputValue(), await tab.page.getByLabel('Value', { exact: true }).inputValue(), await tab.page.getByLabel('Note').inputValue()], ['stripe/live_key', 'typed before the end', 'Ask Grace'])
  await tab.page.getByLabel('Note').focus()
  await tab.press('Enter')
  await tab.see(tab.role('region', 'stripe/live_key').getByText('Version 1').first())
}

/** elsewhere is another browser in which the owner is signed in. */
async function elsewhere(tab) {
  const its = await other(tab)
  await its.go('/status')
  await enter(its, owner)
  return its
}

/** What one has typed, and seen, another person who signs in there does not see. */
async function instead(tab) {
  await tab.go('/settings/keys')
  await enter(tab, owner)
  await tab.see(tab.role('button', 'New key').first())
  await tab.press('n')
  await tab.page.getByLabel('Name').fill('typed by Ada')
  const its = await elsewhere(tab)
  const { link } = await asked(its, 'POST', '/api/v1/members/invitations', { role: 'admin', email: 'linus@example.com' })
  const linus = await other(tab)
  await linus.page.goto(link)
  await fill(linus, { name: 'Linus', email: 'linus@example.com', password: 'nine wooden spoons whisper' })
  await linus.press('Enter')
  await linus.see(linus.role('navigation', 'Rooms'))
  await linus.close()
  tab.allow(401)
  await asked(its, 'DELETE', '/api/v1/profile/sessions')
  await its.close()
  await tab.see(tab.role('heading', 'Sign in again'))
  await enter(tab, { email: 'linus@example.com', password: 'nine wooden spoons whisper' })
  tab.allow()
  await tab.see(tab.role('link', 'Your profile, Linus'))
  same('the dialog of another is gone', await tab.role('dialog').count(), 0)
  same('and what was typed in it', (await tab.page.content()).includes('typed by Ada'), false)
}

/** The trail has no texts: it leads to the version that has them. */
async function changed(tab) {
  await tab.go('/project')
  await enter(tab, owner)
  const { etag, text } = await asked(tab, 'GET', '/api/v1/files/text?path=sources/web.yaml')
  await asked(tab, 'PUT', '/api/v1/files/text?path=sources/web.yaml', { etag, text: `# What the pages send.\n${text}`, message: 'A comment' })
  await tab.go('/settings/audit?action=file.save')
  await tab.click((await tab.see(tab.role('grid', 'Audit trail').getByText('sources/web.yaml'))).first())
  const drawer = tab.role('region', 'file.save')
  await tab.see(drawer.getByText('# What the pages send.'))
  await tab.see(drawer.getByText('production'))
  await tab.soundInBoth('what changed in a file')
  await tab.click(drawer.getByRole('link', { name: /^Version \d+, which it made/ }))
  await tab.at(/^\/settings\/releases\?open=\d+/)
  await tab.see(tab.role('region', /^Version \d+$/).getByText('# What the pages send.'))
}

async function rekeyed(tab) {
  await tab.go('/settings/secrets')
  await enter(tab, owner)
  await tab.see(tab.role('grid', 'Secrets').getByText('stripe/live_key'))
  await tab.click(tab.menu)
  await tab.click(tab.role('menuitem', 'Encrypt all anew'))
  await tab.see(tab.role('dialog', 'Encrypt all values anew?'))
  await tab.soundInBoth('encrypting anew')
  await tab.click(tab.role('button', 'Encrypt them anew'))
  await tab.see(/1 value was encrypted anew/)
  const { value } = await asked(tab, 'POST', '/api/v1/secrets/reveal', { path: 'stripe/live_key' })
  same('its value is as it was', value, 'typed before the end')
}

/** letter is the newest mail to somebody, after so many. */
async function letter(post, to, after = 0) {
  await until(`a mail to ${to}`, () => post.mails.filter((m) => m.to.includes(to)).length > after)
  return post.mails.filter((m) => m.to.includes(to)).at(-1).text
}

const linkIn = (text) => /http:\/\/\S+#\S+/.exec(text)?.[0] ?? ''

async function invitedByMail(tab, post) {
  await tab.go('/settings/members')
  await enter(tab, owner)
  const { etag, text } = await asked(tab, 'GET', '/api/v1/files/text?path=millrace.yaml')
  await asked(tab, 'PUT', '/api/v1/files/text?path=millrace.yaml', { etag, text: `${text}smtp:\n  address: ${post.address}\n  from: Millrace <millrace@example.com>\n  encryption: none\n` })
  await tab.page.reload()
  await tab.see(tab.role('button', 'Invite'))
  await tab.press('n')
  await tab.page.getByLabel('E-mail address').fill(guest.email)
  same('it goes by mail unless somebody says otherwise', await tab.page.getByLabel('Send it to them by mail').isChecked(), true)
  await tab.click(tab.role('button', 'Make the link'))
  await tab.see(/It is on its way to grace@example.com/)
  await tab.soundInBoth('an invitation that was sent')
  const her = await other(tab)
  await her.page.goto(linkIn(await letter(post, guest.email)))
  await her.see(/You are invited to work in Default as/)
  same('the address is hers', await her.page.getByLabel('E-mail address').inputValue(), guest.email)
  await fill(her, guest)
  await her.press('Enter')
  await her.see(her.role('link', `Your profile, ${guest.name}`))
  await her.close()
}

/** A link to what is not shown to somebody says so, and leads to what is theirs. */
async function noAccess(tab) {
  tab.allow(404, 401)
  await tab.go('/w/acme@staging/live')
  await enterOnly(tab, guest)
  await tab.see('acme@staging is not shown to you')
  await tab.see(/you are no member of it/)
  await tab.soundInBoth('no access')
  tab.allow(403)
  await tab.click(tab.role('navigation', 'Your workspaces').getByRole('link', { name: /default\s*production/ }))
  await tab.at(/^\/live/)
  await tab.see(tab.role('alert').getByText('record:read'))
}

/** enterOnly signs in where no rooms follow. */
async function enterOnly(tab, person) {
  await (await tab.see(tab.page.getByLabel('E-mail address'))).fill(person.email)
  await tab.page.getByLabel('Password', { exact: true }).fill(person.password)
  await tab.press('Enter')
}

/** What viewers may not do is not offered; where they come by a link, it says which permission it takes. */
async function viewer(tab) {
  tab.allow(403)
  await tab.go('/settings/members')
  await enter(tab, guest)
  await tab.see(tab.role('listitem').filter({ hasText: owner.email }))
  same('only leaving is offered', await tab.role('button', /^What may be done with/).count(), 1)
  for (const [path, permission] of [['/settings/keys', 'key:read'], ['/settings/secrets', 'secret:list'], ['/live', 'record:read']]) {
    await tab.go(path)
    const box = await tab.see(tab.role('alert').getByText(permission))
    same('it is told as what it is', await box.count() > 0 && await tab.text('Your role does not allow this').first().isVisible(), true)
    same('asking again is not offered', await tab.role('button', 'Try again').count(), 0)
    await tab.sound(`${path} of a viewer`)
  }
  same('no key can be made', await tab.role('button', 'New key').count(), 0)
  await tab.go('/sources')
  await tab.see(tab.role('link', /^web/))
  same('no source can be made', await tab.role('button', 'New source').count(), 0)
  await tab.go('/project?file=sources/web.yaml')
  await tab.see(/changing files needs the permission file:write/)
  same('no file can be saved', await tab.role('button', 'Save').count(), 0)
  await tab.sound('a file of a viewer')
  await tab.go('/warehouse')
  await tab.see('Your role does not let you ask')
  await tab.sound('the warehouse of a viewer')
}

const resetByMail = (post) => async (tab) => {
  const before = post.mails.filter((m) => m.to.includes(guest.email)).length
  await tab.go('/')
  await tab.click(await tab.see(tab.role('button', 'I forgot my password')))
  await tab.page.getByLabel('E-mail address').fill(guest.email)
  await tab.press('Enter')
  await tab.see(tab.role('heading', 'Look into your mail'))
  await tab.soundInBoth('look into your mail')
  await tab.page.goto(linkIn(await letter(post, guest.email, before)))
  guest.password = 'brave ferrets paint clouds'
  await (await tab.see(tab.page.getByLabel('New password'))).fill(guest.password)
  await tab.press('Enter')
  await tab.see(tab.role('link', `Your profile, ${guest.name}`))
}

/** Whoever has removed their account is told so, and not asked to sign in again. */
async function removed(tab) {
  await tab.go('/settings/profile')
  const part = await tab.see(tab.role('region', 'Your account'))
  await tab.click(part.getByRole('button', { name: 'Remove' }))
  await tab.type(guest.password)
  await tab.press('Enter')
  await tab.see(tab.role('heading', 'Your account is removed'))
  await tab.sound('an account that is removed')
}

async function addressByMail(tab, post) {
  await tab.go('/settings/profile')
  await enter(tab, guest)
  await tab.click(tab.role('region', 'E-mail address').getByRole('button', { name: 'Change' }))
  await until('the keyboard is in it', () => tab.page.getByLabel('New address').evaluate((e) => e === document.activeElement))
  await tab.click(tab.role('region', 'E-mail address').getByRole('button', { name: 'Cancel' }))
  await until('the button has it again', async () => await tab.focus() === 'button Change')
  await tab.press('Enter')
  await tab.page.getByLabel('New address').fill('hopper@example.com')
  await tab.page.getByLabel('Your password').fill(guest.password)
  await tab.press('Enter')
  await tab.see(/A link is on its way to hopper@example.com/)
  await tab.sound('a new address')
  await tab.page.goto(linkIn(await letter(post, 'hopper@example.com')))
  await tab.click(await tab.see(tab.role('button', 'Confirm it')))
  await tab.see(/It is changed/)
  await tab.sound('an address that was confirmed')
  guest.email = 'hopper@example.com'
  await removed(tab)
}
