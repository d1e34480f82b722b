// `allOf` as one schema: closed objects cannot be intersected by listing them, so their keywords are joined.
import { isDeepEqual } from './deep-equal.ts'
import { type SchemaPath, schemaUnsupported } from './schema-path.ts'

type Raw = Record<string, unknown>

const LARGER = new Set(['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties'])
const SMALLER = new Set(['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties'])
const ANNOTATIONS = new Set([
  'description',
  'title',
  'examples',
  'default',
  'deprecated',
  '$comment',
  '$id',
  '$schema',
  '$defs',
])

/**
 * The schema without `allOf`: its members' keywords and its own, joined.
 *
 * @throws {ConfigurationError} `schema_unsupported` when two members disagree.
 */
export function mergeAllOf(raw: Raw, path: SchemaPath, resolve: (ref: string) => Raw, depth = 0): Raw {
  if (!Array.isArray(raw.allOf)) return raw
  if (depth > 16) throw schemaUnsupported(path, 'is an allOf that refers to itself.')
  const { allOf, ...own } = raw
  if (allOf.length === 1 && typeof allOf[0]?.$ref === 'string' && !isRestricting(own))
    return { ...allOf[0], ...own }
  let merged: Raw = own
  for (const member of allOf) {
    if (typeof member !== 'object' || member === null)
      throw schemaUnsupported(path, 'has an allOf member that is not a schema.')
    const { $ref, ...beside } = mergeAllOf(member, path, resolve, depth + 1)
    if (typeof $ref === 'string')
      merged = join(mergeAllOf(resolve($ref), path, resolve, depth + 1), merged, path)
    merged = join(beside, merged, path)
  }
  return merged
}

// Keywords that would have to hold together with the referenced schema's own.
function isRestricting(own: Raw): boolean {
  return Object.keys(own).some((keyword) => !ANNOTATIONS.has(keyword))
}

/** Both schemas' keywords; of two annotations the second wins. */
function join(first: Raw, second: Raw, path: SchemaPath): Raw {
  const joined: Raw = { ...first }
  for (const [keyword, value] of Object.entries(second))
    joined[keyword] = keyword in first ? joinKeyword(keyword, first[keyword], value, path) : value
  return joined
}

function joinKeyword(keyword: string, first: unknown, second: unknown, path: SchemaPath): unknown {
  if (isDeepEqual(first, second) || ANNOTATIONS.has(keyword)) return second
  if (keyword === 'required') return [...new Set([...(first as string[]), ...(second as string[])])]
  if (keyword === 'properties') return joinProperties(first as Raw, second as Raw)
  if (keyword === 'additionalProperties' || keyword === 'unevaluatedProperties')
    return first === false ? first : second
  if (LARGER.has(keyword)) return Math.max(first as number, second as number)
  if (SMALLER.has(keyword)) return Math.min(first as number, second as number)
  if (keyword === 'type') return joinTypes(first, second, path)
  throw schemaUnsupported(
    path,
    `has an allOf whose members disagree about \`${keyword}\`. Write one schema instead.`,
  )
}

function joinProperties(first: Raw, second: Raw): Raw {
  const joined: Raw = { ...first }
  for (const [name, value] of Object.entries(second))
    joined[name] =
      Object.hasOwn(first, name) && !isDeepEqual(first[name], value) ? { allOf: [first[name], value] } : value
  return joined
}

function joinTypes(first: unknown, second: unknown, path: SchemaPath): unknown {
  const seconds = [second].flat()
  const both = [first].flat().filter((type) => seconds.includes(type))
  if (both.length === 0) throw schemaUnsupported(path, 'has an allOf whose members have no type in common.')
  return both.length === 1 ? both[0] : both
}
