// From an empty project to an answer in SQL, as somebody does on the first day.
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { same, until } from './browser.mjs'

export async function scenes(play, { project }) {
  await play.scene('first steps', {}, async (tab) => {
    await tab.go('/')
    await tab.see('First steps')
    const step = (title) => tab.page.getByRole('listitem').filter({ hasText: title })
    await tab.see(step('Have a source, to do'))
    await tab.sound('an empty project')

    mkdirSync(join(project, 'sources'), { recursive: true })
    writeFileSync(join(project, 'sources', 'web.yaml'), await tab.page.getByLabel('sources/web.yaml', { exact: true }).locator('code').innerText())
    await tab.see(step('Have a source, done'))

    const line = step('Send the first event').getByLabel('curl', { exact: true }).locator('code')
    await tab.see(line)
    await tab.sound('waiting for the first event')
    execFileSync('bash', ['-c', await line.innerText()], { stdio: 'pipe' })
    await tab.see(step('Send the first event, done'))

    await tab.click(tab.role('button', 'Ask'))
    await tab.see(step('Ask for it in SQL, done'))
    await tab.sound('the steps are done')
    await tab.click(tab.role('button', 'Done'))
    await tab.gone('First steps')
    await tab.page.reload()
    await tab.see(tab.role('region', 'The river'))
    same('the steps are gone for good', await tab.text('First steps').count(), 0)
  })

  await play.scene('empty rooms', {}, async (tab) => {
    for (const [path, text] of [['/rejected', 'Nothing was rejected'], ['/live/find', 'Find any record'], ['/project', 'The project is its files']]) {
      await tab.go(path)
      await tab.see(text)
      await tab.sound(path)
    }
    await tab.go('/nowhere')
    await tab.see('There is no such view')
    await until('the link home', () => tab.role('link', 'Go home').isVisible())
    await tab.sound('no such view')
  })
}
