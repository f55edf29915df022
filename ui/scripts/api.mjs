// Writes src/api/schema.ts from the golden OpenAPI document: a type for every
// schema and every operation, and the routes; and src/api/permissions.ts from the
// golden table of what roles may do. With --check it only says whether the files
// are up to date.
import { readFileSync, writeFileSync } from 'node:fs'

const from = new URL('../../docs/reference/openapi.json', import.meta.url)
const document = JSON.parse(readFileSync(from, 'utf8'))

const quote = (text) => `'${String(text).replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
const key = (name) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : quote(name))
const comment = (text, indent) => (text ? `${indent}/** ${text.replaceAll('*/', '* /').replaceAll('\n', ' ')} */\n` : '')

/** Returns the name of a schema as TypeScript has it. */
const named = (name) => name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase())

/** Returns the TypeScript type of a schema. */
function type(schema, indent = '') {
  if (!schema || Object.keys(schema).length === 0) return 'unknown'
  if (schema.$ref) return named(schema.$ref.split('/').at(-1))
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum) return schema.enum.map((v) => (typeof v === 'string' ? quote(v) : JSON.stringify(v))).join(' | ')
  const either = schema.anyOf ?? schema.oneOf
  if (either) return either.map((s) => type(s, indent)).join(' | ')
  if (Array.isArray(schema.type)) return schema.type.map((t) => type({ ...schema, type: t }, indent)).join(' | ')
  switch (schema.type) {
    case 'string': return 'string'
    case 'integer': case 'number': return 'number'
    case 'boolean': return 'boolean'
    case 'null': return 'null'
    case 'array': {
      const item = type(schema.items, indent)
      return /[ |]/.test(item) ? `(${item})[]` : `${item}[]`
    }
    case 'object': return object(schema, indent)
    default: return schema.properties ? object(schema, indent) : 'unknown'
  }
}

function object(schema, indent) {
  if (!schema.properties) {
    const values = schema.additionalProperties
    return `Record<string, ${values && values !== true ? type(values, indent) : 'unknown'}>`
  }
  const inner = `${indent}  `
  const fields = Object.entries(schema.properties).filter(([name]) => name !== '$schema').map(([name, field]) =>
    `${comment(field.description, inner)}${inner}${key(name)}${(schema.required ?? []).includes(name) ? '' : '?'}: ${type(field, inner)}\n`)
  return `{\n${fields.join('')}${indent}}`
}

const media = (content) => content?.['application/json'] ?? content?.['application/x-ndjson'] ?? content?.['text/plain']

function operation(method, path, op) {
  const params = (op.parameters ?? []).filter((p) => p.in === 'path' || p.in === 'query')
  const fields = params.map((p) => `${comment(p.description, '      ')}      ${key(p.name)}${p.required || p.in === 'path' ? '' : '?'}: ${type(p.schema, '      ')}\n`).join('')
  const good = Object.entries(op.responses).find(([status]) => status.startsWith('2'))
  const answer = media(good?.[1].content)
  const body = media(op.requestBody?.content)
  const lines = [`${comment(op.summary, '  ')}  ${quote(op.operationId)}: {\n`,
    `    params: ${fields ? `{\n${fields}    }` : 'unknown'}\n`,
    `    body: ${body ? type(body.schema, '    ') : 'undefined'}\n`,
    `    answer: ${answer ? type(answer.schema, '    ') : 'undefined'}\n  }\n`]
  return { id: op.operationId, type: lines.join(''), route: `  ${quote(op.operationId)}: [${quote(method.toUpperCase())}, ${quote(path)}],\n` }
}

const operations = Object.entries(document.paths)
  .filter(([path]) => path.startsWith('/api/v1/') || path === '/readyz')
  .flatMap(([path, methods]) => Object.entries(methods).map(([method, op]) => operation(method, path, op)))
  .sort((a, b) => (a.id < b.id ? -1 : 1))

const schemas = Object.entries(document.components.schemas).filter(([name]) => !name.startsWith('Intake')).sort(([a], [b]) => (a < b ? -1 : 1))
const text = [
  '// Generated from docs/reference/openapi.json by npm run api. DO NOT EDIT.\n\n',
  ...schemas.map(([name, schema]) => `${comment(schema.description, '')}${schema.type === 'object' && schema.properties ? `export interface ${named(name)} ${object(schema, '')}` : `export type ${named(name)} = ${type(schema)}`}\n\n`),
  '/** Every operation of the API, by its id. */\nexport interface Operations {\n', ...operations.map((o) => o.type), '}\n\n',
  '/** Method and path of every operation. */\nexport const routes = {\n', ...operations.map((o) => o.route), '} as const satisfies Record<keyof Operations, readonly [string, string]>\n',
].join('')

// A row of the table: | `key:read` * | List API keys | ✓ | ✓ | ✓ | | |
const roles = ['owner', 'admin', 'editor', 'analyst', 'viewer']
const levels = { 'The server': 'server', 'A workspace': 'workspace', 'An environment': 'environment' }
function permissions(markdown) {
  let level
  return markdown.split('\n').flatMap((line) => {
    if (line.startsWith('## ')) level = levels[line.slice(3)]
    const row = /^\| `([a-z_]+:[a-z_]+)`( ?\*)? \|(.*)\|$/.exec(line)
    if (!row || !level) return []
    const [lets, ...marks] = row[3].split('|').map((cell) => cell.trim())
    return [{ name: row[1], level, anywhere: row[2] !== undefined, lets, roles: roles.filter((_, i) => marks[i] === '✓') }]
  })
}
const table = permissions(readFileSync(new URL('../../docs/reference/permissions.md', import.meta.url), 'utf8'))
const list = (words) => `[${words.map(quote).join(', ')}]`
const permissionsText = [
  '// Generated from docs/reference/permissions.md by npm run api. DO NOT EDIT.\n\n',
  `export type Role = ${roles.map(quote).join(' | ')}\n\n/** From all permissions to few. */\nexport const roles: readonly Role[] = ${list(roles)}\n\n`,
  "export interface Permission {\n  name: string\n  level: 'server' | 'workspace' | 'environment'\n  /** A role in any environment of the workspace is enough. */\n  anywhere: boolean\n  lets: string\n  roles: readonly Role[]\n}\n\n",
  '/** Everything that one may be allowed. */\nexport const permissions: readonly Permission[] = [\n',
  ...table.map((p) => `  { name: ${quote(p.name)}, level: ${quote(p.level)}, anywhere: ${p.anywhere}, lets: ${quote(p.lets)}, roles: ${list(p.roles)} },\n`),
  ']\n',
].join('')

for (const [name, wanted] of [['schema.ts', text], ['permissions.ts', permissionsText]]) {
  const to = new URL(`../src/api/${name}`, import.meta.url)
  if (!process.argv.includes('--check')) {
    writeFileSync(to, wanted)
    continue
  }
  let now = ''
  try { now = readFileSync(to, 'utf8') } catch { /* it is not there */ }
  if (now !== wanted) {
    console.error(`ui/src/api/${name} is not what docs/reference says: run npm run api in ui`)
    process.exit(1)
  }
}
if (!process.argv.includes('--check')) console.log(`${operations.length} operations, ${schemas.length} schemas, ${table.length} permissions`)
