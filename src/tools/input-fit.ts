// Fits an input to its schema before it is validated: refuses unknown keys at every level (P70, even where the schema
// library would drop them), undoes what the dialects had to spell differently, and coerces in lax mode (P69).
import type { InputIssue } from '../errors.ts'
import { quote } from '../errors.ts'
import { isDeepEqual } from './deep-equal.ts'
import type { NormalSchema, SchemaType } from './json-schema.ts'
import type { NormalisedSchema } from './normal-schema.ts'
import { definitionName } from './schema-references.ts'
import { allowsType, isRecord, typeOfValue } from './schema-values.ts'

/** What {@link fitInput} does beyond the check. */
export interface FitOptions {
  /** `true`: `"7"` becomes 7 where a number is wanted, and so on. Default `false`. */
  coerce?: boolean
}

type Path = readonly (string | number)[]

// Only text that lax mode parses can be deeper than the reader allows.
const MAX_DEPTH = 100

/**
 * Changes `value` in place and returns the problems found. A union is followed through every branch that still fits,
 * so that a key is unknown only when no such branch knows it.
 */
export function fitInput(
  normal: NormalisedSchema,
  value: Record<string, unknown>,
  options: FitOptions = {},
): InputIssue[] {
  const fit = new Fit(normal, options.coerce === true)
  fit.value([normal.schema], value, [])
  return fit.issues
}

class Fit {
  readonly issues: InputIssue[] = []
  readonly #normal: NormalisedSchema
  readonly #coerce: boolean

  constructor(normal: NormalisedSchema, coerce: boolean) {
    this.#normal = normal
    this.#coerce = coerce
  }

  /** The value that takes the place of `value`. */
  value(schemas: readonly NormalSchema[], value: unknown, path: Path): unknown {
    if (path.length > MAX_DEPTH) {
      this.issues.push({ path, message: `is nested deeper than ${MAX_DEPTH} levels` })
      return undefined
    }
    const candidates = this.#expand(schemas)
    const given = this.#adapt(candidates, value)
    const fitting = candidates.filter((schema) => accepts(schema, given))
    // Anything goes here, or nothing does: the validator says which.
    if (fitting.length === 0 || fitting.some(isAnything)) return given
    if (Array.isArray(given)) this.#array(fitting, given, path)
    else if (isRecord(given) && isPlainRecord(given)) this.#object(fitting, given, path)
    return given
  }

  /** References and unions opened: the schemas that speak about the value itself. */
  #expand(schemas: readonly NormalSchema[]): NormalSchema[] {
    if (schemas.length === 1 && schemas[0]?.$ref === undefined && branchesOf(schemas[0]) === undefined)
      return [...schemas]
    const seen = new Set<NormalSchema>()
    const open = (schema: NormalSchema): void => {
      const target = schema.$ref === undefined ? schema : this.#resolve(schema.$ref)
      if (target === undefined || seen.has(target)) return
      seen.add(target)
      for (const branch of branchesOf(target) ?? []) open(branch)
    }
    for (const schema of schemas) open(schema)
    return [...seen].filter((schema) => branchesOf(schema) === undefined)
  }

  #resolve(ref: string): NormalSchema | undefined {
    return ref === '#' ? this.#normal.schema : this.#normal.schema.$defs?.[definitionName(ref)]
  }

  /** The value in the form that the schema means, where another form can only have meant that. */
  #adapt(candidates: readonly NormalSchema[], value: unknown): unknown {
    if (typeof value === 'string' && candidates.some((schema) => this.#normal.dates.has(schema))) {
      const others = candidates.some((schema) => !this.#normal.dates.has(schema) && accepts(schema, value))
      return others ? value : (toDate(value) ?? value)
    }
    if (candidates.some((schema) => accepts(schema, value))) return value
    if (Array.isArray(value) && candidates.some(isRecordSchema)) return fromEntries(value) ?? value
    return this.#coerce ? coerced(candidates, value) : value
  }

  #array(schemas: readonly NormalSchema[], value: unknown[], path: Path): void {
    for (const [index, item] of value.entries()) {
      const children = schemas
        .map((schema) => itemSchema(schema, index))
        .filter((child) => child !== undefined)
      if (children.length > 0) value[index] = this.value(children, item, [...path, index])
    }
  }

  #object(schemas: readonly NormalSchema[], value: Record<string, unknown>, path: Path): void {
    const best = schemas.length === 1 ? schemas : this.#best(schemas, value)
    for (const [key, member] of Object.entries(value)) {
      const children = best.map((schema) => memberSchema(schema, key)).filter((child) => child !== undefined)
      if (children.length === 0) {
        this.issues.push({ path: [...path, key], message: unknownKey(best) })
        delete value[key]
      } else if (member === null && this.#meansAbsent(best, children, key)) delete value[key]
      else value[key] = this.value(children, member, [...path, key])
    }
  }

  // The strict dialect and Gemini spell "optional" as "may be null".
  #meansAbsent(schemas: readonly NormalSchema[], children: readonly NormalSchema[], key: string): boolean {
    return (
      schemas.every((schema) => schema.required?.includes(key) !== true) &&
      !this.#expand(children).some((child) => accepts(child, null))
    )
  }

  /** The branches that fit the object's own keys; when none does, the one that comes nearest. */
  #best(schemas: readonly NormalSchema[], value: Record<string, unknown>): readonly NormalSchema[] {
    const scored = schemas.map((schema) => ({ schema, score: this.#misfit(schema, value) }))
    const least = Math.min(...scored.map(({ score }) => score))
    const nearest = scored.filter(({ score }) => score === least).map(({ schema }) => schema)
    return least === 0 ? nearest : nearest.slice(0, 1)
  }

  #misfit(schema: NormalSchema, value: Record<string, unknown>): number {
    let score = 0
    for (const name of schema.required ?? []) if (!Object.hasOwn(value, name)) score += MISFIT.key
    for (const [key, member] of Object.entries(value)) {
      const child = memberSchema(schema, key)
      score += child === undefined ? MISFIT.key : member === null ? 0 : this.#memberMisfit(child, member)
    }
    return score
  }

  #memberMisfit(child: NormalSchema, member: unknown): number {
    const candidates = this.#expand([child])
    const fits = (value: unknown) => candidates.some((schema) => accepts(schema, value))
    if (fits(member)) return 0
    if (isFixed(child)) return MISFIT.constant
    return fits(this.#adapt(candidates, member)) ? MISFIT.spelling : MISFIT.type
  }
}

