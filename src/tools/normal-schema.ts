// Turns any JSON Schema (draft 4 to 2020-12, OpenAPI 3.0, TypeBox) into the one form that the dialects and the input
// check work on: closed objects, `required` without defaults, references only to `$defs`, no titles, frozen.
import type { JsonSchema, NormalSchema, SchemaType } from './json-schema.ts'
import { refuseReservedName } from './reserved-names.ts'
import { mergeAllOf } from './schema-merge.ts'
import { type SchemaPath, schemaUnsupported } from './schema-path.ts'
import { definitionReference, SchemaReferences } from './schema-references.ts'
import { allowsType, deepFreeze, isRecord, typeOfValue } from './schema-values.ts'

/** Keyword with which a schema source marks a `Date`: said to the model as a date-time string, made a `Date` again at the call. */
export const DATE_MARK = 'x-toolgrant-date'
/** Keyword with which a schema source marks what JSON cannot carry; its value says what it was. */
export const UNSUPPORTED_MARK = 'x-toolgrant-unsupported'

/** A normalised schema and what cannot be written into it. */
export interface NormalisedSchema {
  readonly schema: NormalSchema
  /** The nodes of `schema` where a date-time string becomes a `Date` before validation. */
  readonly dates: ReadonlySet<NormalSchema>
}

type Raw = Record<string, unknown>
type Draft = Record<string, unknown>

/** What one pass over one schema needs to know. */
interface Pass {
  references: SchemaReferences
  /** The raw schemas that `#` stands for. */
  roots: Set<Raw>
  /** Finished and unfinished definitions by the name they will have. */
  defs: Map<string, NormalSchema | undefined>
  /** The raw schema that each definition name stands for. */
  names: Map<unknown, string>
  dates: Set<NormalSchema>
  reserved: ReadonlySet<string>
  isOnlyShown: boolean
  nodes: number
}

const MAX_DEPTH = 64
/** An object that contains itself, or the same one many times over, has no end. */
const MAX_NODES = 20_000
const TYPES: ReadonlySet<unknown> = new Set([
  'string',
  'number',
  'integer',
  'boolean',
  'null',
  'object',
  'array',
])
const NUMERIC_LIMITS = [
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
  'multipleOf',
  'minContains',
  'maxContains',
] as const
const COPIED = [
  'format',
  'pattern',
  'uniqueItems',
  'contentEncoding',
  'contentMediaType',
  'deprecated',
] as const

/** Options of {@link normaliseSchema}. */
export interface NormaliseOptions {
  /** Names that may not be properties, beyond the fixed ones, as `reservedFor` makes them. */
  reserved?: ReadonlySet<string> | undefined
  /** `true`: somebody else validates, so a `pattern` that only spells out a `format` is left out. Default `false`. */
  isOnlyShown?: boolean
}

/**
 * @throws {ConfigurationError} `schema_unsupported`, naming the place.
 */
export function normaliseSchema(raw: JsonSchema, options: NormaliseOptions = {}): NormalisedSchema {
  const pass: Pass = {
    references: new SchemaReferences(raw),
    roots: new Set([raw]),
    defs: new Map(),
    names: new Map(),
    dates: new Set(),
    reserved: options.reserved ?? new Set(),
    isOnlyShown: options.isOnlyShown === true,
    nodes: 0,
  }
  const root = normaliseRoot(pass, raw)
  if (pass.defs.size === 0) return { schema: Object.freeze(root), dates: pass.dates }
  const $defs: Record<string, NormalSchema> = {}
  for (const [name, node] of pass.defs) if (node !== undefined) $defs[name] = node
  return { schema: Object.freeze({ ...root, $defs: Object.freeze($defs) }), dates: pass.dates }
}

function normaliseRoot(pass: Pass, raw: Raw): NormalSchema {
  const node = normalise(pass, openRoot(pass, raw), [], 0)
  if (node.type !== 'object' || node.anyOf !== undefined || node.oneOf !== undefined)
    throw schemaUnsupported(
      [],
      'must be one object whose properties are the parameters. Put a union or another type in a property.',
    )
  if (node.additionalProperties !== false || node.patternProperties !== undefined)
    throw schemaUnsupported(
      [],
      'must not take just any key, because the model would decide what the tool gets. List the properties, and put free-form data in one of them.',
    )
  if (node.properties !== undefined) return node
  return { ...node, properties: Object.freeze({}) }
}

