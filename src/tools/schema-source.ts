// What a developer may pass as a schema, and how each kind yields a JSON Schema and a validator: any Standard Schema
// (standardschema.dev; with the Standard JSON Schema extension, or valibot), TypeBox, or plain JSON Schema.
// No schema library is imported: a schema is asked for its own JSON Schema.
import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec'
import { argumentError, ConfigurationError, type InputIssue } from '../errors.ts'
import type { FromJsonSchema, JsonSchema } from './json-schema.ts'
import { DATE_MARK, UNSUPPORTED_MARK } from './normal-schema.ts'
import { schemaUnsupported } from './schema-path.ts'
import { isRecord } from './schema-values.ts'
import { valibotJsonSchema } from './valibot-schema.ts'

/** Any Standard Schema (zod 4, valibot, arktype, …), a TypeBox schema, or a JSON Schema object. */
export type AnySchema = StandardSchemaV1 | JsonSchema | TypedJsonSchema

/** A JSON Schema whose type names its members, as TypeBox's do. */
export interface TypedJsonSchema {
  readonly type?: unknown
  readonly properties?: unknown
  readonly allOf?: unknown
  readonly $ref?: unknown
}

/** What `run` gets: the schema's output. */
export type SchemaOutput<S> = S extends StandardSchemaV1
  ? StandardSchemaV1.InferOutput<S>
  : S extends { static: infer Static }
    ? Static
    : unknown extends FromJsonSchema<S>
      ? Record<string, unknown>
      : FromJsonSchema<S>

/** What a caller passes: the schema's input, before defaults and transformations. */
export type SchemaInput<S> = S extends StandardSchemaV1 ? StandardSchemaV1.InferInput<S> : SchemaOutput<S>

/** The outcome of a validation. */
export type Validation = { value: unknown; issues?: undefined } | { issues: readonly InputIssue[] }

/** A schema in the two forms that a tool needs. */
export interface SchemaSource {
  /** As the library wrote it, before normalisation. */
  raw: JsonSchema
  /** The library's own validation; absent for JSON Schema, which ajv validates. */
  validate: ((value: unknown) => Promise<Validation>) | undefined
}

type Standard = StandardSchemaV1['~standard'] & Partial<StandardJSONSchemaV1['~standard']>
type Raw = Record<string, unknown>

/**
 * @param shown JSON Schema to show the model instead of the schema's own.
 * @throws {TypeError} `invalid_argument` when it is no schema at all.
 * @throws {ConfigurationError} `schema_unsupported` when it has no JSON Schema.
 */
export function readSchema(schema: unknown, shown?: JsonSchema): SchemaSource {
  const standard = standardOf(schema)
  if (standard === undefined) return { raw: shown ?? plainSchema(schema), validate: undefined }
  const validate =
    typeof standard.validate === 'function'
      ? (value: unknown) => validateStandard(standard, value)
      : undefined
  return { raw: shown ?? jsonSchemaOf(schema as Raw, standard), validate }
}

function standardOf(schema: unknown): Standard | undefined {
  if ((typeof schema !== 'object' && typeof schema !== 'function') || schema === null) return undefined
  const standard = (schema as Raw)['~standard']
  return isRecord(standard) && standard.version === 1 ? (standard as unknown as Standard) : undefined
}

function plainSchema(schema: unknown): JsonSchema {
  if (
    isRecord(schema) &&
    [...Object.keys(schema)].some((keyword) => /^(type|properties|\$ref|anyOf|oneOf|allOf)$/.test(keyword))
  )
    return schema
  if (
    isRecord(schema) &&
    Object.getPrototypeOf(schema) === Object.prototype &&
    Object.keys(schema).length === 0
  )
    return { type: 'object', properties: {} }
  throw argumentError(
    'The input must be a Standard Schema (zod 4, valibot, arktype, …), a TypeBox schema or a JSON Schema object.',
  )
}

