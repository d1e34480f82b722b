// OpenAI's strict mode (Structured Outputs): every object closed, every property required, optional ones nullable,
// and only the keywords that the vendor's guide lists. What is lost here still holds when the call is validated.

import { isDeepEqual } from './deep-equal.ts'
import { branches, constants, defaultNote, describe, recordNote } from './dialect.ts'
import type { NormalSchema } from './json-schema.ts'
import { type SchemaPath, schemaUnsupported } from './schema-path.ts'
import { allowsType, deepFreeze } from './schema-values.ts'

type Node = Record<string, unknown>

const FORMATS = new Set([
  'date-time',
  'time',
  'date',
  'duration',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uuid',
])
const NUMBER_KEYWORDS = ['multipleOf', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'] as const
const MAX_LEVELS = 10
const MAX_PROPERTIES = 5000
const MAX_ENUM_VALUES = 1000

interface Pass {
  properties: number
  enumValues: number
}

/**
 * The same schema within strict mode.
 *
 * @throws {ConfigurationError} `schema_unsupported` beyond the vendor's limits: 10 levels, 5000 properties, 1000 enum values.
 */
export function strictSchema(schema: NormalSchema): NormalSchema {
  const pass: Pass = { properties: 0, enumValues: 0 }
  const root = strictNode(pass, schema, [], 1)
  if (schema.$defs !== undefined) {
    const defs = Object.entries(schema.$defs).map(([name, node]) => [name, strictNode(pass, node, [name], 1)])
    root.$defs = Object.fromEntries(defs)
  }
  return deepFreeze(root)
}

function strictNode(pass: Pass, schema: NormalSchema, path: SchemaPath, level: number): Node {
  // The vendor allows nothing beside a reference.
  if (schema.$ref !== undefined) return { $ref: schema.$ref }
  if (level > MAX_LEVELS)
    throw schemaUnsupported(path, `is nested deeper than the ${MAX_LEVELS} levels of OpenAI's strict mode.`)
  const note = describe(schema.description, defaultNote(schema))
  const node = strictType(pass, schema, path, level)
  const said = describe(note, node.description as string | undefined)
  return said === undefined ? node : { ...node, description: said }
}

function strictType(pass: Pass, schema: NormalSchema, path: SchemaPath, level: number): Node {
  const options = schema.properties === undefined ? branches(schema) : undefined
  if (options !== undefined) return { anyOf: options.map((option) => strictNode(pass, option, path, level)) }
  const types = [schema.type ?? []].flat()
  if (types.length === 0) return anyScalar()
  const main = types.filter((type) => type !== 'null')
  if (main.length > 1 && constants(schema) === undefined)
    return { anyOf: types.map((type) => strictType(pass, { ...schema, type }, path, level)) }
  if (allowsType(main[0], 'object')) return orNull(strictObject(pass, schema, path, level), types.length > 1)
  if (allowsType(main[0], 'array')) return orNull(strictArray(pass, schema, path, level), types.length > 1)
  return strictScalar(pass, schema, path)
}

// Any JSON value, as far as strict mode can say it.
function anyScalar(): Node {
  return { anyOf: ['string', 'number', 'boolean', 'null'].map((type) => ({ type })) }
}

function strictObject(pass: Pass, schema: NormalSchema, path: SchemaPath, level: number): Node {
  if (schema.properties === undefined && schema.additionalProperties !== false)
    return strictRecord(pass, schema, path, level)
  const properties: Node = {}
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    pass.properties += 1
    const node = strictNode(pass, child, [...path, name], level + 1)
    properties[name] = schema.required?.includes(name) === true ? node : nullable(node)
  }
  if (pass.properties > MAX_PROPERTIES)
    throw schemaUnsupported(path, `has more than the ${MAX_PROPERTIES} properties of OpenAI's strict mode.`)
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false }
}

function strictRecord(pass: Pass, schema: NormalSchema, path: SchemaPath, level: number): Node {
  const values = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : {}
  const names = schema.propertyNames as NormalSchema | undefined
  const entry = {
    type: 'object',
    properties: {
      key: names === undefined ? { type: 'string' } : strictNode(pass, names, path, level + 2),
      value: strictNode(pass, values, [...path, '{}'], level + 2),
    },
    required: ['key', 'value'],
    additionalProperties: false,
  }
  return { type: 'array', description: recordNote, items: entry }
}

function strictArray(pass: Pass, schema: NormalSchema, path: SchemaPath, level: number): Node {
  const tuple =
    schema.prefixItems?.map((item, index) => strictNode(pass, item, [...path, index], level + 1)) ?? []
  const rest =
    schema.items === false ? [] : [strictNode(pass, schema.items ?? {}, [...path, '[]'], level + 1)]
  const kinds = unique([
    ...tuple,
    ...(schema.prefixItems !== undefined && schema.items === undefined ? [] : rest),
  ])
  const [only] = kinds
  const node: Node = {
    type: 'array',
    items: kinds.length === 1 && only !== undefined ? only : { anyOf: kinds },
  }
  if (schema.minItems !== undefined) node.minItems = schema.minItems
  if (schema.maxItems !== undefined) node.maxItems = schema.maxItems
  return node
}

function strictScalar(pass: Pass, schema: NormalSchema, path: SchemaPath): Node {
  const node: Node = { type: schema.type }
  const values = constants(schema)
  if (values !== undefined) {
    pass.enumValues += values.length
    if (pass.enumValues > MAX_ENUM_VALUES)
      throw schemaUnsupported(
        path,
        `brings the enum values beyond the ${MAX_ENUM_VALUES} of OpenAI's strict mode.`,
      )
    return { ...node, enum: values }
  }
  for (const keyword of NUMBER_KEYWORDS) if (schema[keyword] !== undefined) node[keyword] = schema[keyword]
  if (schema.format !== undefined && FORMATS.has(schema.format)) node.format = schema.format
  else if (schema.pattern !== undefined && isPlainPattern(schema.pattern)) node.pattern = schema.pattern
  return node
}

// Look-around and back-references are not taken.
function isPlainPattern(pattern: string): boolean {
  return !/\(\?[=!<]|\\[1-9]/.test(pattern)
}

/** P67 in strict mode: optional is "may be null", which the call reads as absent. */
function nullable(node: Node): Node {
  if (Array.isArray(node.anyOf)) return { ...node, anyOf: unique([...node.anyOf, { type: 'null' }]) }
  if (node.$ref !== undefined) return { anyOf: [node, { type: 'null' }] }
  if (allowsType(node.type, 'null')) return node
  const isScalar = typeof node.type === 'string' && node.type !== 'object' && node.type !== 'array'
  if (isScalar && node.enum === undefined) return { ...node, type: [node.type, 'null'] }
  const { description, ...rest } = node
  return { anyOf: [rest, { type: 'null' }], ...(description === undefined ? {} : { description }) }
}

function orNull(node: Node, yes: boolean): Node {
  return yes ? nullable(node) : node
}

function unique(nodes: readonly Node[]): Node[] {
  return nodes.filter((node, index) => nodes.findIndex((other) => isDeepEqual(other, node)) === index)
}
