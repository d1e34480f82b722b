// Following redirects where `fetch` itself would do it wrong: it would carry the token along (every placement but
// `Authorization`), or send a proof that is for another URL (DPoP).
// Fetch standard, HTTP-redirect fetch; the token stays within the origin it was sent to (RFC 6750 section 5.2).
import { quote, RequestRefusedError } from '../errors.ts'

/** One request on its way through redirects. */
export interface Travelling {
  url: string
  init: RequestInit
  /** Sends with the token, to the origin it belongs to. Does not follow redirects. */
  sendAuthorised: (url: string, init: RequestInit) => Promise<Response>
  /** The token itself, to recognise it in a `Location`. */
  token: string
}

const redirectLimit = 20

/**
 * Sends a request and follows its redirects as `fetch` does. From the first one to another origin on, the token and
 * the caller's own `Authorization` and `Cookie` stay behind.
 *
 * @param answer to the first request, when that was sent already.
 * @throws {RequestRefusedError} `cross_origin_redirect` when the other origin would read the token in the URL, or
 *   when the runtime hides where a redirect leads (browsers).
 * @throws {TypeError} as `fetch`: too many redirects, no URL, or a streamed body that cannot be sent again.
 */
export async function followRedirects(
  send: typeof fetch,
  first: Travelling,
  answer?: Response,
): Promise<Response> {
  let { url, init } = first
  let authorised = true
  for (let hops = 0; ; hops += 1) {
    const request: RequestInit = { ...init, redirect: 'manual' }
    const sending = authorised ? first.sendAuthorised : send
    const response: Response = (hops === 0 && answer) || (await sending(url, request))
    const location = redirectTarget(response, url)
    if (location === undefined) return response
    discardBody(response)
    if (hops >= redirectLimit) throw new TypeError(`The API redirected more than ${redirectLimit} times.`)
    const leaves: boolean = location.origin !== new URL(url).origin
    if (leaves && shows(location, first.token)) throw refusedRedirect(location)
    init = nextInit(init, response.status, leaves)
    authorised &&= !leaves
    url = location.href
  }
}

/** Whether a URL has the token in it, percent-encoded or not. */
function shows({ href }: URL, token: string): boolean {
  const decoded = href.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return href.includes(token) || decoded.includes(token)
}

function redirectTarget(response: Response, from: string): URL | undefined {
  if (response.type === 'opaqueredirect') throw refusedRedirect(undefined)
  const location = response.headers.get('location')
  if (location === null || !isRedirect(response)) return undefined
  const url = new URL(location, from)
  if (url.protocol === 'https:' || url.protocol === 'http:') return url
  throw new TypeError(`The API redirected to a ${url.protocol} URL.`)
}

/** What the next request repeats of this one: 303, and 301 or 302 after a POST, turn into a GET without a body. */
function nextInit(init: RequestInit, status: number, leavesOrigin: boolean): RequestInit {
  const method = (init.method ?? 'GET').toUpperCase()
  const toGet = status === 303 ? !/^(GET|HEAD)$/.test(method) : status < 303 && method === 'POST'
  const headers = new Headers(init.headers)
  if (leavesOrigin)
    for (const name of ['authorization', 'cookie', 'dpop', 'proxy-authorization']) headers.delete(name)
  if (toGet) {
    for (const name of [...headers.keys()]) if (name.startsWith('content-')) headers.delete(name)
    const { body: _, ...rest } = init
    return { ...rest, method: 'GET', headers }
  }
  if (!isReplayable(init.body))
    throw new TypeError('The API redirects a request whose streamed body cannot be sent twice.')
  return { ...init, headers }
}

function refusedRedirect(next: URL | undefined): RequestRefusedError {
  const where = next === undefined ? 'to a place that this runtime hides' : `to ${quote(next.host)}`
  return new RequestRefusedError(
    'cross_origin_redirect',
    `The API redirects ${where}; the token does not go along. Call that URL itself if it is the provider's.`,
  )
}

/** Whether an answer may lead elsewhere; in browsers one that is opaque does. */
export function isRedirect({ status, type }: Response): boolean {
  return type === 'opaqueredirect' || [301, 302, 303, 307, 308].includes(status)
}

/** Whether a body can be sent a second time: everything but a stream. */
export function isReplayable(body: unknown): boolean {
  if (typeof body !== 'object' || body === null || body instanceof Blob) return true
  return !(body instanceof ReadableStream) && !(Symbol.asyncIterator in body)
}

/** Frees the connection of an answer that nobody reads, without waiting for it. */
export function discardBody(response: Response): void {
  response.body?.cancel().catch(() => {})
}
