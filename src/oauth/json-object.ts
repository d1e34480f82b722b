// Records of JSON or of a form, read by their own members only: a name in an answer reaches no prototype.
// RFC 8259 section 4.

/** A JSON object, or the fields of a form. */
export type JsonObject = Record<string, unknown>

/** Whether a value is an object and not a list. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value at a dotted path (`data.0.token`). Own members only, so that a path cannot reach a prototype. */
export function memberAt(object: JsonObject, path: string): unknown {
  if (Object.hasOwn(object, path)) return object[path]
  let value: unknown = object
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    value = (value as JsonObject)[key]
  }
  return value
}

/** Deeper than any answer goes, and far less deep than what `JSON.stringify` fails at when the answer is kept. */
const maxDepth = 100

/** The object with `true` for members that are nested too deep: they are there (an error stays one), and no more. */
export function withoutWells(object: JsonObject): JsonObject {
  const members = Object.entries(object)
  if (!members.some(([, member]) => isDeeper(member, maxDepth))) return object
  return Object.fromEntries(members.map(([name, member]) => [name, isDeeper(member, maxDepth) || member]))
}

function isDeeper(value: unknown, limit: number): boolean {
  let level = [value]
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > limit) return true
    level = level.flatMap((one) => (typeof one === 'object' && one !== null ? Object.values(one) : []))
  }
  return false
}
