// JSON Schema from a valibot schema, read from its public members (`type`, `entries`, `pipe`, `wrapped`, …). valibot itself
// keeps its converter in another package; a schema wrapped with that package's `toStandardJsonSchema` never comes here.
import type { JsonSchema } from './json-schema.ts'
import { DATE_MARK, UNSUPPORTED_MARK } from './normal-schema.ts'
import { isRecord } from './schema-values.ts'

type Raw = Record<string, unknown>

interface Pass {
  root: unknown
  /** Name in `$defs` of each schema behind a `lazy`. */
  names: Map<unknown, string>
  defs: Record<string, Raw>
}

const WRAPPERS = new Set([
  'optional',
  'exact_optional',
  'nullish',
  'undefinedable',
  'nullable',
  'non_optional',
  'non_nullable',
  'non_nullish',
])
const OPTIONAL = new Set(['optional', 'exact_optional', 'nullish'])
const PLAIN: Readonly<Record<string, Raw>> = {
  string: { type: 'string' },
  number: { type: 'number' },
  boolean: { type: 'boolean' },
  null: { type: 'null' },
  any: {},
  unknown: {},
  date: { type: 'string', format: 'date-time', [DATE_MARK]: true },
}
const FORMATS: Readonly<Record<string, string>> = {
  email: 'email',
  rfc_email: 'email',
  url: 'uri',
  uuid: 'uuid',
  ipv4: 'ipv4',
  ipv6: 'ipv6',
  iso_date: 'date',
  iso_timestamp: 'date-time',
  iso_time_second: 'time',
}
const ARRAY_LIMITS: Readonly<Record<string, string>> = { min_length: 'minItems', max_length: 'maxItems' }
const STRING_LIMITS: Readonly<Record<string, string>> = { min_length: 'minLength', max_length: 'maxLength' }
const NUMBER_LIMITS: Readonly<Record<string, string>> = {
  min_value: 'minimum',
  max_value: 'maximum',
  gt_value: 'exclusiveMinimum',
  lt_value: 'exclusiveMaximum',
  multiple_of: 'multipleOf',
}

/** The schema of what the valibot schema takes in. What JSON cannot carry is marked for the normaliser, which knows the path. */
export function valibotJsonSchema(schema: unknown): JsonSchema {
  const pass: Pass = { root: schema, names: new Map(), defs: {} }
  const raw = convert(pass, schema)
  return pass.names.size === 0 ? raw : { ...raw, $defs: pass.defs }
}

function convert(pass: Pass, schema: unknown): Raw {
  if (!isRecord(schema)) return unsupported('a value that is not a schema')
  const pipe = Array.isArray(schema.pipe) ? schema.pipe : undefined
  if (pipe === undefined) return convertType(pass, schema)
  const raw = { ...convert(pass, pipe[0]) }
  // Behind a transformation the actions speak of the output; the model supplies the input.
  let transformed = false
  for (const action of pipe.slice(1)) {
    if (!isRecord(action)) continue
    if (action.kind === 'metadata') addMetadata(raw, action)
    else if (action.kind === 'validation' && !transformed) addValidation(raw, action)
    else if (action.kind === 'schema' || (action.kind === 'transformation' && action.type !== 'readonly'))
      transformed = true
  }
  return raw
}

function convertType(pass: Pass, schema: Raw): Raw {
  const type = String(schema.type)
  if (Object.hasOwn(PLAIN, type)) return PLAIN[type] as Raw
  if (WRAPPERS.has(type)) return convertWrapper(pass, schema, type)
  if (type.includes('object') && isRecord(schema.entries))
    return convertObject(pass, schema, schema.entries, type)
  if (type.includes('tuple') && Array.isArray(schema.items))
    return convertTuple(pass, schema, schema.items, type)
  switch (type) {
    case 'array':
      return { type: 'array', items: convert(pass, schema.item) }
    case 'record':
      return {
        type: 'object',
        propertyNames: convert(pass, schema.key),
        additionalProperties: convert(pass, schema.value),
      }
    case 'picklist':
    case 'enum':
      return { enum: schema.options }
    case 'literal':
      return isJsonScalar(schema.literal)
        ? { const: schema.literal }
        : unsupported(`the literal ${String(schema.literal)}`)
    case 'union':
    case 'variant':
      return { anyOf: listOf(schema.options).map((option) => convert(pass, option)) }
    case 'intersect':
      return { allOf: listOf(schema.options).map((option) => convert(pass, option)) }
    case 'lazy':
      return convertLazy(pass, schema)
    default:
      return unsupported(type === 'undefined' || type === 'void' ? 'undefined' : type)
  }
}

