// Reads an OpenAPI document into what is shown of it.
import { inSpace } from '@/api/space'

export interface Schema {
  $ref?: string
  type?: string | string[]
  format?: string
  description?: string
  enum?: unknown[]
  items?: Schema
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  required?: string[]
  anyOf?: Schema[]
  oneOf?: Schema[]
}

interface Media { schema?: Schema; example?: unknown }
interface Parameter { name: string; in: string; required?: boolean; description?: string; schema?: Schema }
interface RawOperation {
  operationId?: string
  summary?: string
  description?: string
  tags?: string[]
  parameters?: Parameter[]
  requestBody?: { content: Record<string, Media> }
  responses: Record<string, { description?: string; content?: Record<string, Media> }>
}

export interface Document {
  openapi: string
  info: { title: string; version: string }
  paths: Record<string, Record<string, RawOperation>>
  components?: { schemas?: Record<string, Schema> }
}

export interface Operation {
  id: string
  method: string
  path: string
  tag: string
  summary: string
  description?: string
  params: Parameter[]
  body?: Media
  answers: { status: string; description: string; schema?: Schema; example?: unknown }[]
  errors: string[]
}

export function operationsOf(document: Document): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, op]): Operation => {
    const statuses = Object.entries(op.responses)
    return {
      id: op.operationId ?? `${method} ${path}`, method: method.toUpperCase(), path, tag: op.tags?.[0] ?? 'other', summary: op.summary ?? '', description: op.description,
      params: op.parameters ?? [], body: Object.values(op.requestBody?.content ?? {})[0],
      answers: statuses.filter(([s]) => s.startsWith('2')).map(([status, r]) => ({ status, description: r.description ?? '', ...Object.values(r.content ?? {})[0] })),
      errors: statuses.filter(([s]) => !s.startsWith('2')).map(([s, r]) => `${s} ${r.description ?? ''}`.trim()),
    }
  }))
}

/** typeText writes a schema as a type; deep writes the fields of what it refers to, once. */
export function typeText(schema: Schema | undefined, document: Document, deep = false, indent = '', within: readonly string[] = []): string {
  if (!schema) return 'anything'
  if (schema.$ref) {
    const name = schema.$ref.split('/').at(-1) ?? ''
    const found = document.components?.schemas?.[name]
    return deep && found && !within.includes(name) && within.length < 3 ? typeText(found, document, true, indent, [...within, name]) : name
  }
  if (schema.enum) return schema.enum.map((v) => JSON.stringify(v)).join(' | ')
  const either = schema.anyOf ?? schema.oneOf
  if (either) return either.map((s) => typeText(s, document, deep, indent, within)).join(' | ')
  const types = [schema.type ?? 'anything'].flat()
  return types.map((type) => {
    if (type === 'array') return `[${typeText(schema.items, document, deep, indent, within)}]`
    if (type === 'object' && schema.properties && deep) {
      const inner = `${indent}  `
      const lines = Object.entries(schema.properties).map(([name, field]) => `${inner}${name}${schema.required?.includes(name) ? '' : '?'}: ${typeText(field, document, true, inner, within)}${field.description ? `  # ${field.description}` : ''}`)
      return `{\n${lines.join('\n')}\n${indent}}`
    }
    return schema.format && type === 'string' ? schema.format : type
  }).join(' | ')
}

/** curl writes an operation for a terminal, with its example. */
export function curl(operation: Operation, origin: string): string {
  const parts = ['curl']
  if (operation.method !== 'GET') parts.push(`-X ${operation.method}`)
  parts.push(`'${origin}${inSpace(operation.path)}'`)
  if (operation.body) parts.push(`\\\n  -H 'Content-Type: application/json' \\\n  -d '${JSON.stringify(operation.body.example ?? {}).replaceAll("'", `'\\''`)}'`)
  return parts.join(' ')
}
