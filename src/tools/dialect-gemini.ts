// Gemini's function declarations: a subset of OpenAPI 3.0 with upper-case types, no references and string enums only.
// What Gemini cannot say is said more narrowly or in words; the call is validated against the whole schema all the same.
import { branches, constants, defaultNote, describe, type GeminiSchema, recordNote } from './dialect.ts'
import type { NormalSchema, SchemaType } from './json-schema.ts'
import { type SchemaPath, schemaUnsupported } from './schema-path.ts'
import { definitionName } from './schema-references.ts'
import { deepFreeze } from './schema-values.ts'

/** How often a recursive type is repeated inside itself before it ends. */
const MAX_REPEATS = 3
/** Most nodes of one declaration; recursion that branches grows fast. */
const MAX_NODES = 3000

/** One declaration under way. `undefined` in place of a schema: the recursion has to end above this. */
interface Pass {
  root: NormalSchema
  repeats: Map<string, number>
  nodes: number
}

/**
 * The parameters as Gemini takes them; `undefined` for a tool without parameters.
 *
 * @throws {ConfigurationError} `schema_unsupported`, naming the place: a recursion that never ends, a property name
 *   that is no identifier.
 */
export function geminiSchema(schema: NormalSchema): GeminiSchema | undefined {
  if (Object.keys(schema.properties ?? {}).length === 0) return undefined
  const pass: Pass = { root: schema, repeats: new Map([['#', 1]]), nodes: 0 }
  const parameters = geminiNode(pass, schema, [])
  if (parameters === undefined)
    throw schemaUnsupported(
      [],
      'repeats itself in a required property, so a model could never finish it. Make that property optional.',
    )
  return deepFreeze(parameters)
}

function geminiNode(pass: Pass, schema: NormalSchema, path: SchemaPath): GeminiSchema | undefined {
  pass.nodes += 1
  if (pass.nodes > MAX_NODES)
    throw schemaUnsupported(
      path,
      `makes a Gemini declaration of more than ${MAX_NODES} parts. Leave Gemini out with \`dialects\`, or flatten it.`,
    )
  if (schema.$ref !== undefined) return geminiReference(pass, schema, schema.$ref, path)
  const options = schema.properties === undefined ? branches(schema) : undefined
  if (options !== undefined) return geminiUnion(pass, schema, options, path)
  const types = [schema.type ?? []].flat()
  if (types.length === 0) return anyScalar(schema)
  const main = types.filter((type) => type !== 'null')
  if (main.length > 1)
    return geminiUnion(
      pass,
      schema,
      types.map((type) => onlyType(schema, type)),
      path,
    )
  const node = geminiType(pass, schema, main[0] ?? 'null', path)
  if (node === undefined) return undefined
  return main.length > 0 && types.length > main.length ? orNull(node) : node
}

function geminiType(
  pass: Pass,
  schema: NormalSchema,
  type: SchemaType,
  path: SchemaPath,
): GeminiSchema | undefined {
  switch (type) {
    case 'object':
      return geminiObject(pass, schema, path)
    case 'array':
      return geminiArray(pass, schema, path)
    case 'string':
      return geminiString(schema)
    case 'null':
      return said(schema, { type: 'NULL' })
    case 'boolean':
      return said(schema, { type: 'BOOLEAN' }, oneOf(schema))
    default:
      return geminiNumber(schema, type)
  }
}

/** Expanded in place, and cut off where a type has repeated itself often enough. */
function geminiReference(
  pass: Pass,
  schema: NormalSchema,
  ref: string,
  path: SchemaPath,
): GeminiSchema | undefined {
  const repeats = pass.repeats.get(ref) ?? 0
  if (repeats >= MAX_REPEATS) return undefined
  pass.repeats.set(ref, repeats + 1)
  const target = ref === '#' ? pass.root : pass.root.$defs?.[definitionName(ref)]
  const node = geminiNode(pass, target ?? {}, path)
  pass.repeats.set(ref, repeats)
  if (node === undefined || schema.description === undefined || node.anyOf !== undefined) return node
  return { ...node, description: schema.description }
}

function geminiObject(pass: Pass, schema: NormalSchema, path: SchemaPath): GeminiSchema | undefined {
  if (Object.keys(schema.properties ?? {}).length === 0) return geminiRecord(pass, schema, path)
  const properties: Record<string, GeminiSchema> = {}
  const required: string[] = []
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    const here = [...path, name]
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(name))
      throw schemaUnsupported(
        here,
        'is no name for Gemini: use letters, digits and "_". Or leave Gemini out with `dialects`.',
      )
    const isRequired = schema.required?.includes(name) === true
    const node = geminiNode(pass, child, here)
    if (node === undefined && isRequired) return undefined
    if (node === undefined) continue
    properties[name] = isRequired ? node : orNull(node)
    if (isRequired) required.push(name)
  }
  return said(schema, { type: 'OBJECT', properties, ...(required.length === 0 ? {} : { required }) })
}

// An object without properties is refused, so a record becomes a list of entries.
function geminiRecord(pass: Pass, schema: NormalSchema, path: SchemaPath): GeminiSchema {
  const values = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : {}
  const value = geminiNode(pass, values, [...path, '{}'])
  if (value === undefined || schema.additionalProperties === false) return emptyList(schema)
  const names = schema.propertyNames as NormalSchema | undefined
  const key: GeminiSchema = names === undefined ? { type: 'STRING' } : geminiString(names)
  const items: GeminiSchema = { type: 'OBJECT', properties: { key, value }, required: ['key', 'value'] }
  return said(schema, { type: 'ARRAY', items }, recordNote)
}

