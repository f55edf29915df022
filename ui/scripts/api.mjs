// Writes src/api/schema.ts from the golden OpenAPI document: a type for every
// schema and every operation, and the routes. With --check it only says whether
// the file is up to date.
import { readFileSync, writeFileSync } from 'node:fs'

const from = new URL('../../docs/reference/openapi.json', import.meta.url)
const to = new URL('../src/api/schema.ts', import.meta.url)
const document = JSON.parse(readFileSync(from, 'utf8'))

const quote = (text) => `'${String(text).replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
const key = (name) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : quote(name))
const comment = (text, indent) => (text ? `${indent}/** ${text.replaceAll('*/', '* /').replaceAll('\n', ' ')} */\n` : '')

/** Returns the TypeScript type of a schema. */
function type(schema, indent = '') {
  if (!schema || Object.keys(schema).length === 0) return 'unknown'
  if (schema.$ref) return schema.$ref.split('/').at(-1)
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
  ...schemas.map(([name, schema]) => `${comment(schema.description, '')}${schema.type === 'object' && schema.properties ? `export interface ${name} ${object(schema, '')}` : `export type ${name} = ${type(schema)}`}\n\n`),
  '/** Every operation of the API, by its id. */\nexport interface Operations {\n', ...operations.map((o) => o.type), '}\n\n',
  '/** Method and path of every operation. */\nexport const routes = {\n', ...operations.map((o) => o.route), '} as const satisfies Record<keyof Operations, readonly [string, string]>\n',
].join('')

if (process.argv.includes('--check')) {
  let now = ''
  try { now = readFileSync(to, 'utf8') } catch { /* it is not there */ }
  if (now !== text) {
    console.error('ui/src/api/schema.ts is not what docs/reference/openapi.json says: run npm run api in ui')
    process.exit(1)
  }
} else {
  writeFileSync(to, text)
  console.log(`${operations.length} operations, ${schemas.length} schemas`)
}
