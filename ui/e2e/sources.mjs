// Sources made and changed from the page: what it shows is what their files say.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { same, until } from './browser.mjs'

const shop = `# The shop's website. Ask Ada before changing a key.
kind: http
write_keys: [dev_web, web_2026]   # web_2026 is in the tag manager

dedup: 7d
`

/** answerTo is the status with which intake answers an event that is sent with a key. */
async function answerTo(base, key, event) {
  const response = await fetch(`${base}/v1/track`, { method: 'POST', headers: { Authorization: `Basic ${Buffer.from(`${key}:`).toString('base64')}` }, body: JSON.stringify({ event, userId: 'ada', messageId: `${event}-${key}-${Date.now()}` }) })
  await response.arrayBuffer()
  return response.status
}

export async function scenes(play, { project }) {
  const pathOf = (name) => join(project, 'sources', `${name}.yaml`)
  const read = (name) => readFileSync(pathOf(name), 'utf8')
  const write = (name, text) => { writeFileSync(pathOf(name), text) }
  await play.scene('a source is made', {}, (tab) => made(tab, read))
  await play.scene('a source is changed', {}, (tab) => changed(tab, read, write))
  await play.scene('two change a source', {}, (tab) => conflict(tab, read, write))
  await play.scene('a key is rotated', {}, (tab) => rotated(tab, read, write))
  await play.scene('a source with mistakes', {}, (tab) => mistakes(tab, read, write))
}

/** With the keyboard alone: named, saved with the key that was made for it, and used. */
async function made(tab, read) {
  await tab.go('/sources')
  await tab.see(tab.role('button', 'New source'))
  await tab.press('n')
  await tab.see(tab.role('textbox', 'Name'))
  await until('the name has the keyboard', () => tab.page.evaluate(() => document.activeElement?.labels?.[0]?.textContent === 'Name'))
  await tab.soundInBoth('a new source')
  await tab.type('fresh')
  const create = tab.role('button', 'Create the source')
  await until('it can be saved', () => create.isEnabled())
  await tab.see(tab.text('No mistakes'))
  await tab.press('Control+s')
  await tab.at(/^\/sources\/fresh\?tab=setup/)
  const key = /^# yaml-language-server: \$schema=\S+\nkind: http\nwrite_keys: \[(dev_[a-z2-7]{20})\]\n$/.exec(read('fresh'))?.[1]
  if (!key) throw new Error(`the file is ${read('fresh')}`)
  await tab.see(tab.role('heading', 'Send from your code'))
  await tab.see(tab.role('tabpanel').getByText(new RegExp(key)))
  await tab.kept('after a source is made')
  await tab.soundInBoth('the set-up of a new source')
  same('intake takes the key', await answerTo(tab.base, key, 'Fresh Seen'), 200)
  await tab.see(tab.page.locator('main header:has(h1:has-text("fresh"))').getByText('Receiving', { exact: true }))
  await tab.click(tab.role('tab', 'Events'))
  await tab.see(tab.role('grid', 'Events').getByText('Fresh Seen', { exact: true }))
}

const changesTab = (tab, count) => tab.role('tab', `Changes ${count}`)

/** The form changes values and nothing else of the file, and shows what, before it is saved. */
async function changed(tab, read, write) {
  write('web', shop)
  await tab.go('/sources/web/edit')
  await tab.page.getByLabel('Duplicates').fill('forever')
  await tab.page.getByLabel('Events a second', { exact: true }).fill('100')
  await tab.page.getByLabel('Write keys 1', { exact: true }).fill('dev_site')
  await tab.click(await tab.see(changesTab(tab, '+4 −2')))
  await tab.see(tab.role('region', 'What changes').getByText('write_keys: [dev_site, web_2026]   # web_2026 is in the tag manager'))
  await tab.soundInBoth('the form of a source')
  same('nothing is saved yet', read('web'), shop)
  await tab.click(tab.role('button', 'Save', { exact: true }))
  const dialog = tab.role('dialog', 'Save sources/web.yaml?')
  await tab.see(dialog.getByText('dedup: forever'))
  await tab.soundInBoth('what is about to be saved')
  await tab.click(dialog.getByRole('button', { name: 'Save', exact: true }))
  await tab.at(/^\/sources\/web$/)
  await tab.kept('after a source is saved')
  await tab.see('Saved, and served')
  same('the file', read('web'), `${shop.replace('dev_web', 'dev_site').replace('7d', 'forever')}limits:\n  rate: 100\n`)
  await tab.click(tab.role('tab', 'Overview'))
  await tab.see(tab.text('an id counts once for ever'))
  same('the new key is served', await answerTo(tab.base, 'dev_site', 'Page Seen'), 200)

  // Without saving one is asked before what was changed is gone.
  await tab.click(tab.role('link', 'Edit', { exact: true }))
  await tab.page.getByLabel('Duplicates').fill('9d')
  await tab.see(changesTab(tab, '+1 −1'))
  await tab.click(tab.role('button', 'Cancel'))
  await tab.see(tab.role('dialog', 'Leave without saving?'))
  await tab.soundInBoth('leaving without saving')
  await tab.click(tab.role('button', 'Leave', { exact: true }))
  // One is where one was.
  await tab.at(/^\/sources\/web\?tab=now$/)
  same('it is as it was', /dedup: forever/.test(read('web')), true)
}