// Vendors want `type: 'object'` at the root, so a root that only refers to a definition is that definition.
function openRoot(pass: Pass, raw: Raw): Raw {
  const resolve = (ref: string) => pass.references.resolve(ref, [])
  let top = mergeAllOf(raw, [], resolve)
  while (typeof top.$ref === 'string') {
    const { $ref, ...beside } = top
    const target = resolve($ref)
    if (pass.roots.has(target)) throw schemaUnsupported([], 'refers to itself and to nothing else.')
    pass.roots.add(target)
    top = mergeAllOf({ ...target, ...beside }, [], resolve)
  }
  return top
}

function normalise(pass: Pass, raw: unknown, path: SchemaPath, depth: number, open = false): NormalSchema {
  if (depth > MAX_DEPTH) throw schemaUnsupported(path, `is nested deeper than ${MAX_DEPTH} levels.`)
  pass.nodes += 1
  if (pass.nodes > MAX_NODES)
    throw schemaUnsupported(
      path,
      `brings the schema beyond ${MAX_NODES} parts. Repeat a type with $ref, not in full.`,
    )
  if (raw === true) return Object.freeze({})
  if (raw === false) throw schemaUnsupported(path, 'allows no value at all. Leave it out.')
  if (!isRecord(raw)) throw schemaUnsupported(path, 'is not a JSON Schema.')
  const source = mergeAllOf(raw, path, (ref) => pass.references.resolve(ref, path))
  if (typeof source[UNSUPPORTED_MARK] === 'string') throw unsupportedType(path, source[UNSUPPORTED_MARK])
  const node: Draft = {}
  if (typeof source.$ref === 'string') node.$ref = normaliseReference(pass, source.$ref, path, depth)
  addType(node, source, path)
  addAnnotations(node, source, path)
  if (pass.isOnlyShown && node.format !== undefined) delete node.pattern
  addLimits(node, source)
  addObject(pass, node, source, path, depth, open)
  addArray(pass, node, source, path, depth)
  addBranches(pass, node, source, path, depth)
  if (source[DATE_MARK] === true) pass.dates.add(node)
  return Object.freeze(node)
}

function unsupportedType(path: SchemaPath, what: string): Error {
  return schemaUnsupported(
    path,
    `${what} cannot be written in JSON. Use a type that can, or pass the schema to show the model as \`jsonSchema\`.`,
  )
}

function addType(node: Draft, raw: Raw, path: SchemaPath): void {
  const given = raw.type ?? impliedType(raw)
  if (given === undefined) return
  const types = [...new Set(Array.isArray(given) ? given : [given])]
  for (const type of types)
    if (!TYPES.has(type)) throw schemaUnsupported(path, `has the unknown type ${JSON.stringify(type)}.`)
  // OpenAPI 3.0 says null with a flag.
  if (raw.nullable === true && !types.includes('null')) types.push('null')
  node.type = types.length === 1 ? types[0] : Object.freeze(types)
}

function impliedType(raw: Raw): SchemaType | SchemaType[] | undefined {
  const values = 'const' in raw ? [raw.const] : Array.isArray(raw.enum) ? raw.enum : []
  if (values.length > 0) {
    const types = [...new Set(values.map(typeOfValue))]
    return types.length === 1 ? types[0] : types
  }
  if (isRecord(raw.properties) || isRecord(raw.additionalProperties) || isRecord(raw.patternProperties))
    return 'object'
  if (raw.items !== undefined || raw.prefixItems !== undefined) return 'array'
  return undefined
}

function addAnnotations(node: Draft, raw: Raw, path: SchemaPath): void {
  if (typeof raw.description === 'string' && raw.description !== '') node.description = raw.description
  if ('const' in raw) node.const = frozenJson(raw.const, path)
  if (Array.isArray(raw.enum)) {
    if (raw.enum.length === 0) throw schemaUnsupported(path, 'is an enum without members.')
    node.enum = frozenJson(raw.enum, path)
  }
  if (raw.default !== undefined) node.default = frozenJson(raw.default, path)
  if (Array.isArray(raw.examples) && raw.examples.length > 0) node.examples = frozenJson(raw.examples, path)
  for (const keyword of COPIED) if (raw[keyword] !== undefined) node[keyword] = raw[keyword]
}

