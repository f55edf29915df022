// Copies the published browser library into dist, from where it is embedded.
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createRequire } from 'node:module'

const here = dirname(fileURLToPath(import.meta.url))
const dist = join(here, 'dist')
const library = join(here, 'node_modules', '@segment', 'analytics-next')
const { version } = createRequire(import.meta.url)(join(library, 'package.json'))

mkdirSync(dist, { recursive: true })
for (const name of readdirSync(dist)) {
  if (name !== 'README.txt') rmSync(join(dist, name))
}
const from = join(library, 'dist', 'umd')
const scripts = readdirSync(from).filter((name) => name === 'standalone.js' || /^[\w-]+\.bundle\.\w+\.js$/.test(name))
if (!scripts.includes('standalone.js')) {
  throw new Error(`@segment/analytics-next ${version} has no dist/umd/standalone.js: its layout has changed`)
}
for (const name of scripts) copyFileSync(join(from, name), join(dist, name))
copyFileSync(join(library, 'LICENSE.MD'), join(dist, 'LICENSE.txt'))
writeFileSync(join(dist, 'VERSION.txt'), `@segment/analytics-next ${version}\n`)
console.log(`@segment/analytics-next ${version}: ${scripts.length} scripts in ${dist}`)
