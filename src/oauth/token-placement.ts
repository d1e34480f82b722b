// How a token travels to an API: RFC 6750 section 2, or what the provider wants instead (R19).
// `Authorization: Bearer` unless the provider row names another header, scheme or query parameter.
import type { Provider } from '../providers/index.ts'

/** Where the token goes in a request. */
export interface Placement {
  /** Lower case; unused when there is a `queryParam`. */
  header: string
  /** What stands before the token in the header, its space included. */
  prefix: string
  queryParam: string | undefined
  /** Used for requests that carry a form; all others carry the token as the members above say. */
  formParam: string | undefined
  /** Whether `fetch` itself drops the token on a redirect to another origin. */
  isDroppedByFetch: boolean
}

/** Reads a provider row. `accessTokenHeader` is `Name` for the bare token, `Name: Scheme` for a scheme before it. */
export function placementOf(provider: Provider | undefined): Placement {
  const [name = '', scheme = ''] = (provider?.accessTokenHeader ?? 'Authorization: Bearer')
    .split(':')
    .map((part) => part.trim())
  const header = name.toLowerCase()
  const { accessTokenQueryParam: queryParam, accessTokenFormParam: formParam } = provider ?? {}
  return {
    header,
    prefix: scheme === '' ? '' : `${scheme} `,
    queryParam,
    formParam,
    isDroppedByFetch: queryParam === undefined && formParam === undefined && header === 'authorization',
  }
}

/** Puts a token into a request, without changing what was passed in. */
export function place(
  placement: Placement,
  token: string,
  url: string,
  init: RequestInit,
): readonly [url: string, init: RequestInit] {
  const { header, prefix, queryParam, formParam } = placement
  const form = formParam === undefined ? undefined : formOf(init)
  if (formParam !== undefined && form !== undefined) {
    form.set(formParam, token)
    const headers = new Headers(init.headers)
    headers.set('content-type', 'application/x-www-form-urlencoded;charset=UTF-8')
    return [url, { ...init, headers, body: form.toString() }]
  }
  if (queryParam !== undefined) {
    const target = new URL(url)
    target.searchParams.set(queryParam, token)
    return [target.href, init]
  }
  const headers = new Headers(init.headers)
  headers.set(header, prefix + token)
  return [url, { ...init, headers }]
}

/** The form that a request carries, or may carry: RFC 6750 section 2.2 wants a single-part form and a method with a body. */
function formOf({ method = 'GET', headers, body }: RequestInit): URLSearchParams | undefined {
  if (/^(?:GET|HEAD)$/i.test(method)) return undefined
  if (body === undefined || body === null) return new URLSearchParams()
  if (body instanceof URLSearchParams) return new URLSearchParams(body)
  const type = new Headers(headers).get('content-type') ?? ''
  const isForm = /^application\/x-www-form-urlencoded[ \t]*(?:;|$)/i.test(type)
  return typeof body === 'string' && isForm ? new URLSearchParams(body) : undefined
}