/** Somebody else saves the file meanwhile: nothing is lost on either side. */
async function conflict(tab, read, write) {
  write('web', shop)
  await tab.go('/sources/web/edit')
  await tab.page.getByLabel('Duplicates').fill('forever')
  await tab.click(tab.role('button', 'Add a key'))
  await tab.see(changesTab(tab, '+2 −2'))
  await tab.click(tab.role('button', 'Save', { exact: true }))
  const dialog = tab.role('dialog', 'Save sources/web.yaml?')
  await tab.see(dialog.getByText('dedup: forever'))
  write('web', `${shop.replace('web_2026]', 'web_2026, theirs_1]')}browser: true\n`)
  tab.allow(409)
  await tab.click(dialog.getByRole('button', { name: 'Save', exact: true }))
  const both = tab.role('dialog', 'sources/web.yaml was changed meanwhile')
  await tab.see(both.getByText('browser: true'))
  await tab.soundInBoth('a source that two change')
  tab.allow()
  same('theirs is not overwritten', /theirs_1/.test(read('web')), true)
  await tab.click(both.getByRole('button', { name: 'Put my changes into theirs' }))
  await tab.gone(both)
  await tab.see(changesTab(tab, '+2 −2'))
  await tab.click(tab.role('button', 'Save', { exact: true }))
  await tab.see(dialog.getByText('dedup: forever'))
  await tab.click(dialog.getByRole('button', { name: 'Save', exact: true }))
  await tab.at(/^\/sources\/web$/)
  const now = read('web')
  for (const part of [/^write_keys: \[dev_web, web_2026, theirs_1, dev_[a-z2-7]{20}\] {3}# web_2026 is in the tag manager$/m, /^dedup: forever$/m, /^browser: true$/m]) {
    if (!part.test(now)) throw new Error(`${part} is not in the file: ${now}`)
  }
}

/** Both keys work until the old one is taken away. */
async function rotated(tab, read, write) {
  write('web', '# Ask Ada.\nkind: http\nwrite_keys: [dev_old]   # in the tag manager\n')
  await until('the old key works', async () => await answerTo(tab.base, 'dev_old', 'Key Used') === 200)
  await tab.go('/sources/web?tab=now')
  await tab.see(tab.role('heading', 'Write key', { exact: true }))
  await tab.click(tab.role('button', 'Add a key'))
  await tab.see('All of them work.')
  const key = /^write_keys: \[dev_old, (dev_[a-z2-7]{20})\] {3}# in the tag manager$/m.exec(read('web'))?.[1]
  if (!key) throw new Error(`the file is ${read('web')}`)
  const row = (of) => tab.role('listitem').filter({ hasText: of })
  await tab.see(row(key))
  for (const one of ['dev_old', key]) same(`${one} works`, await answerTo(tab.base, one, 'Key Used'), 200)
  await tab.soundInBoth('a source with two keys')
  await tab.click(row('dev_old').getByRole('button', { name: 'Take away' }))
  const dialog = tab.role('dialog', 'Take dev_old away?')
  await tab.see(dialog)
  await tab.soundInBoth('a key that is taken away')
  await tab.click(dialog.getByRole('button', { name: 'Take it away' }))
  await tab.gone(row('dev_old'))
  await tab.gone(dialog)
  same('the old key is refused', await answerTo(tab.base, 'dev_old', 'Key Used'), 401)
  same('the new one works', await answerTo(tab.base, key, 'Key Used'), 200)
  same('the file', read('web'), `# Ask Ada.\nkind: http\nwrite_keys: [${key}]   # in the tag manager\n`)
}

/** What cannot be read as values is mended as text, and then the form is there. */
async function mistakes(tab, read, write) {
  const broken = '# Of the app.\nkind: http\nwrite_keys: [dev_ios'
  write('ios', broken)
  await tab.go('/sources/ios/edit')
  await tab.see('The file has mistakes that keep the form from reading it.')
  await tab.see(tab.page.locator('.cm-content').getByText('write_keys: [dev_ios'))
  same('there is no form', await tab.page.getByLabel('Duplicates').count(), 0)
  await tab.soundInBoth('a source with mistakes')
  await tab.click(tab.page.locator('.cm-content'))
  await tab.press('Control+End')
  await tab.type(']')
  await tab.see(tab.page.getByLabel('Duplicates'))
  await tab.see(tab.text('No mistakes'))
  await tab.press('Control+s')
  const dialog = tab.role('dialog', 'Save sources/ios.yaml?')
  await tab.click((await tab.see(dialog)).getByRole('button', { name: 'Save', exact: true }))
  await tab.at(/^\/sources\/ios$/)
  same('the file', read('ios'), `${broken}]`)
  same('it is served', await answerTo(tab.base, 'dev_ios', 'App Opened'), 200)
}
