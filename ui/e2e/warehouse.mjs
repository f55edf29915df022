// What is done in the warehouse: types changed, queries kept, results looked at and taken along.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { same, until } from './browser.mjs'

/** The answer to a query is 30 rows that are known. */
const numbers = `SELECT i AS n, 'row ' || i AS name, i * 1.5 AS half FROM range(30) t(i)`

/** Nobody waits for its end; it leaves a processor to others. */
const long = 'WITH RECURSIVE r(i) AS (SELECT 1 UNION SELECT i % 1000000000 + 1 FROM r) SELECT max(i) AS n FROM r'

const editorOf = (tab) => tab.page.locator('.cm-content')
const openSql = async (tab, sql) => {
  await tab.go(`/warehouse?sql=${encodeURIComponent(sql)}`)
  await tab.see(editorOf(tab).getByText(sql.split('\n')[0].slice(0, 20)))
}
const run = async (tab, sql) => {
  await openSql(tab, sql)
  await tab.click(tab.role('button', 'Run', { exact: true }))
}
const more = async (tab, item) => {
  await tab.click(tab.menu)
  await tab.click(tab.role('menuitem', item, { exact: true }))
}

async function ask(base, sql) {
  const response = await fetch(`${base}/api/v1/query`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ sql }) })
  const answer = await response.json()
  if (!response.ok) throw new Error(`the query answers ${response.status}: ${JSON.stringify(answer)}`)
  return answer.rows
}

export async function scenes(play, { project }) {
  const read = (path) => readFileSync(join(project, path), 'utf8')
  await play.scene('the type of a column', {}, (tab) => retyped(tab, read))
  await play.scene('the keyboard in the warehouse', {}, byKeys)
  await play.scene('a saved query', {}, (tab) => saved(tab, read, (path) => existsSync(join(project, path))))
  await play.scene('SQL in order', {}, formatted)
  await play.scene('the place of a mistake', {}, mistaken)
  await play.scene('a result', {}, result)
  await play.scene('a long query', {}, cancelled)
  await play.scene('a link to a text', {}, linked)
}

/** watched notes every text in the status of a rebuild, however short it is seen. */
const watched = (tab) => tab.page.evaluate(() => {
  window.seenProgress = 0
  new MutationObserver(() => { if (document.querySelector('dialog [role=progressbar]')) window.seenProgress++ }).observe(document.body, { childList: true, subtree: true })
})
const progressed = (tab) => until('progress was seen', () => tab.page.evaluate(() => window.seenProgress > 0))

/** A type is changed with what would change in sight, the tables are made anew, and then all of it back. */
async function retyped(tab, read) {
  const before = read('sources/till.yaml')
  await tab.go('/warehouse/till/order_completed?tab=columns')
  const typeOf = async () => /\b(text|bigint)\b/.exec(await tab.page.locator('[role=grid][aria-label=Columns] [role=row]').filter({ has: tab.page.locator('[role=gridcell]', { hasText: /^code$/ }) }).innerText())?.[1]
  await until('the type as it is', async () => await typeOf() === 'text')
  await tab.click(tab.role('button', 'Change type of code'))
  const dialog = tab.role('dialog', 'Change the type of order_completed.code')
  await tab.see(dialog)
  await tab.page.getByLabel('New type').selectOption('bigint')
  await tab.see(dialog.getByText('of 40 rows that have one'))
  await tab.see(dialog.getByText('rows would lose it: it is no bigint'))
  same('what would change', (await dialog.locator('dl dd.font-semibold').allInnerTexts()), ['38', '2', '0'])
  await tab.see(dialog.getByRole('region', { name: 'Would go to discards' }).getByText('A-7'))
  await tab.soundInBoth('a type that would change')
  same('nothing is changed yet', read('sources/till.yaml'), before)
  await watched(tab)
  await tab.click(dialog.getByRole('button', { name: 'Change to bigint, and rebuild till' }))
  await tab.see(dialog.getByText(/records were shaped again; the new tables are in place/))
  await progressed(tab)
  await tab.soundInBoth('a type that was changed')
  const changed = read('sources/till.yaml')
  same('the file has the type and its comments', [/order_completed\.code: bigint/.test(changed), changed.startsWith(before.split('\n')[0])], [true, true])
  same('its values are numbers', await ask(tab.base, `SELECT typeof(code), count(*) FROM till.order_completed WHERE code IS NOT NULL GROUP BY 1`), [['BIGINT', 38]])
  await until('the new type is seen', async () => await typeOf() === 'bigint')

  await tab.click(dialog.getByRole('button', { name: 'Change back to text' }))
  await tab.see(dialog.getByText(/says again what it said before/))
  await tab.see(dialog.getByText(/records were shaped again; the new tables are in place/))
  await tab.click(dialog.locator('footer').getByRole('button', { name: 'Close' }))
  await tab.gone(dialog)
  await until('the old type is seen', async () => await typeOf() === 'text')
  same('the file is as it was', read('sources/till.yaml'), before)
  same('no value is lost', await ask(tab.base, 'SELECT count(code) FROM till.order_completed'), [[40]])
}