function addLimits(node: Draft, raw: Raw): void {
  for (const keyword of NUMERIC_LIMITS) if (typeof raw[keyword] === 'number') node[keyword] = raw[keyword]
  addBound(node, raw, 'minimum', 'exclusiveMinimum', Number.MIN_SAFE_INTEGER)
  addBound(node, raw, 'maximum', 'exclusiveMaximum', Number.MAX_SAFE_INTEGER)
}

function addBound(node: Draft, raw: Raw, inclusive: string, exclusive: string, noise: number): void {
  // Draft 4: `exclusiveMinimum: true` beside `minimum`.
  if (raw[exclusive] === true && typeof raw[inclusive] === 'number') {
    node[exclusive] = raw[inclusive]
    return
  }
  // The limits of a safe integer tell a model nothing; zod writes them for every integer.
  if (typeof raw[inclusive] === 'number' && raw[inclusive] !== noise) node[inclusive] = raw[inclusive]
  if (typeof raw[exclusive] === 'number') node[exclusive] = raw[exclusive]
}

function addObject(pass: Pass, node: Draft, raw: Raw, path: SchemaPath, depth: number, open: boolean): void {
  if (isRecord(raw.properties)) node.properties = normaliseProperties(pass, raw.properties, path, depth)
  if (isRecord(raw.patternProperties)) {
    const patterns: Record<string, NormalSchema> = {}
    for (const [pattern, value] of Object.entries(raw.patternProperties)) {
      assertPattern(pattern, path)
      patterns[pattern] = normalise(pass, value, [...path, '{}'], depth + 1)
    }
    node.patternProperties = Object.freeze(patterns)
  }
  addRequired(node, raw)
  if (!open && allowsType(node.type, 'object')) {
    addAdditional(pass, node, raw, path, depth)
    refuseUndescribed(node, path)
  }
  if (isRecord(raw.propertyNames)) addPropertyNames(pass, node, raw.propertyNames, path, depth)
}

function normaliseProperties(
  pass: Pass,
  raw: Raw,
  path: SchemaPath,
  depth: number,
): Record<string, NormalSchema> {
  const properties: Record<string, NormalSchema> = {}
  for (const name of Object.keys(raw)) {
    refuseReservedName(name, [...path, name], pass.reserved)
    properties[name] = normalise(pass, raw[name], [...path, name], depth + 1)
  }
  return Object.freeze(properties)
}

function assertPattern(pattern: string, path: SchemaPath): void {
  try {
    new RegExp(pattern, 'u')
  } catch {
    throw schemaUnsupported(
      path,
      `has the patternProperties key ${JSON.stringify(pattern)}, which is no regular expression.`,
    )
  }
}

// P61: required = without default. A key that is required but never described is kept as it is.
function addRequired(node: Draft, raw: Raw): void {
  if (!Array.isArray(raw.required)) return
  const properties = (node.properties ?? {}) as Record<string, NormalSchema>
  const needed = raw.required.filter(
    (name) => !Object.hasOwn(properties, name) || properties[name]?.default === undefined,
  )
  if (needed.length > 0) node.required = Object.freeze(needed)
}

function addAdditional(pass: Pass, node: Draft, raw: Raw, path: SchemaPath, depth: number): void {
  const given = raw.additionalProperties ?? raw.unevaluatedProperties
  const described = node.properties !== undefined || node.patternProperties !== undefined || path.length === 0
  if (isRecord(given) && Object.keys(given).length > 0)
    node.additionalProperties = normalise(pass, given, [...path, '{}'], depth + 1)
  // A nested `{ type: 'object' }` that lists nothing means any object; one that lists its properties means those.
  else node.additionalProperties = given === undefined ? !described : given !== false
}

function refuseUndescribed(node: Draft, path: SchemaPath): void {
  if (node.additionalProperties !== false || node.patternProperties !== undefined) return
  for (const name of (node.required ?? []) as string[])
    if (!Object.hasOwn((node.properties ?? {}) as object, name))
      throw schemaUnsupported([...path, name], 'is required but not described. Add it to `properties`.')
}

