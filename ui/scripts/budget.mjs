// Fails when the page has become heavier than it may be: the first load in all,
// and each route that is loaded later. Editors and charts are shared chunks.
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const KiB = 1024
const firstLoad = 250 * KiB
const route = 60 * KiB
// What may be larger: loaded by rooms that need it, once.
const shared = [/^Plot-/, /^EditorCode-/]

const dist = new URL('../dist/', import.meta.url)
const manifest = JSON.parse(readFileSync(new URL('manifest.json', dist), 'utf8'))
const size = (file) => gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length
const write = (n) => `${(n / KiB).toFixed(1)} KiB`

/** All files that a chunk needs at once. */
function needs(name, seen = new Set()) {
  if (seen.has(name)) return seen
  seen.add(name)
  for (const next of manifest[name]?.imports ?? []) needs(next, seen)
  return seen
}
const filesOf = (names) => new Set([...names].flatMap((n) => [manifest[n].file, ...(manifest[n].css ?? [])]))
const sum = (files) => [...files].reduce((n, f) => n + size(f), 0)

const entry = Object.keys(manifest).find((n) => manifest[n].isEntry)
const first = filesOf(needs(entry))
let failed = false
const total = sum(first) + gzipSync(readFileSync(new URL('index.html', dist))).length
console.log(`first load ${write(total)} of ${write(firstLoad)}`)
if (total > firstLoad) failed = true
for (const [name, chunk] of Object.entries(manifest)) {
  if (!chunk.isDynamicEntry) continue
  const own = [...filesOf(needs(name))].filter((f) => !first.has(f))
  const free = own.filter((f) => shared.some((s) => s.test(f.replace('assets/', ''))))
  const counted = sum(own.filter((f) => !free.includes(f)))
  console.log(`${name} ${write(counted)}${free.length ? ` and shared ${write(sum(free))}` : ''}`)
  if (counted > route) {
    console.error(`${name} is over ${write(route)}`)
    failed = true
  }
}
process.exit(failed ? 1 : 0)