async function saved(tab, read, exists) {
  await openSql(tab, numbers)
  await tab.press('Control+s')
  const dialog = tab.role('dialog', 'Save the query')
  await tab.see(dialog)
  await dialog.getByLabel('Name').fill('sales')
  await tab.soundInBoth('a query that is saved')
  await tab.press('Enter')
  await tab.see('Saved as queries/sales.sql')
  await tab.at(/query=sales/)
  same('its file', read('queries/sales.sql'), `${numbers}\n`)
  const list = tab.role('region', 'Saved queries', { exact: true })
  await tab.see(list.getByRole('link', { name: 'sales' }))

  await more(tab, 'Rename')
  const renaming = tab.role('dialog', 'Rename sales')
  await tab.see(renaming)
  await renaming.getByLabel('Name').fill('takings')
  await tab.soundInBoth('a query that is renamed')
  await tab.press('Enter')
  await tab.at(/query=takings/)
  await tab.see(list.getByRole('link', { name: 'takings' }))
  same('the file is moved', [exists('queries/sales.sql'), read('queries/takings.sql')], [false, `${numbers}\n`])

  // Its link opens it where nothing of it is kept.
  const link = tab.page.url()
  await tab.go('/status')
  await tab.page.evaluate(() => { localStorage.clear() })
  await tab.page.goto(link)
  await tab.see(editorOf(tab).getByText(numbers))
  await tab.see(tab.role('button', 'Saved', { exact: true }))
  await tab.soundInBoth('a saved query')

  await more(tab, 'Delete')
  await tab.see('takings is deleted; its text stays open')
  same('the file is gone', exists('queries/takings.sql'), false)
  await tab.click(tab.role('button', 'Undo', { exact: true }))
  await tab.see(tab.role('button', 'Saved', { exact: true }))
  await tab.see(list.getByRole('link', { name: 'takings' }))
  same('the file is back', read('queries/takings.sql'), `${numbers}\n`)
}

async function formatted(tab) {
  await openSql(tab, 'select code,   count(*) as n from till.order_completed where total > 20 group by code order by n desc')
  await tab.click(tab.role('button', 'Format', { exact: true }))
  const want = 'SELECT\n  code,\n  count(*) AS n\nFROM\n  till.order_completed\nWHERE\n  total > 20\nGROUP BY\n  code\nORDER BY\n  n DESC'
  await until('it is in order', async () => (await editorOf(tab).innerText()).trim() === want || Promise.reject(new Error(await editorOf(tab).innerText())))
  await tab.soundInBoth('SQL in order')
  await tab.click(tab.role('button', 'Run', { exact: true }))
  await tab.see(tab.role('grid', 'Result').getByRole('gridcell'))
}

async function mistaken(tab) {
  tab.allow(400)
  await run(tab, 'SELECT code,\n  nothing_like_it\nFROM till.order_completed')
  const alert = await tab.see(tab.role('alert'))
  await tab.see(alert.getByText(/nothing_like_it/))
  await tab.see(tab.page.locator('.cm-lintRange-error').getByText('nothing_like_it'))
  await tab.soundInBoth('the place of a mistake')
  await tab.click(alert.getByRole('button', { name: 'Go to line 2, column 3' }))
  await until('the editor has the keyboard', async () => (await tab.focus()).startsWith('textbox'))
  await tab.type('total AS ')
  await tab.see(editorOf(tab).getByText('total AS nothing_like_it'))
  tab.allow()
  await tab.press('Control+Enter')
  await tab.see(/^40 rows/)
}