function addPropertyNames(pass: Pass, node: Draft, raw: Raw, path: SchemaPath, depth: number): void {
  const names = normalise(pass, raw, [...path, '{}'], depth + 1)
  if (Object.keys(names).some((keyword) => keyword !== 'type')) node.propertyNames = names
}

function addArray(pass: Pass, node: Draft, raw: Raw, path: SchemaPath, depth: number): void {
  const child = (value: unknown, key: string | number) => normalise(pass, value, [...path, key], depth + 1)
  // Draft 4 to 2019-09 put a tuple in `items` and the rest in `additionalItems`.
  const tuple = Array.isArray(raw.items) ? raw.items : raw.prefixItems
  const rest = Array.isArray(raw.items) ? raw.additionalItems : raw.items
  if (Array.isArray(tuple)) node.prefixItems = Object.freeze(tuple.map((item, index) => child(item, index)))
  if (rest === false) node.items = false
  else if (isRecord(rest)) node.items = child(rest, '[]')
  if (isRecord(raw.contains)) node.contains = child(raw.contains, '[]')
}

function addBranches(pass: Pass, node: Draft, raw: Raw, path: SchemaPath, depth: number): void {
  // Beside its own properties, branches only add conditions; closing them would forbid those properties.
  const open = node.properties !== undefined
  const child = (value: unknown) => normalise(pass, value, path, depth + 1, open)
  for (const keyword of ['anyOf', 'oneOf'] as const) {
    const given = raw[keyword]
    if (!Array.isArray(given)) continue
    const branches = given.filter((branch) => !isUndefinedBranch(branch)).map(child)
    if (branches.length === 0) throw schemaUnsupported(path, `${keyword} has no branch.`)
    if (open) refuseOpenProperties(branches, node, path)
    if (raw.nullable === true && node.type === undefined) branches.push(Object.freeze({ type: 'null' }))
    node[keyword] = Object.freeze(branches)
  }
  for (const keyword of ['not', 'if', 'then', 'else'] as const)
    if (isRecord(raw[keyword])) node[keyword] = normalise(pass, raw[keyword], path, depth + 1, true)
  if (isRecord(raw.dependentRequired)) node.dependentRequired = frozenJson(raw.dependentRequired, path)
}

// `string | undefined` in a union: the property is optional, which its parent already says.
function isUndefinedBranch(branch: unknown): boolean {
  return isRecord(branch) && branch[UNSUPPORTED_MARK] === 'undefined'
}

function refuseOpenProperties(branches: readonly NormalSchema[], node: Draft, path: SchemaPath): void {
  const known = node.properties as Record<string, NormalSchema>
  for (const branch of branches)
    for (const name of Object.keys(branch.properties ?? {}))
      if (!Object.hasOwn(known, name))
        throw schemaUnsupported(
          [...path, name],
          'is declared only in a branch of a union. Declare it beside the other properties, or repeat those in each branch.',
        )
}

function normaliseReference(pass: Pass, ref: string, path: SchemaPath, depth: number): string {
  const target = pass.references.resolve(ref, path)
  if (pass.roots.has(target)) return '#'
  const known = pass.names.get(target)
  if (known !== undefined) return definitionReference(known)
  const name = newName(pass, ref)
  pass.names.set(target, name)
  pass.defs.set(name, undefined)
  pass.defs.set(name, normalise(pass, target, path, depth + 1))
  return definitionReference(name)
}

function newName(pass: Pass, ref: string): string {
  // Generated names (`__schema0`, `intersection274`) count whatever else the process defined: ours depend on this schema alone.
  const last = ref.slice(ref.lastIndexOf('/') + 1).replace(/[^A-Za-z0-9_.-]/g, '_')
  const base = last.replace(/^_+|\d+$/g, '') || 'schema'
  let name = base
  for (let n = 2; pass.defs.has(name); n++) name = `${base}_${n}`
  return name
}

function frozenJson(value: unknown, path: SchemaPath): unknown {
  let copy: unknown
  try {
    copy = JSON.parse(JSON.stringify(value))
  } catch (cause) {
    throw Object.assign(schemaUnsupported(path, 'has a default, enum or example that is not JSON.'), {
      cause,
    })
  }
  return deepFreeze(copy)
}
