// A server where each change is a version: two people who change the same file, and what an environment has of its own.
import { phone, same, until } from './browser.mjs'
import { ask } from './settings.mjs'

export async function scenes(play, { token }) {
  const api = (tab) => ({
    read: async (path) => (await ask(tab.base, 'GET', `/api/v1/files/text?path=${path}`, { token })).body,
    /** save is what Ben does meanwhile. */
    save: async (path, change) => {
      const now = (await ask(tab.base, 'GET', `/api/v1/files/text?path=${path}`, { token })).body
      const saved = await ask(tab.base, 'PUT', `/api/v1/files/text?path=${path}`, { token, body: { text: change(now.text), etag: now.etag, message: 'What Ben wants' } })
      if (saved.status !== 200) throw new Error(saved.text)
    },
    remove: async (path) => {
      const now = (await ask(tab.base, 'GET', `/api/v1/files/text?path=${path}`, { token })).body
      const gone = await ask(tab.base, 'DELETE', `/api/v1/files/text?path=${path}&etag=${encodeURIComponent(now.etag)}`, { token })
      if (gone.status !== 200) throw new Error(gone.text)
    },
    newest: async () => (await ask(tab.base, 'GET', '/api/v1/releases?limit=1', { token })).body.releases[0],
  })
  const scene = (name, options, story) => play.scene(name, options, async (tab) => {
    await tab.go('/project')
    await (await tab.see(tab.page.getByLabel('Admin token'))).fill(token)
    await tab.press('Enter')
    await tab.see(tab.role('navigation', 'Rooms'))
    await story(tab, api(tab))
  })
  await scene('two change a file, and it goes together', {}, together)
  await scene('two change the same place', {}, apart)
  await scene('what two wrote is decided in the text', {}, inText)
  await scene('a file that is removed meanwhile', {}, removed)
  await scene('a field that an environment has of its own', {}, overridden)
  await scene('two change a file, on a phone', { viewport: phone, colorScheme: 'dark' }, small)
}

/** edit opens a file and types at its end, after as many characters were taken away. */
async function edit(tab, path, taken, typed) {
  await tab.go(`/project?file=${encodeURIComponent(path)}`)
  await tab.see('As it is saved')
  await tab.click(tab.page.locator('.cm-content'))
  await tab.press('Control+End', ...Array(taken).fill('Backspace'))
  await tab.type(typed)
  await tab.press('Escape') // what may be written there is not asked for
  await tab.see('Changed, not saved')
}

const dialogOf = (tab, path) => tab.role('dialog', `Save ${path}?`)
const bothOf = (tab, path) => tab.role('dialog', `${path} was changed meanwhile`)

/** saveOver saves while somebody else has saved: it is refused, and both are shown. */
async function saveOver(tab, path) {
  await tab.press('Control+s')
  await tab.see(dialogOf(tab, path))
  tab.allow(409)
  await tab.click(dialogOf(tab, path).getByRole('button', { name: 'Save and deploy' }))
  await tab.see(bothOf(tab, path))
  tab.allow()
}

async function together(tab, { read, save, newest }) {
  const path = 'sources/app.yaml'
  await edit(tab, path, 0, 'browser: true')
  await save(path, (text) => text.replace('[app_1]', '[app_1, app_2]   # the new app'))
  await saveOver(tab, path)
  const both = bothOf(tab, path)
  await tab.see(both.getByText('Both go together'))
  await tab.see(both.getByText('browser: true'))
  await tab.soundInBoth('two whose changes go together')
  same('theirs is not overwritten', (await read(path)).text.includes('app_2'), true)
  await tab.click(both.getByRole('button', { name: 'Put both together' }))
  const dialog = dialogOf(tab, path)
  await (await tab.see(dialog.getByLabel('Why'))).fill('The app is a page as well')
  await tab.soundInBoth('both, before they are saved')
  await tab.click(dialog.getByRole('button', { name: 'Save and deploy' }))
  await tab.see(/^Version \d+ runs$/)
  same('the file has both', (await read(path)).text, 'kind: http\nwrite_keys: [app_1, app_2]   # the new app\nbrowser: true\n')
  const { message, origin } = await newest()
  same('the version says why', [message, origin], ['The app is a page as well', 'page'])
  await tab.go('/settings/releases')
  await tab.see('The app is a page as well')
  await tab.see('What Ben wants')
}

async function apart(tab, { read, save }) {
  const path = 'sources/till.yaml'
  await edit(tab, path, 2, '8d')
  await save(path, (text) => `# Of the tills.\n${text.replace('7d', '9d')}`)
  await saveOver(tab, path)
  const both = bothOf(tab, path)
  const main = both.getByRole('button', { name: 'Put both together' })
  const place = both.getByRole('group', { name: 'Place 1 of 1' })
  await tab.see(place.getByText('dedup: 8d'))
  await tab.see(place.getByText('dedup: 9d'))
  same('nothing is decided yet', await main.isDisabled(), true)
  await tab.soundInBoth('two who changed the same')
  await tab.click(place.getByRole('button', { name: 'Theirs' }))
  same('that is chosen', await place.getByRole('button', { name: 'Theirs' }).getAttribute('aria-pressed'), 'true')
  await tab.click(place.getByRole('button', { name: 'Mine' }))
  await tab.click(main)
  await tab.click((await tab.see(dialogOf(tab, path))).getByRole('button', { name: 'Save and deploy' }))
  await tab.see(/^Version \d+ runs$/)
  same('mine where both changed the same, and theirs elsewhere', (await read(path)).text, '# Of the tills.\nkind: http\nwrite_keys: [till_1]\ndedup: 8d\n')
}