function jsonSchemaOf(schema: Raw, standard: Standard): JsonSchema {
  try {
    return convertByVendor(schema, standard)
  } catch (cause) {
    if (cause instanceof ConfigurationError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw Object.assign(
      schemaUnsupported([], `${standard.vendor} cannot write it as JSON Schema (${reason}).${wayOut}`),
      { cause },
    )
  }
}

const wayOut = ' Pass the schema to show the model as `jsonSchema`.'

function convertByVendor(schema: Raw, standard: Standard): JsonSchema {
  if (standard.vendor === 'arktype' && typeof schema.toJsonSchema === 'function')
    return schema.toJsonSchema({ fallback: arktypeFallback })
  const libraryOptions =
    standard.vendor === 'zod' ? { unrepresentable: 'any', override: zodOverride } : undefined
  if (typeof standard.jsonSchema?.input === 'function')
    return standard.jsonSchema.input({
      target: 'draft-2020-12',
      ...(libraryOptions === undefined ? {} : { libraryOptions }),
    })
  if (typeof schema.toJSONSchema === 'function')
    return schema.toJSONSchema({ io: 'input', ...libraryOptions })
  if (standard.vendor === 'valibot') return valibotJsonSchema(schema)
  if (typeof schema.type === 'string') return schema
  throw schemaUnsupported([], `${standard.vendor} schemas do not say their JSON Schema.${wayOut}`)
}

/** What zod's converter hands to `override`: the node it wrote, and the schema it wrote it for. */
interface ZodNode {
  zodSchema: { _zod: { def: { type: string; values?: readonly unknown[] } } }
  jsonSchema: Raw
}

const ZOD_FREE = new Set(['any', 'unknown'])

// zod leaves an empty schema where JSON has no such type; say what it was, so that the error can name the place.
function zodOverride({ zodSchema, jsonSchema }: ZodNode): void {
  const { type, values } = zodSchema._zod.def
  if (type === 'date' && jsonSchema.type === undefined)
    Object.assign(jsonSchema, { type: 'string', format: 'date-time', [DATE_MARK]: true })
  else if (type === 'file') jsonSchema[UNSUPPORTED_MARK] = 'a file'
  else if (isEmptyType(jsonSchema) && isZodLeaf(type))
    jsonSchema[UNSUPPORTED_MARK] =
      type === 'void' || (type === 'literal' && values?.includes(undefined)) ? 'undefined' : type
}

const ZOD_LEAVES = new Set([
  'bigint',
  'symbol',
  'undefined',
  'void',
  'nan',
  'map',
  'set',
  'function',
  'custom',
  'transform',
  'literal',
])

function isZodLeaf(type: string): boolean {
  return ZOD_LEAVES.has(type) && !ZOD_FREE.has(type)
}

function isEmptyType(schema: Raw): boolean {
  return !['type', 'anyOf', 'oneOf', 'allOf', '$ref', 'enum', 'const', 'not'].some(
    (keyword) => keyword in schema,
  )
}

/** What arktype's converter hands to `fallback`. */
interface ArktypeNode {
  code: string
  base: Raw
  unit?: unknown
  domain?: unknown
}

function arktypeFallback({ code, base, unit, domain }: ArktypeNode): Raw {
  if (code === 'date') return { ...base, type: 'string', format: 'date-time', [DATE_MARK]: true }
  // Conditions that JSON Schema cannot say still hold at the call.
  if (['predicate', 'morph', 'patternIntersection', 'defaultValue'].includes(code)) return base
  if (code === 'unit') return { [UNSUPPORTED_MARK]: unit === undefined ? 'undefined' : String(unit) }
  return { [UNSUPPORTED_MARK]: code === 'domain' ? String(domain) : code }
}

async function validateStandard(standard: Standard, value: unknown): Promise<Validation> {
  const result = await standard.validate(value)
  if (result.issues === undefined) return { value: result.value }
  return {
    issues: result.issues.map(({ message, path }) => ({ message, path: Array.from(path ?? [], plainKey) })),
  }
}

function plainKey(segment: PropertyKey | StandardSchemaV1.PathSegment): string | number {
  const key = typeof segment === 'object' ? segment.key : segment
  return typeof key === 'symbol' ? String(key) : key
}
