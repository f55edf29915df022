// The dialogs of Settings with the keyboard alone: opened, walked through, left; the focus is seen, stays in them, and goes back to where it came from.
import { same, until } from './browser.mjs'
import { ask } from './settings.mjs'

export async function scenes(play) {
  await play.scene('dialogs with the keyboard', {}, dialogs)
  await play.scene('what is shown once is not lost by Escape', {}, once)
  await play.scene('menus and drawers with the keyboard', {}, drawers)
}

/** held is what has the focus: whether it is in the dialog that is open, is seen to have it, and what it is. */
const held = (tab) => tab.page.evaluate(() => {
  const e = document.activeElement
  const dialog = [...document.querySelectorAll('dialog[open]')].at(-1)
  if (e === null || e === document.body) return { inside: true, seen: true, name: '' } // the browser's own bar
  const style = getComputedStyle(e)
  const around = e.closest('label, div')
  return {
    inside: dialog === undefined || dialog.contains(e),
    seen: !e.matches(':focus-visible') || style.outlineStyle !== 'none' || style.boxShadow !== 'none' || (around !== null && (getComputedStyle(around).outlineStyle !== 'none' || getComputedStyle(around).boxShadow !== 'none')),
    name: `${e.tagName.toLowerCase()} ${e.getAttribute('aria-label') ?? e.labels?.[0]?.textContent ?? e.textContent ?? ''}`.trim().slice(0, 60),
  }
})

/** walk presses Tab until it is where it began, and says what had the focus. */
async function walk(tab, where) {
  const names = []
  for (let i = 0; i < 60; i++) {
    const now = await held(tab)
    if (!now.inside) throw new Error(`${where}: the focus has left the dialog for ${now.name}`)
    if (!now.seen) throw new Error(`${where}: it is not seen that ${now.name} has the focus`)
    if (names.length > 1 && now.name !== '' && now.name === names[0]) return names
    if (now.name !== '') names.push(now.name)
    await tab.press('Tab')
  }
  throw new Error(`${where}: Tab does not come back to ${names[0]}: ${names.join(', ')}`)
}

async function dialogs(tab) {
  for (const [path, opener, dialog] of [
    ['/settings/members', 'Invite', 'Invite a member'],
    ['/settings/keys', 'New key', 'A new API key'],
    ['/settings/secrets', 'New secret', 'A new secret'],
    ['/settings/environments', 'New environment', 'A new environment'],
    ['/settings/workspaces', 'New workspace', 'A new workspace'],
    ['/settings/usage', 'Set quotas', 'Quotas of default'],
  ]) {
    await tab.go(path)
    const button = (await tab.see(tab.page.locator('main header').getByRole('button', { name: opener }))).first()
    await button.focus()
    await tab.press('Enter')
    const box = tab.role('dialog', dialog)
    await tab.see(box)
    const first = await held(tab)
    if (!/^(input|select|textarea) /.test(first.name)) throw new Error(`${dialog}: ${first.name} has the focus, and nothing can be typed`)
    const names = await walk(tab, dialog)
    if (!names.some((n) => /Cancel/.test(n))) throw new Error(`${dialog}: Cancel is not reached: ${names.join(', ')}`)
    // Every field has a name.
    same(`fields of ${dialog} without a name`, await box.evaluate((e) => [...e.querySelectorAll('input:not([type=hidden]), select, textarea')].filter((f) => !f.labels?.length && !f.getAttribute('aria-label')).length), 0)
    await tab.press('Escape')
    await tab.gone(box)
    await until(`${opener} has the focus again`, () => button.evaluate((e) => e === document.activeElement))
  }
}

/** Escape, even twice, and a click beside it leave a token where it is. */
async function once(tab) {
  await tab.go('/settings/keys')
  const button = (await tab.see(tab.page.locator('main header').getByRole('button', { name: 'New key' }))).first()
  await button.focus()
  await tab.press('Enter')
  await tab.type('seen once')
  await tab.press('Enter')
  const box = tab.role('dialog', 'The key seen once')
  await tab.see(box.getByRole('region', { name: 'Token' }))
  await tab.press('Escape', 'Escape')
  await tab.page.mouse.click(5, 5)
  same('it is still there', await box.isVisible(), true)
}

async function drawers(tab) {
  const made = await ask(tab.base, 'POST', '/api/v1/keys', { body: { name: 'by hand', role: 'viewer' } })
  if (made.status !== 201) throw new Error(made.text)
  await tab.go('/settings/keys')
  const grid = tab.role('grid', 'API keys')
  await tab.see(grid.getByText('by hand'))
  await grid.focus()
  await tab.press('ArrowDown', 'Enter')
  const drawer = tab.page.getByRole('region').filter({ has: tab.role('button', 'Revoke') }).last()
  await tab.see(drawer.getByRole('button', { name: 'Revoke' }))
  await drawer.getByRole('button', { name: 'Revoke' }).focus()
  await tab.press('Enter')
  await tab.see(tab.role('dialog', /^Revoke /))
  await walk(tab, 'revoking')
  await tab.press('Escape')
  await tab.gone(tab.role('dialog', /^Revoke /))
  await until('the button that opened it has the focus', () => tab.focus().then((name) => name === 'button Revoke'))
  await tab.press('Escape')
  await tab.gone(tab.role('button', 'Revoke'))
  await until('the list has the focus', () => grid.evaluate((e) => e === document.activeElement || e.contains(document.activeElement)))

  await tab.go('/settings/environments')
  const more = tab.role('button', 'What may be done with production')
  await tab.see(more)
  await more.focus()
  await tab.press('Enter')
  await tab.see(tab.role('menuitem', 'Rename'))
  await tab.press('Enter')
  await tab.see(tab.role('dialog', 'Rename production?'))
  await walk(tab, 'renaming')
  await tab.page.getByLabel('New name').fill('9')
  const field = tab.page.getByLabel('New name')
  same('the mistake is read out with its field', await field.evaluate((e) => e.getAttribute('aria-invalid') === 'true' && /beginning with a letter/.test((e.getAttribute('aria-describedby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent ?? '').join(' '))), true)
  await tab.press('Escape')
  await tab.gone(tab.role('dialog', 'Rename production?'))
  await until('the menu’s button has the focus', () => more.evaluate((e) => e === document.activeElement))
}