async function inText(tab, { read, save }) {
  const path = 'README.md'
  await edit(tab, path, 4, 'Ada.')
  await save(path, (text) => text.replace('Eve.', 'Ben.'))
  await saveOver(tab, path)
  await tab.click(bothOf(tab, path).getByRole('button', { name: 'Decide in the text' }))
  await tab.gone(bothOf(tab, path))
  await tab.see(tab.page.locator('.cm-content').getByText('<<<<<<< yours'))
  await tab.press('Control+s')
  const dialog = dialogOf(tab, path)
  await tab.see(dialog.getByText('There are still marks between yours and theirs'))
  same('it cannot be saved with marks', await dialog.getByRole('button', { name: 'Save and deploy' }).isDisabled(), true)
  await tab.sound('a text with marks')
  await tab.click(dialog.getByRole('button', { name: 'Go on editing' }))
  await tab.click(tab.page.locator('.cm-content'))
  await tab.press('Control+a')
  await tab.type('Ask Ada or Ben.')
  await tab.press('Control+s')
  await tab.click((await tab.see(dialog)).getByRole('button', { name: 'Save and deploy' }))
  await tab.see(/^Version \d+ runs$/)
  same('what was decided', (await read(path)).text, 'Ask Ada or Ben.')
}

async function removed(tab, { read, remove }) {
  const path = 'NOTES.md'
  await edit(tab, path, 0, ' More.')
  await remove(path)
  await saveOver(tab, path)
  await tab.see(bothOf(tab, path).getByText('Somebody else has removed the file'))
  await tab.click(bothOf(tab, path).getByRole('button', { name: 'Make it anew' }))
  await tab.click((await tab.see(dialogOf(tab, path))).getByRole('button', { name: 'Save and deploy' }))
  await tab.see(/^Version \d+ runs$/)
  same('it is there again', (await read(path)).text, 'Notes. More.')
}

const answerTo = async (base, key) => (await fetch(`${base}/v1/track`, { method: 'POST', headers: { Authorization: `Basic ${btoa(`${key}:`)}`, 'Content-Type': 'application/json' }, body: JSON.stringify({ userId: 'ada', event: 'Key Used' }) })).status

/** What counts here stands under environments in the file: it is changed there, and nothing else is. */
async function overridden(tab, { read }) {
  same('the key of this environment works, that of others does not', [await answerTo(tab.base, 'prod_1'), await answerTo(tab.base, 'web_1')], [200, 401])
  await tab.go('/sources/web?tab=now')
  await tab.see(tab.role('listitem').filter({ hasText: 'prod_1' }))
  same('another environment has its own', await tab.text('web_1').count(), 0)
  await tab.click(tab.role('button', 'Add a key'))
  await tab.see('All of them work.')
  const file = async () => (await read('sources/web.yaml')).text
  const key = /^ {4}write_keys: \[prod_1, ([a-z0-9_]+)\] # of the shop$/m.exec(await file())?.[1]
  if (!key) throw new Error(`the file is ${await file()}`)
  same('all else is as it was', (await file()).replace(`, ${key}`, ''), 'kind: http\nwrite_keys: [web_1]\nenvironments:\n  production:\n    write_keys: [prod_1] # of the shop\n')
  same('both work', [await answerTo(tab.base, 'prod_1'), await answerTo(tab.base, key)], [200, 200])
  await tab.click(tab.role('listitem').filter({ hasText: 'prod_1' }).getByRole('button', { name: 'Take away' }))
  await tab.click((await tab.see(tab.role('dialog', 'Take prod_1 away?'))).getByRole('button', { name: 'Take it away' }))
  await tab.gone(tab.role('listitem').filter({ hasText: 'prod_1' }))
  same('the file', await file(), `kind: http\nwrite_keys: [web_1]\nenvironments:\n  production:\n    write_keys: [${key}] # of the shop\n`)
  await until('the old key is refused', async () => await answerTo(tab.base, 'prod_1') === 401)
}

async function small(tab, { save }) {
  const path = 'sources/kiosk.yaml'
  await edit(tab, path, 2, '8d')
  await save(path, (text) => text.replace('7d', '9d'))
  await tab.click(tab.role('button', 'Save', { exact: true }))
  tab.allow(409)
  await tab.click(dialogOf(tab, path).getByRole('button', { name: 'Save and deploy' }))
  await tab.see(bothOf(tab, path))
  await tab.sound('two who changed the same, on a phone')
}
