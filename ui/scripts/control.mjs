// Starts servers that people sign in to, for pictures of what is about them: one
// that nobody owns, one of its first day, and one with two workspaces in which
// much has happened. By itself it keeps them until it is ended, and writes of them
// what shots.mjs takes:
//
//   node scripts/control.mjs servers.json
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openPost } from '../e2e/post.mjs'
import { binary, freePort, until, visit } from './shop.mjs'

const password = 'seven purple engines hum'
export const longName = 'عبد الرحمن بن محمد آل الشيخ 🦜 of the northern warehouse team'

/** serve starts a server on a folder with these files, and returns its address, what it printed, and how to stop it. */
async function serve(files, { post } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-control-'))
  const address = `http://127.0.0.1:${await freePort()}`
  const key = join(folder, 'backup.key')
  const project = join(folder, 'project')
  for (const [name, text] of Object.entries(files({ address, key, backups: join(folder, 'backups'), post: post?.address }))) {
    mkdirSync(dirname(join(project, name)), { recursive: true })
    writeFileSync(join(project, name), text)
  }
  execFileSync(binary, ['backup', 'key', key], { stdio: 'ignore' })
  const server = spawn(binary, ['serve', project, '--listen', address.slice(7), '--data', join(folder, 'data'), '--quiet'], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const out of [server.stdout, server.stderr]) out.on('data', (chunk) => { said += chunk.toString() })
  const ended = new Promise((resolve) => { server.on('exit', resolve) })
  const stop = async () => {
    server.kill('SIGTERM')
    await ended
    await post?.close()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await until('the server is ready', async () => (await fetch(`${address}/readyz`)).ok)
    await until('it prints the link for its owner', () => /http:\/\/\S+\/setup#\S+/.test(said))
  } catch (thrown) {
    await stop()
    throw new Error(`${thrown.message}\n${said}`, { cause: thrown })
  }
  return { address, server, stop, folder, link: /http:\/\/\S+\/setup#\S+/.exec(said)[0] }
}

const tokenOf = (link) => link.slice(link.indexOf('#') + 1)

/** A Visitor asks the API as the page does for who is signed in. */
class Visitor {
  constructor(address) { this.address = address }

  async ask(method, path, body) {
    const response = await fetch(this.address + path, { method, headers: { 'Content-Type': 'application/json', Origin: this.address, ...(this.cookie && { Cookie: `${this.cookie.name}=${this.cookie.value}` }), ...(this.csrf && { 'Millrace-CSRF': this.csrf }) }, body: body === undefined ? undefined : JSON.stringify(body) })
    const set = response.headers.get('set-cookie')
    if (set) this.cookie = { name: set.slice(0, set.indexOf('=')), value: set.slice(set.indexOf('=') + 1, set.indexOf(';')) }
    this.csrf = response.headers.get('Millrace-CSRF') ?? this.csrf
    const text = await response.text()
    const answer = text.startsWith('{') ? JSON.parse(text) : undefined
    if (answer?.csrf) this.csrf = answer.csrf
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return answer
  }
}

/** owned is a server with its first owner. */
async function owned(server) {
  const owner = new Visitor(server.address)
  await owner.ask('POST', '/api/v1/setup', { token: tokenOf(server.link), name: 'Ada Lovelace', email: 'ada@example.com', password })
  return owner
}

/** joined is somebody who was invited, with an account. */
async function joined(owner, name, email, role, { where = '', alone = false } = {}) {
  const { link } = await owner.ask('POST', `/api/v1${where}/members/invitations`, { role, email, ...(alone && { this_environment: true }) })
  const guest = new Visitor(owner.address)
  guest.session = await guest.ask('POST', '/api/v1/invitations/accept', { token: tokenOf(link), name, email, password })
  return guest
}

/** unowned is a server that nobody owns yet. */
export async function unowned() {
  const server = await serve(() => ({ 'millrace.yaml': 'name: shop\n' }))
  return { ...server, links: { setup: server.link }, people: {} }
}

/** fresh is a server of its first day: an owner, and nothing else. */
export async function fresh() {
  const server = await serve(() => ({ 'millrace.yaml': 'name: shop\n', 'sources/web.yaml': 'kind: http\nwrite_keys: [web_2026]\n' }))
  return { ...server, links: {}, people: { owner: (await owned(server)).cookie } }
}

const files = ({ address, key, backups, post }) => ({
  'millrace.yaml': `name: shop\nbackup:\n  to: file:${backups}\n  key_file: ${key}\n  every: 1h\n  keep: {last: 3, daily: 7, weekly: 4}\ncollect:\n  public_url: ${address}\nsmtp:\n  address: ${post}\n  from: Millrace <millrace@example.com>\n  encryption: none\nenvironments:\n  staging:\n`,
  'sources/web.yaml': '# What the pages of the shop send.\nkind: http\nwrite_keys: [shop_web]\nenvironments:\n  staging:\n    write_keys: [staging_web]\n',
  'sources/ios.yaml': '# The app.\nkind: http\nwrite_keys: [shop_ios]\nenvironments:\n  staging:\n    write_keys: [staging_ios]\n',
})

/** members makes people of all roles, one that is suspended, one with a long name, and invitations. */
async function members(owner) {
  await joined(owner, 'Grace Hopper', 'grace@example.com', 'admin')
  const linus = await joined(owner, 'Linus Torvalds', 'linus@example.com', 'analyst')
  await owner.ask('PUT', `/api/v1/w/@staging/members/${linus.session.person.id}`, { role: 'editor', this_environment: true })
  await joined(owner, longName, 'abdulrahman.al-sheikh.of.the.northern.warehouse.team@shop.example.com', 'editor')
  const gone = await joined(owner, 'Charles Babbage', 'charles@example.com', 'admin')
  await owner.ask('PATCH', `/api/v1/people/${gone.session.person.id}`, { suspended: true })
  const viewer = await joined(owner, 'Radia Perlman', 'radia@example.com', 'viewer')
  const { link } = await owner.ask('POST', '/api/v1/members/invitations', { role: 'editor', email: 'katherine@example.com' })
  await owner.ask('POST', '/api/v1/members/invitations', { role: 'analyst', this_environment: true, days: 1 })
  const taken = await owner.ask('POST', '/api/v1/members/invitations', { role: 'owner', email: 'not-any-more@example.com' })
  await owner.ask('DELETE', `/api/v1/members/invitations/${taken.id}`)
  const reset = await owner.ask('POST', `/api/v1/members/${linus.session.person.id}/reset`)
  return { viewer, links: { invitation: link, reset: reset.link } }
}

async function save(who, path, change, message, where = '') {
  const { etag, text, version } = await who.ask('GET', `/api/v1${where}/files/text?path=${path}`)
  return who.ask('PUT', `/api/v1${where}/files/text?path=${path}`, { etag, version, text: change(text), message })
}

/** versions makes a few, of which one runs in staging, and goes back once. */
async function versions(owner) {
  await save(owner, 'sources/web.yaml', (t) => `${t}types:\n  order_completed.total: double\n`, 'Totals are numbers with a point')
  await save(owner, 'sources/ios.yaml', (t) => `${t}dedup: 48h\n`, 'Phones send again for two days')
  const { version } = await save(owner, 'sources/web.yaml', (t) => t.replace('[shop_web]', '[shop_web, web_2026]'), 'A second key for the new front end, so that the old one can be taken away when everybody has moved over')
  await owner.ask('POST', '/api/v1/releases/promote', { version, to: 'staging', message: 'To be tried' })
  await owner.ask('PUT', '/api/v1/files/text?path=sources/till.yaml', { text: '# What the tills of the shop send.\nkind: http\nwrite_keys: [shop_till]\n', message: 'Tills' })
  await owner.ask('POST', '/api/v1/releases/rollback', { to: version, message: 'Tills are not ready' })
  await save(owner, 'sources/web.yaml', (t) => `# Only pages: the app is ios.\n${t}`, '')
}

async function secrets(owner) {
  const set = (body, where = '') => owner.ask('PUT', `/api/v1${where}/secrets`, body)
  await set({ path: 'stripe/live_key', value: 'sk_live_1', resources: ['sources/web'], hosts: ['api.stripe.com'], note: 'Of the account of the shop. Ask Grace before it is changed.' })
  await set({ path: 'stripe/live_key', value: 'sk_live_2' })
  await set({ path: 'github/webhook_secret', value: 'hush', resources: ['sources/*'], hosts: [], all_environments: true })
  await set({ path: 'warehouse/postgres_password', value: 'hush', resources: ['warehouse'], hosts: ['db.eu-west-2.internal.example.com:5432', '*.example.com'] })
  await set({ path: 'old/token', value: 'hush', resources: ['sources/ios'], hosts: [] })
  await owner.ask('DELETE', '/api/v1/secrets?path=old/token')
  await set({ path: 'nobody_uses_it', value: 'hush', resources: [], hosts: [] })
  await owner.ask('POST', '/api/v1/secrets/reveal', { path: 'stripe/live_key' })
}

async function keys(owner) {
  const in_ = (days) => new Date(Date.now() + days * 86_400_000).toISOString()
  const make = (body, where = '') => owner.ask('POST', `/api/v1${where}/keys`, body)
  const deploys = await make({ name: 'Deploys from CI', role: 'editor', all_environments: true, expires: in_(90) })
  await fetch(`${owner.address}/api/v1/status`, { headers: { Authorization: `Bearer ${deploys.token}` } })
  await make({ name: 'Grafana', permissions: ['status:read'], expires: in_(3) })
  await make({ name: 'Notebooks of the analysts', permissions: ['query:run', 'record:read', 'status:read'] })
  const rotated = await make({ name: longName, role: 'viewer' })
  await owner.ask('POST', `/api/v1/keys/${rotated.key.id}/rotate`, { overlap_seconds: 86400 })
  const revoked = await make({ name: 'The old dashboard', role: 'analyst' })
  await owner.ask('DELETE', `/api/v1/keys/${revoked.key.id}`)
}

async function events(address, n) {
  for (let i = 0; i < n; i++) {
    for (const source of ['web', 'ios']) {
      const response = await fetch(`${address}/v1/batch`, { method: 'POST', headers: { Authorization: `Basic ${Buffer.from(`shop_${source}:`).toString('base64')}` }, body: JSON.stringify({ batch: Array.from({ length: 40 }, visit) }) })
      await response.arrayBuffer()
    }
  }
}

/** full is a server with people, workspaces, environments, versions, secrets, keys, backups, and what was done with all of these. */
export async function full({ many = 205 } = {}) {
  const post = await openPost()
  const server = await serve(files, { post })
  try {
    const owner = await owned(server)
    for (const name of ['staging', 'preview', 'load-tests-of-the-new-tills']) await owner.ask('POST', '/api/v1/workspaces/default/environments', { name })
    const { environments } = await owner.ask('GET', '/api/v1/workspaces/default')
    await owner.ask('DELETE', `/api/v1/workspaces/default/environments/${environments.find((e) => e.name === 'preview').space}`)
    await owner.ask('POST', '/api/v1/workspaces', { name: 'acme', title: 'Acme Ltd' })
    await owner.ask('POST', '/api/v1/workspaces/acme/environments', { name: 'staging' })
    await owner.ask('POST', '/api/v1/workspaces', { name: 'northern-warehouse-team-of-the-shop', title: longName })
    await owner.ask('POST', '/api/v1/workspaces', { name: 'initech' })
    await owner.ask('POST', '/api/v1/workspaces/initech/suspend', { reason: 'unpaid' })
    const { viewer, links } = await members(owner)
    await versions(owner)
    await secrets(owner)
    await keys(owner)
    await events(server.address, 20)
    await owner.ask('POST', '/api/v1/query', { sql: 'SELECT count(*) FROM range(1000000)' })
    await owner.ask('PUT', '/api/v1/workspaces/default/quotas', { events_per_day: 1800, bytes_per_day: 50 * 1024 ** 2, query_seconds_per_day: 7200, sources: 20, storage_bytes: 20 * 1024 ** 3 })
    await events(server.address, 1)
    // More rows than a page of the API has.
    await owner.ask('PUT', '/api/v1/w/acme/files/text?path=sources/web.yaml', { text: 'kind: http\nwrite_keys: [acme_web]\n', message: 'The first source' }).catch(() => undefined)
    for (let i = 0; i < many; i++) {
      await owner.ask('POST', '/api/v1/w/acme/keys', { name: `Machine ${i + 1}`, role: 'viewer' })
      await owner.ask('PUT', '/api/v1/w/acme/secrets', { path: `machines/number_${i + 1}`, value: 'hush', resources: [], hosts: [] })
    }
    await until('a backup is taken', async () => (await owner.ask('GET', '/api/v1/backups')).backups.length > 0)
    await owner.ask('POST', '/api/v1/backups', {})
    await until('another is taken', async () => (await owner.ask('GET', '/api/v1/backups')).backups.length > 1)
    return { ...server, links: { setup: `${server.address}/setup#${'x'.repeat(43)}`, email: `${server.address}/email#${'x'.repeat(43)}`, ...links }, people: { owner: owner.cookie, viewer: viewer.cookie } }
  } catch (thrown) {
    await server.stop()
    throw thrown
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const servers = {}
  const stop = async () => { for (const one of Object.values(servers)) await one.stop(); process.exit(0) }
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void stop())
  for (const [name, make] of Object.entries({ unowned, fresh, control: full })) servers[name] = await make()
  writeFileSync(process.argv[2] ?? 'servers.json', JSON.stringify(servers, ['unowned', 'fresh', 'control', 'address', 'links', 'setup', 'invitation', 'reset', 'email', 'people', 'owner', 'viewer', 'name', 'value', 'folder']))
  console.log(`The servers run at ${Object.values(servers).map((one) => one.address).join(', ')}`)
}
