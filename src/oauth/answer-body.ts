// The body of an answer as one flat or nested record: JSON, form-encoded or XML, whatever the content type says (R8).
// RFC 6749 section 5.1 asks for JSON; what servers put around it is taken off in answer-wrapping.ts.
import { unwrapped } from './answer-wrapping.ts'
import { isXml, parseXml } from './answer-xml.ts'
import { isObject, type JsonObject, withoutWells } from './json-object.ts'

export { isObject, type JsonObject, memberAt } from './json-object.ts'

/** A body, understood. */
export interface Body {
  members: JsonObject
  form: 'json' | 'form' | 'xml'
  /** Something was around the JSON, or had to be mended in it. */
  wrapped: boolean
}

/** The record in a body. `undefined`: neither a JSON object nor a form. */
export function parseBody(text: string): JsonObject | undefined {
  return readBody(text)?.members
}

/** The record in a body, and how it was written. `undefined`: there is none. */
export function readBody(text: string): Body | undefined {
  const plain = plainText(text)
  const strict = parseJson(plain)
  if (strict !== undefined) return { members: strict, form: 'json', wrapped: !/^[ \t\r\n]*\{/.test(text) }
  if (isForm(plain)) return { members: parseForm(plain), form: 'form', wrapped: false }
  const inside = unwrapped(plain)
  if (inside !== undefined) return { members: withoutWells(inside), form: 'json', wrapped: true }
  const members = isXml(plain) ? parseXml(plain) : undefined
  return members === undefined ? undefined : { members, form: 'xml', wrapped: false }
}

/**
 * Without byte order marks, white space and null characters behind it. UTF-16 that was taken for UTF-8 has a null character beside every letter;
 * nothing that an answer may hold has one.
 */
function plainText(text: string): string {
  let end = text.length
  while (text[end - 1] === '\0') end -= 1
  const plain = text.slice(0, end).replace(/^[\ufeff\ufffd]+/, '') // `trim` takes a byte order mark off too
  const utf16 = /^\0?[\t\n\r -~]\0[\t\n\r -~]\0?/.test(plain)
  return (utf16 ? plain.replaceAll('\0', '') : plain).trim()
}

function parseJson(text: string): JsonObject | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? withoutWells(value) : undefined
  } catch {
    return undefined
  }
}

/** More fields than any form has: reading so many takes Node.js seconds. */
const mostFields = 100_000

/** A form begins with a name and `=`; pages, sentences, URLs and JSON of another kind do not. */
function isForm(text: string): boolean {
  if (!/^[?&]?[^\s<>"'{}()[\]/?#=&]+(?:\[\])?=/.test(text) || /[<>\r\n]/.test(text)) return false
  return text.split('&', mostFields + 1).length <= mostFields
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

/** What kind of thing a body is, in words for a message; nothing of the body itself. */
export function shapeOf(text: string): string {
  const plain = plainText(text)
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