/** How far an object is from a branch of a union: a wrong discriminator is further than everything else together. */
const MISFIT = { constant: 10_000, key: 10, type: 5, spelling: 1 }

function branchesOf(schema: NormalSchema | undefined): readonly NormalSchema[] | undefined {
  // Beside properties of its own, a union only adds conditions.
  return schema?.properties === undefined ? (schema?.anyOf ?? schema?.oneOf) : undefined
}

function isAnything(schema: NormalSchema): boolean {
  return schema.type === undefined && schema.properties === undefined
}

function isFixed(schema: NormalSchema): boolean {
  return 'const' in schema || schema.enum !== undefined
}

function itemSchema(schema: NormalSchema, index: number): NormalSchema | undefined {
  return schema.prefixItems?.[index] ?? (schema.items === false ? undefined : schema.items)
}

/** The schema of one member; `undefined` when the key is unknown. */
function memberSchema(schema: NormalSchema, key: string): NormalSchema | undefined {
  if (schema.properties !== undefined && Object.hasOwn(schema.properties, key)) return schema.properties[key]
  for (const [pattern, child] of Object.entries(schema.patternProperties ?? {}))
    if (new RegExp(pattern, 'u').test(key)) return child
  const rest = schema.additionalProperties
  return rest === true ? {} : rest === false ? undefined : rest
}

/** Whether the value has the type, and is among the constants, that the schema names. */
function accepts(schema: NormalSchema, value: unknown): boolean {
  if (schema.enum !== undefined && !schema.enum.some((member) => isDeepEqual(member, value))) return false
  if ('const' in schema && !isDeepEqual(schema.const, value)) return false
  if (schema.type === undefined) return true
  const type = typeOfValue(value)
  return allowsType(schema.type, type) || (type === 'integer' && allowsType(schema.type, 'number'))
}

// A record: free keys, one type of value. Both strict dialects spell it as a list of { key, value }.
function isRecordSchema(schema: NormalSchema): boolean {
  return (
    schema.properties === undefined &&
    allowsType(schema.type, 'object') &&
    schema.additionalProperties !== false
  )
}

function fromEntries(list: readonly unknown[]): Record<string, unknown> | undefined {
  const record: Record<string, unknown> = {}
  for (const entry of list) {
    if (!isRecord(entry) || typeof entry.key !== 'string' || entry.key === '__proto__' || !('value' in entry))
      return undefined
    if (Object.hasOwn(record, entry.key)) return undefined
    record[entry.key] = entry.value
  }
  return record
}

function toDate(text: string): Date | undefined {
  if (!/^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/i.test(text))
    return undefined
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? undefined : date
}

/** The first type among the candidates that the value can be read as without loss. */
function coerced(candidates: readonly NormalSchema[], value: unknown): unknown {
  for (const schema of candidates)
    for (const type of [schema.type ?? []].flat()) {
      const converted = convert(value, type as SchemaType)
      if (converted !== undefined && accepts(schema, converted)) return converted
    }
  return value
}

function convert(value: unknown, type: SchemaType): unknown {
  const text = typeof value === 'string' ? value.trim() : undefined
  if (type === 'string')
    return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
  if (type === 'null') return text === '' || text === 'null' ? null : undefined
  if (text === undefined || text === '') return undefined
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : undefined
  if (type === 'number' || type === 'integer') return Number.isFinite(Number(text)) ? Number(text) : undefined
  return fromJson(text)
}

function fromJson(text: string): unknown {
  try {
    // Model output once more: the same key must not slip in this way.
    return JSON.parse(text, (key, value) => (key === '__proto__' ? undefined : value))
  } catch {
    return undefined
  }
}

function isPlainRecord(value: object): boolean {
  const prototype = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}

function unknownKey(schemas: readonly NormalSchema[]): string {
  const known = [...new Set(schemas.flatMap((schema) => Object.keys(schema.properties ?? {})))]
  if (known.length === 0) return 'is an unknown key; no keys are taken here'
  return `is an unknown key; the known ones are ${known
    .slice(0, 20)
    .map((key) => quote(key, 64))
    .join(', ')}`
}
