// Answers in XML, as some gateways and Chinese platforms give them: elements without children, as one flat record.
// No document type, no entity beyond the five of XML 1.0 section 4.6: nothing is fetched and nothing expands.
import type { JsonObject } from './json-object.ts'
import { isPresent, squashed } from './member-names.ts'

/** Longer than any token answer; pages are longer. */
const longest = 20_000

/** Whether a text may be such an answer and not a page for people. */
export function isXml(text: string): boolean {
  return (
    text.length <= longest && /^<(?:\?xml\b|[A-Za-z_])/.test(text) && !/<(?:html|body|!doctype)\b/i.test(text)
  )
}

/** Elements that make a document an answer. */
const telling = new Set([
  ...['accesstoken', 'refreshtoken', 'error', 'errorcode', 'errcode', 'code', 'subcode', 'message', 'msg'],
])

/** The elements that hold text. `undefined`: none of them says anything about a token or an error. */
export function parseXml(text: string): JsonObject | undefined {
  const found = new Map<string, Set<string>>()
  const plain = text.replace(/<!\[CDATA\[([\s\S]*?)\]\]>/g, (_, inside: string) => encoded(inside))
  for (const [, name = '', value = ''] of plain.matchAll(
    /<([A-Za-z_][\w.:-]*)(?:\s[^<>]*)?>([^<>]*)<\/\1\s*>/g,
  ))
    found.set(localName(name), (found.get(localName(name)) ?? new Set()).add(decoded(value.trim())))
  if (![...found.keys()].some((name) => telling.has(squashed(name)))) return undefined
  const members: JsonObject = Object.create(null)
  for (const [name, values] of found) {
    const given = [...values].filter(isPresent)
    members[name] = given.length > 1 ? given : (given[0] ?? '')
  }
  return members
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1)
}

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }

function decoded(text: string): string {
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (whole, name: string) => entities[name] ?? whole)
}

function encoded(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