function geminiArray(pass: Pass, schema: NormalSchema, path: SchemaPath): GeminiSchema {
  const tuple = schema.prefixItems ?? []
  const rest =
    schema.items === false || (tuple.length > 0 && schema.items === undefined) ? [] : [schema.items ?? {}]
  const kinds = [...tuple, ...rest].map((item, index) =>
    geminiNode(pass, item, [...path, tuple.length > 0 ? index : '[]']),
  )
  const known = unique(kinds.filter((kind) => kind !== undefined))
  const [only] = known
  if (only === undefined) return emptyList(schema)
  const items = known.length === 1 ? only : { anyOf: known.flatMap((kind) => kind.anyOf ?? [kind]) }
  const limits: GeminiSchema = {
    ...(schema.minItems === undefined ? {} : { minItems: String(schema.minItems) }),
    ...(schema.maxItems === undefined ? {} : { maxItems: String(schema.maxItems) }),
  }
  const order =
    known.length > 1 && tuple.length > 0 ? `(in this order: ${tuple.map(nameOfType).join(', ')})` : undefined
  return said(schema, { type: 'ARRAY', items, ...limits }, order)
}

function emptyList(schema: NormalSchema): GeminiSchema {
  return said(schema, { type: 'ARRAY', items: { type: 'STRING' }, maxItems: '0' })
}

function nameOfType(schema: NormalSchema): string {
  return [schema.type ?? 'any'].flat().join(' or ')
}

function geminiString(schema: NormalSchema): GeminiSchema {
  const values = constants(schema)?.filter((value) => typeof value === 'string')
  // An empty member is refused; the validation still takes it.
  if (values !== undefined && !values.includes(''))
    return said(schema, { type: 'STRING', format: 'enum', enum: values })
  const node: GeminiSchema = { type: 'STRING' }
  // Other formats are refused for strings, so they are named in words.
  if (schema.format === 'date-time') node.format = 'date-time'
  const words =
    schema.format !== undefined && schema.format !== 'date-time' ? `(format: ${schema.format})` : undefined
  if (schema.minLength !== undefined) node.minLength = String(schema.minLength)
  if (schema.maxLength !== undefined) node.maxLength = String(schema.maxLength)
  if (schema.pattern !== undefined && schema.format === undefined) node.pattern = schema.pattern
  return said(schema, node, values === undefined ? words : oneOf(schema))
}

function geminiNumber(schema: NormalSchema, type: 'number' | 'integer'): GeminiSchema {
  const values = (constants(schema) ?? []).filter((value) => typeof value === 'number')
  const integers = values.length > 0 ? values.every(Number.isInteger) : type === 'integer'
  const node: GeminiSchema = { type: integers ? 'INTEGER' : 'NUMBER' }
  const minimum =
    values.length > 0 ? Math.min(...values) : (schema.minimum ?? above(schema.exclusiveMinimum, integers))
  const maximum =
    values.length > 0 ? Math.max(...values) : (schema.maximum ?? below(schema.exclusiveMaximum, integers))
  if (minimum !== undefined) node.minimum = minimum
  if (maximum !== undefined) node.maximum = maximum
  // `enum` is for strings alone: numbers are listed in words and bounded.
  return said(schema, node, oneOf(schema))
}

// There is no exclusive bound; a fraction keeps the inclusive one and is checked at the call.
function above(bound: number | undefined, integers: boolean): number | undefined {
  return bound !== undefined && integers ? Math.floor(bound) + 1 : bound
}

function below(bound: number | undefined, integers: boolean): number | undefined {
  return bound !== undefined && integers ? Math.ceil(bound) - 1 : bound
}

/** A union; nothing may stand beside `anyOf`, so description and nullability go into its branches. */
function geminiUnion(
  pass: Pass,
  schema: NormalSchema,
  options: readonly NormalSchema[],
  path: SchemaPath,
): GeminiSchema | undefined {
  const isNullable = options.some((option) => option.type === 'null')
  const nodes = options
    .filter((option) => option.type !== 'null')
    .map((option) => geminiNode(pass, option, path))
    .filter((node) => node !== undefined)
  const known = unique(nodes.flatMap((node) => node.anyOf ?? [node])).map((node) =>
    isNullable ? orNull(node) : node,
  )
  const [only] = known
  if (only === undefined) return undefined
  if (known.length === 1) return said(schema, only)
  return { anyOf: known.map((node) => said(schema, node)) }
}

function anyScalar(schema: NormalSchema): GeminiSchema {
  const kinds: GeminiSchema[] = [{ type: 'STRING' }, { type: 'NUMBER' }, { type: 'BOOLEAN' }]
  return { anyOf: kinds.map((kind) => said(schema, kind)) }
}

function orNull(node: GeminiSchema): GeminiSchema {
  return node.anyOf === undefined ? { ...node, nullable: true } : { anyOf: node.anyOf.map(orNull) }
}

function onlyType(schema: NormalSchema, type: SchemaType): NormalSchema {
  const { default: _, description: __, ...rest } = schema
  return { ...rest, type }
}

function oneOf(schema: NormalSchema): string | undefined {
  const values = constants(schema)
  return values === undefined
    ? undefined
    : `(one of: ${values.map((value) => JSON.stringify(value)).join(', ')})`
}

/** The node with what its schema says about it, put before what the node says of itself. */
function said(schema: NormalSchema, node: GeminiSchema, words?: string): GeminiSchema {
  const description = describe(schema.description, words, node.description, defaultNote(schema))
  return description === undefined ? node : { ...node, description }
}

function unique(nodes: readonly GeminiSchema[]): GeminiSchema[] {
  const seen = new Set<string>()
  return nodes.filter((node) => {
    const key = JSON.stringify(node)
    return seen.has(key) ? false : Boolean(seen.add(key))
  })
}
