// Where the parameters of a callback are: in the query, the fragment, a posted body, or the text that a person copied.
// RFC 6749 sections 4.1.2 and 4.2.2, OAuth 2.0 Form Post Response Mode, JARM section 2.3.
import { CallbackError } from '../errors.ts'
import type { PendingAuthorization } from './pending-authorization.ts'

/**
 * A callback: the whole redirected URL (fragment and all), its query, or its parameters. The body of a posted answer
 * (`form_post`) is parameters as well.
 */
export type Callback = string | URL | URLSearchParams

interface Places {
  query: URLSearchParams
  fragment: URLSearchParams
}

const nothing = new URLSearchParams()

/** Those of one answer are in one place: the fragment where that was asked for, else the query. */
export function callbackParameters(
  callback: Callback,
  pending: Pick<PendingAuthorization, 'responseMode' | 'responseType'>,
): URLSearchParams {
  const { query, fragment } = placesOf(callback)
  return answersInFragment(pending) && isAnswer(fragment) ? fragment : query
}

/** What {@link callbackParameters} would find in the URL itself, where logs and histories keep it. */
export function isInQuery(callback: Callback, pending: PendingAuthorization): boolean {
  return !(callback instanceof URLSearchParams) && !isAnswer(placesOf(callback).fragment)
    ? answersInFragment(pending)
    : false
}

/** OAuth 2.0 Multiple Response Types section 5: whatever answers with a token does so in the fragment. */
export function answersInFragment({
  responseMode,
  responseType = 'code',
}: Pick<PendingAuthorization, 'responseMode' | 'responseType'>): boolean {
  if (responseMode === undefined || responseMode === 'jwt') return responseType !== 'code'
  return responseMode === 'fragment' || responseMode === 'fragment.jwt'
}

/** The one state of an answer, wherever it is; `undefined`: none, an empty one, or two. */
export function stateOf(callback: Callback): string | undefined {
  const { query, fragment } = placesOf(callback)
  const parameters = isAnswer(query) ? query : fragment
  const response = parameters.getAll('response')
  if (response.length > 0) return response.length === 1 ? stateIn(response[0] ?? '') : undefined
  const states = parameters.getAll('state')
  return states.length === 1 && states[0] !== '' ? states[0] : undefined
}

function isAnswer(parameters: URLSearchParams): boolean {
  return ['state', 'response', 'code', 'error', 'access_token'].some((name) => parameters.has(name))
}

/** The state that a JWT says, nothing checked. */
function stateIn(jwt: string): string | undefined {
  try {
    const payload = atob((jwt.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/'))
    const bytes = Uint8Array.from(payload, (character) => character.charCodeAt(0))
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes))
    const state =
      typeof claims === 'object' && claims !== null && 'state' in claims ? claims.state : undefined
    return typeof state === 'string' && state !== '' ? state : undefined
  } catch {
    return undefined
  }
}

function placesOf(callback: Callback): Places {
  if (callback instanceof URLSearchParams) return { query: callback, fragment: nothing }
  if (callback instanceof URL) return placesOfUrl(callback)
  const text = asCopied(callback)
  if (URL.canParse(text)) return placesOfUrl(new URL(text))
  const mark = text.indexOf('#') // Facebook ends every callback with `#_=_`
  const before = mark < 0 ? text : text.slice(0, mark)
  const fragment = mark < 0 ? nothing : new URLSearchParams(text.slice(mark + 1))
  const query = before.slice(before.indexOf('?') + 1)
  if (query.includes('=')) return { query: new URLSearchParams(query), fragment }
  if (isAnswer(fragment)) return { query: nothing, fragment }
  const [, code, state] = /^([^\s#]{4,})#([^\s#]{8,})$/.exec(text) ?? [] // as Anthropic's page shows it, to be copied
  if (code !== undefined && state !== undefined)
    return { query: new URLSearchParams({ code, state }), fragment: nothing }
  throw new CallbackError(
    'callback_invalid',
    'This is not a redirected URL: it has no parameters. Paste the whole address, from http to the end.',
  )
}

function placesOfUrl({ searchParams, hash }: URL): Places {
  return { query: searchParams, fragment: hash === '' ? nothing : new URLSearchParams(hash.slice(1)) }
}

/**
 * Text without what copying does to it: white space and quotes around, line breaks in the middle, `&amp;` from a page's
 * source, and a whole address encoded once more (it has no `=` of its own then). What it says stays the same.
 */
function asCopied(text: string): string {
  const lines = text.split(/[\r\n]+/).map((line) => line.trim())
  const plain = unquoted(lines.join('')).replace(/&(?:amp|#38|#x26);(?=[a-z_]+=)/gi, '&')
  return plain.includes('=') ? plain : decodedOnce(plain)
}

/** Without the quotes around it. A loop, because a pattern for the last ones tries every one before them. */
function unquoted(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && `"'<\``.includes(text[start] ?? '')) start += 1
  while (end > start && `"'>\``.includes(text[end - 1] ?? '')) end -= 1
  return text.slice(start, end)
}

function decodedOnce(text: string): string {
  if (!/%3D/i.test(text)) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
