// The body of an answer as one flat or nested record: JSON or form-encoded, whatever the content type says (R8).
// RFC 6749 section 5.1 asks for JSON; QQ wraps it in a call, Xiaomi and others put a guard in front of it.

/** A JSON object, or the fields of a form. */
export type JsonObject = Record<string, unknown>

/** What some servers put before JSON so that a browser does not run it as a script. */
const scriptGuard = /^(?:\)\]\}',?|while\s*\(1\);?|for\s*\(;;\);?|&&&START&&&)\s*/

/** `callback({…});` */
const scriptCall = /^[\w.$]{1,60}\s*\(\s*(\{[\s\S]*\})\s*\)\s*;?$/

/** The record in a body. `undefined`: neither a JSON object nor a form. */
export function parseBody(text: string): JsonObject | undefined {
  const plain = text.trim().replace(scriptGuard, '') // `trim` takes a byte order mark off too
  const json = scriptCall.exec(plain)?.[1] ?? plain
  if (json.startsWith('{')) return parseJson(json)
  return isForm(plain) ? parseForm(plain) : undefined
}

function parseJson(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? withoutWells(value) : undefined
  } catch {
    return undefined
  }
}

/** Deeper than any answer goes, and far less deep than what `JSON.stringify` fails at when the answer is kept. */
const maxDepth = 100

/** The object with `true` for members that are nested too deep: they are there (an error stays one), and no more. */
function withoutWells(object: JsonObject): JsonObject {
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

/** A form begins with a name and `=`; pages, sentences, URLs and JSON of another kind do not. */
function isForm(text: string): boolean {
  return /^[?&]?[^\s<>"'{}()[\]/?#=&]+(?:\[\])?=/.test(text) && !/[<>\r\n]/.test(text)
}

/**
 * The fields of a form. A name that comes twice with different values is a list, so a doubled token is not a
 * token (RFC 6749 section 3.1: parameters must not repeat). An empty value counts as left out.
 */
function parseForm(text: string): JsonObject {
  const fields: JsonObject = Object.create(null)
  // Not `getAll` for each name: that looks through the whole form every time, and a hostile one has 100 000 names.
  const given = new Map<string, Set<string>>()
  for (const [name, value] of new URLSearchParams(text.replace(/^&/, ''))) {
    const values = given.get(name) ?? new Set()
    given.set(name, value === '' ? values : values.add(value))
  }
  for (const [name, values] of given) {
    const read = /token$/i.test(name) ? [...values].map(restorePlus) : [...values]
    fields[name.replace(/\[\]$/, '')] = read.length === 1 ? read[0] : read.length === 0 ? '' : read
  }
  return fields
}

/** A raw `+` decodes to a space, and no token has one: whoever sent it forgot to encode base64. */
function restorePlus(token: string): string {
  return token.replaceAll(' ', '+')
}

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

/** What kind of thing a body is, in words for a message; nothing of the body itself. */
export function shapeOf(text: string): string {
  const plain = text.trim()
  if (plain === '') return 'with an empty body'
  if (plain.startsWith('<')) return 'with an HTML or XML page'
  if (plain.startsWith('[')) return 'with a JSON list'
  if (plain.startsWith('{')) return plain.endsWith('}') ? 'with malformed JSON' : 'with JSON that is cut off'
  return 'with something that is neither JSON nor form-encoded'
}

/**
 * A few words of a page or plain text, for a person to recognise where it came from (R7). Nothing of JSON or a
 * form, which may hold a token; known secrets and anything as long as a token are taken out.
 */
export function excerptOf(text: string, withoutSecrets: (text: string) => string): string | undefined {
  const plain = text.trim()
  if (plain === '' || /^[[{"]/.test(plain) || isForm(plain)) return undefined
  const words = plain
    .slice(0, 20_000)
    .replace(/<(script|style)\b[\s\S]*?(<\/\1>|$)/gi, ' ')
    .replace(/<[^>]*(>|$)/g, ' ')
  const clean = withoutSecrets(words)
    .replace(/\S{24,}/g, '[…]')
    .replace(/[\s\p{Cc}\p{Cf}]+/gu, ' ')
    .trim()
  return clean === '' ? undefined : clean.slice(0, 200)
}