function convertWrapper(pass: Pass, schema: Raw, type: string): Raw {
  const inner = convert(pass, schema.wrapped)
  const raw = type === 'nullable' || type === 'nullish' ? { anyOf: [inner, { type: 'null' }] } : { ...inner }
  const value = defaultOf(schema)
  return value === undefined
    ? simplifyNullable(raw, inner)
    : { ...simplifyNullable(raw, inner), default: value }
}

// `string | null` in one `type`, so that descriptions and limits stay beside it.
function simplifyNullable(raw: Raw, inner: Raw): Raw {
  if (raw.anyOf === undefined || inner.anyOf !== undefined || typeof inner.type !== 'string') return raw
  return { ...inner, type: [inner.type, 'null'] }
}

function defaultOf(schema: Raw): unknown {
  const value = typeof schema.default === 'function' ? schema.default() : schema.default
  return value instanceof Promise || value === null ? undefined : value
}

function convertObject(pass: Pass, schema: Raw, entries: Raw, type: string): Raw {
  const properties: Raw = {}
  const required: string[] = []
  for (const [name, entry] of Object.entries(entries)) {
    properties[name] = convert(pass, entry)
    if (!isOptional(entry)) required.push(name)
  }
  const raw: Raw = { type: 'object', properties, required }
  if (type === 'loose_object') raw.additionalProperties = true
  if (type === 'object_with_rest') raw.additionalProperties = convert(pass, schema.rest)
  return raw
}

function isOptional(entry: unknown): boolean {
  if (!isRecord(entry)) return false
  const first = Array.isArray(entry.pipe) ? entry.pipe[0] : entry
  return isRecord(first) && OPTIONAL.has(String(first.type))
}

function convertTuple(pass: Pass, schema: Raw, items: readonly unknown[], type: string): Raw {
  const prefixItems = items.map((item) => convert(pass, item))
  const raw: Raw = { type: 'array', prefixItems, minItems: items.length }
  if (type === 'loose_tuple') return raw
  if (type === 'tuple_with_rest') return { ...raw, items: convert(pass, schema.rest) }
  return { ...raw, items: false, maxItems: items.length }
}

function convertLazy(pass: Pass, schema: Raw): Raw {
  const inner = typeof schema.getter === 'function' ? schema.getter(undefined) : undefined
  if (inner === pass.root) return { $ref: '#' }
  const known = pass.names.get(inner)
  if (known !== undefined) return { $ref: `#/$defs/${known}` }
  if (pass.names.size > 200) return unsupported('a lazy schema that makes a new schema at each call')
  const name = `schema${pass.names.size + 1}`
  pass.names.set(inner, name)
  pass.defs[name] = convert(pass, inner)
  return { $ref: `#/$defs/${name}` }
}

function addMetadata(raw: Raw, action: Raw): void {
  if (typeof action.description === 'string') raw.description = action.description
  if (isRecord(action.metadata) && typeof action.metadata.description === 'string')
    raw.description = action.metadata.description
  if (Array.isArray(action.examples)) raw.examples = action.examples
}

function addValidation(raw: Raw, action: Raw): void {
  const type = String(action.type)
  const kind = Array.isArray(raw.type) ? raw.type[0] : raw.type
  if (kind === 'number' && (type === 'integer' || type === 'safe_integer'))
    raw.type = Array.isArray(raw.type) ? ['integer', ...raw.type.slice(1)] : 'integer'
  if (kind === 'string' && FORMATS[type] !== undefined) raw.format = FORMATS[type]
  if (type === 'regex' && action.requirement instanceof RegExp) raw.pattern = action.requirement.source
  addLimit(raw, type, action.requirement, kind)
}

function addLimit(raw: Raw, type: string, requirement: unknown, kind: unknown): void {
  const limits = kind === 'array' ? ARRAY_LIMITS : kind === 'string' ? STRING_LIMITS : NUMBER_LIMITS
  if (type === 'non_empty') raw[limits.min_length ?? ''] = 1
  if (typeof requirement !== 'number') return
  if (limits[type] !== undefined) raw[limits[type]] = requirement
  if (type === 'length' && limits.min_length !== undefined && limits.max_length !== undefined) {
    raw[limits.min_length] = requirement
    raw[limits.max_length] = requirement
  }
}

function unsupported(what: string): Raw {
  return { [UNSUPPORTED_MARK]: what }
}

function isJsonScalar(value: unknown): boolean {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value)
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
