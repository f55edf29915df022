// The lock must hold every package that some platform wants: a registry that
// lacks one leaves it out without a word, and then `npm ci` fails elsewhere.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(dirname(fileURLToPath(import.meta.url)))
const { packages } = JSON.parse(readFileSync(join(here, 'package-lock.json'), 'utf8'))

/** Whether what stands at path finds name as Node does: beside it or above it. */
function found(path, name) {
  for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf('node_modules/') - 1))) {
    const place = at === '' || at.endsWith('/') ? at : `${at}/`
    if (packages[`${place}node_modules/${name}`]) return true
    if (at === '') return false
  }
}

const missing = Object.entries(packages).flatMap(([path, p]) =>
  Object.keys({ ...p.dependencies, ...p.optionalDependencies })
    .filter((name) => !found(path, name))
    .map((name) => `${path} wants ${name}`),
)
if (missing.length > 0) {
  console.error(`package-lock.json lacks packages; choose versions that are complete:\n${missing.join('\n')}`)
  process.exit(1)
}
