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
  /** Whether `fetch` itself drops the token on a redirect to another origin. */
  isDroppedByFetch: boolean
}

/** Reads a provider row. `accessTokenHeader` is `Name` for the bare token, `Name: Scheme` for a scheme before it. */
export function placementOf(provider: Provider | undefined): Placement {
  const [name = '', scheme = ''] = (provider?.accessTokenHeader ?? 'Authorization: Bearer')
    .split(':')
    .map((part) => part.trim())
  const header = name.toLowerCase()
  const queryParam = provider?.accessTokenQueryParam
  return {
    header,
    prefix: scheme === '' ? '' : `${scheme} `,
    queryParam,
    isDroppedByFetch: queryParam === undefined && header === 'authorization',
  }
}

/** Puts a token into a request, without changing what was passed in. */
export function place(
  { header, prefix, queryParam }: Placement,
  token: string,
  url: string,
  init: RequestInit,
): readonly [url: string, init: RequestInit] {
  if (queryParam !== undefined) {
    const target = new URL(url)
    target.searchParams.set(queryParam, token)
    return [target.href, init]
  }
  const headers = new Headers(init.headers)
  headers.set(header, prefix + token)
  return [url, { ...init, headers }]
}
