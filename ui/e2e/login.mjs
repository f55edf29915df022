// A server that is not for everybody.
import { phone, same } from './browser.mjs'

export async function scenes(play, { token }) {
  await play.scene('login', {}, async (tab) => {
    await tab.go('/status')
    const field = await tab.see(tab.page.getByLabel('Admin token'))
    same('it can be typed at once', await field.evaluate((e) => e === document.activeElement), true)
    await tab.sound('the login')
    tab.allow(401)
    await field.fill('this is not the token of this server')
    await tab.press('Enter')
    await tab.see(tab.role('alert'))
    await tab.sound('a wrong token')
    tab.allow()
    await field.fill(token)
    await tab.press('Enter')
    await tab.see(tab.role('heading', 'Status'))
    same('one is where one wanted to go', tab.address, '/status')
    same('scripts do not see the cookie', await tab.page.evaluate(() => document.cookie), '')
    await tab.page.reload()
    await tab.see(tab.role('heading', 'Status'))
    await tab.sound('behind the login')
    await tab.click(tab.role('button', 'Theme and time zone'))
    await tab.click(tab.role('menuitem', 'Sign out'))
    await tab.see(tab.page.getByLabel('Admin token'))
    await tab.page.reload()
    await tab.see(tab.page.getByLabel('Admin token'))
  })
  await play.scene('login on a phone', { viewport: phone, colorScheme: 'dark' }, async (tab) => {
    await tab.go('/')
    await (await tab.see(tab.page.getByLabel('Admin token'))).fill(token)
    await tab.click(tab.role('button', 'Sign in'))
    await tab.see(tab.role('navigation', 'Rooms'))
    await tab.sound('home on a phone')
  })
}
