// What a runtime says of a failed request may quote its URL: Bun names it as `path`, Deno in the message. Some providers
// want secrets in the query (R5, R19), and errors end up in logs. No RFC.
import { systemWord } from './system-word.ts'

/** How deep causes are looked at. */
const depth = 6

/**
 * The error as it is, unless it quotes the query of the URL: then another one in its place, with its name, the system's
 * code (`ECONNREFUSED`) and nothing else.
 */
export function withoutQuery(error: unknown, url: string): unknown {
  const { search } = new URL(url)
  if (search.length < 2 || !quotes(error, [search, decoded(search)], depth)) return error
  const plain = new TypeError(
    'The request failed. What the runtime said of it quotes the URL, and is left out.',
  )
  const code = systemWord(error)
  return code === undefined ? plain : Object.assign(plain, { code })
}

/** Hidden members count: `message` and `stack` are such. */
function quotes(value: unknown, texts: readonly string[], left: number): boolean {
  if (typeof value === 'string') return texts.some((text) => value.includes(text))
  if (typeof value !== 'object' || value === null || left === 0) return false
  return Object.getOwnPropertyNames(value).some((name) =>
    quotes((value as Readonly<Record<string, unknown>>)[name], texts, left - 1),
  )
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