/** A result is charted, filtered and sorted, and what is seen is what is taken along. */
async function result(tab) {
  await run(tab, numbers)
  const grid = tab.role('grid', 'Result')
  await tab.see(grid.getByRole('gridcell', { name: 'row 0', exact: true }))
  await tab.see(/^30 rows/)
  await tab.click(tab.role('tab', 'Chart'))
  await tab.see(tab.page.locator('canvas'))
  await tab.soundInBoth('a chart')
  await tab.page.getByLabel('Chart', { exact: true }).and(tab.page.locator('select')).selectOption('number')
  await tab.page.getByLabel('Measure', { exact: true }).selectOption('sum')
  await tab.page.getByLabel('Of', { exact: true }).selectOption('n')
  await tab.see(tab.role('tabpanel', 'Chart').getByText('435', { exact: true }))
  await tab.soundInBoth('a big number')
  await tab.click(tab.role('tab', 'Columns'))
  await tab.see(tab.role('heading', /^n/))
  await tab.soundInBoth('the columns of a result')

  await tab.click(tab.role('tab', 'Rows'))
  await tab.click(tab.role('button', 'Filter', { exact: true }))
  const filter = tab.role('dialog', 'Filter rows')
  await filter.getByLabel('Column').selectOption('n')
  await filter.getByLabel('Rule').selectOption('ge')
  await filter.getByLabel('Value').fill('25')
  await tab.soundInBoth('a filter')
  await tab.press('Enter')
  await tab.see(/^5 rows of 30/)
  const cells = async () => (await grid.getByRole('gridcell').allInnerTexts()).filter((_, i) => i % 3 === 0).join()
  await until('only these rows', async () => await cells() === '25,26,27,28,29')
  const head = grid.getByRole('columnheader').first()
  await tab.click(head.getByRole('button'))
  await until('sorted', async () => await head.getAttribute('aria-sort') === 'ascending')
  await tab.click(head.getByRole('button'))
  await until('sorted down', async () => await cells() === '29,28,27,26,25')
  await tab.soundInBoth('rows in order')

  const coming = tab.page.waitForEvent('download')
  await tab.click(tab.role('button', 'Download', { exact: true }))
  await tab.click(tab.role('menuitem', 'CSV', { exact: true }))
  const file = await coming
  same('its name', file.suggestedFilename(), 'result.csv')
  same('what is seen is in the file', readFileSync(await file.path(), 'utf8').trim().split(/\r?\n/), ['n,name,half', ...[29, 28, 27, 26, 25].map((n) => `${n},row ${n},${(n * 1.5).toFixed(1)}`)])
  // The order stays when one has looked at something else.
  await tab.click(tab.role('tab', 'Chart'))
  await tab.click(tab.role('tab', 'Rows'))
  await until('still sorted down', async () => await cells() === '29,28,27,26,25')
}

async function cancelled(tab) {
  await run(tab, long)
  await tab.see(/^Running, \d/)
  const jobs = async () => (await (await fetch(`${tab.base}/api/v1/jobs`)).json()).jobs.filter((j) => j.kind === 'query')
  const job = await until('the query runs', async () => (await jobs()).find((j) => j.state === 'running'))
  await tab.soundInBoth('a query that runs')
  await tab.click(tab.role('button', 'Stop', { exact: true }))
  await tab.see('The query was cancelled on the server too.')
  await tab.soundInBoth('a query that was stopped')
  await until('the server has stopped too', async () => (await jobs()).find((j) => j.id === job.id)?.state === 'canceled')
  await run(tab, numbers)
  await tab.see(/^30 rows/)
}

async function linked(tab) {
  await openSql(tab, numbers)
  await more(tab, 'Copy a link')
  const link = await until('a link is copied', async () => /^http.*\/warehouse\?sql=/.exec(await tab.copied())?.input)
  same('it is of this server', link.startsWith(`${tab.base}/warehouse?`), true)
  await tab.go('/status')
  await tab.page.evaluate(() => { localStorage.clear() })
  await tab.page.goto(link)
  await tab.see(editorOf(tab).getByText(numbers))
  await tab.soundInBoth('a link to a text')
  // Another link beside it opens another text, and Back is where one was.
  await tab.go(`/warehouse?sql=${encodeURIComponent('SELECT 42 AS answer')}`)
  await tab.see(editorOf(tab).getByText('SELECT 42 AS answer'))
  await tab.press('Control+Enter')
  await tab.see(tab.role('grid', 'Result').getByRole('gridcell', { name: '42', exact: true }))
  await tab.page.goBack()
  await tab.see(editorOf(tab).getByText(numbers))
}

/** Tables are one stop of the Tab key, the editor is left, and a dialog takes what is typed. */
async function byKeys(tab) {
  await tab.go('/warehouse')
  await tab.see(tab.role('link', 'order_completed'))
  const list = tab.role('region', 'Saved queries and tables')
  await until('the list is reached', async () => { await tab.press('Tab'); return (await tab.focus()).startsWith('region Saved queries') })
  await tab.press('ArrowDown')
  await tab.press('ArrowDown')
  await until('a table has the focus', async () => (await tab.focus()).startsWith('a '))
  await tab.press('Tab')
  same('the next stop is behind the list', await list.evaluate((e) => e.contains(document.activeElement)), false)
  await until('the editor is reached', async () => { await tab.press('Tab'); return await tab.focus() === 'textbox SQL' })
  await tab.type('SELECT 7 AS seven')
  await tab.see(editorOf(tab).getByText('SELECT 7 AS seven'))
  await tab.press('Escape', 'Escape') // of what is offered, and of the editor
  await until('the editor is left', async () => await tab.focus() !== 'textbox SQL')
  await tab.press('Tab')
  same('and not entered again', await tab.focus() === 'textbox SQL', false)
  await tab.kept('behind the editor')
  await tab.press('Shift+Tab')
  same('the way back leads into it', await tab.focus(), 'textbox SQL')
  await tab.press('Control+s')
  const dialog = tab.role('dialog', 'Save the query')
  await tab.see(dialog)
  await until('the name has the keyboard', () => tab.page.evaluate(() => document.activeElement?.labels?.[0]?.textContent === 'Name'))
  await tab.press('Escape')
  await tab.gone(dialog)
  await until('the editor has it again', async () => await tab.focus() === 'textbox SQL')
}
