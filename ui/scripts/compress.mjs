// After vite build: writes the licences of what is bundled, and compresses each
// file as far as it goes.
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const here = join(dirname(fileURLToPath(import.meta.url)), '..')
const dist = join(here, 'dist')
const files = (folder) => readdirSync(folder, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? files(join(folder, e.name)) : [join(folder, e.name)]))

// The licences of all that the page depends on, whole.
const lock = JSON.parse(readFileSync(join(here, 'package-lock.json'), 'utf8'))
const licences = Object.entries(lock.packages).filter(([path, p]) => path && !p.dev && !p.optional).map(([path, p]) => {
  const folder = join(here, path)
  const file = existsSync(folder) ? readdirSync(folder).find((name) => /^licen[cs]e/i.test(name)) : undefined
  return `${path.split('node_modules/').at(-1)} ${p.version} (${p.license ?? 'see its source'})\n${file ? readFileSync(join(folder, file), 'utf8').trim() : ''}\n`
})
writeFileSync(join(dist, 'licences.txt'), `The page of Millrace contains code of these packages.\n\n${licences.join('\n---\n\n')}`)

let saved = 0
for (const file of files(dist)) {
  if (/\.(br|gz)$/.test(file)) { rmSync(file); continue }
  if (!/\.(js|css|html|svg|json|txt|webmanifest)$/.test(file) || file.endsWith('README.txt') || statSync(file).size < 600) continue
  const data = readFileSync(file)
  writeFileSync(`${file}.br`, brotliCompressSync(data, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: data.length } }))
  const gz = gzipSync(data, { level: 9 })
  writeFileSync(`${file}.gz`, gz)
  saved += data.length - gz.length
}
console.log(`compressed: ${Math.round(saved / 1024)} KiB less to send`)
