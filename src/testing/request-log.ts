// What the simulated server saw: every request, and the numbers that tests read.
import type { EndpointName } from './behaviour.ts'
import type { Exchange } from './exchange.ts'
import type { Tally } from './grants.ts'

/** One request, whole. The secrets in it are the test's own. */
export interface RecordedRequest {
  endpoint: EndpointName
  method: string
  /** Path and query. */
  url: string
  headers: Readonly<Record<string, string>>
  body: string
  /** The body's parameters, form-encoded or JSON; the query's for a GET. */
  params: Readonly<Record<string, string>>
  /** Milliseconds since 1970, the server's clock. */
  at: number
}

/** The numbers. */
export interface ServerCounts {
  /** Requests by endpoint. `token` counts every grant type; `refresh` those with `grant_type=refresh_token` once more. */
  readonly requests: Readonly<Record<EndpointName, number>>
  /** Token requests by `grant_type`. */
  readonly grants: Readonly<Record<string, number>>
  /** Refreshes that issued tokens, whether or not the answer arrived. */
  readonly refreshes: number
  /** Refresh requests that were in the house at the same time, at most. */
  readonly peakRefreshes: number
  /** A replaced refresh token was used. */
  readonly reuseViolations: number
  /** A code was used a second time. */
  readonly codesReplayed: number
}

const ENDPOINTS = [
  'authorization',
  'pushed',
  'consent',
  'token',
  'refresh',
  'revocation',
  'introspection',
  'device',
  'verification',
  'backchannel',
  'metadata',
  'jwks',
  'userinfo',
  'api',
] as const satisfies readonly EndpointName[]

/** Keeps requests and counts. */
export class RequestLog {
  #requests: RecordedRequest[] = []
  #refreshesNow = 0
  #peakRefreshes = 0

  /** Remembers a request. */
  record(exchange: Exchange, at: number): RecordedRequest {
    const headers = Object.entries(exchange.headers).map(([name, value]) => [name, String(value)])
    const { endpoint, method, url, body } = exchange
    const recorded = {
      endpoint,
      method,
      url: url.pathname + url.search,
      headers: Object.fromEntries(headers),
      body,
      params: paramsOf(exchange),
      at,
    }
    this.#requests.push(recorded)
    return recorded
  }

  /** Every request, oldest first. */
  requests(): readonly RecordedRequest[] {
    return [...this.#requests]
  }

  /** Runs one refresh and counts how many run at once. */
  async refreshing<Result>(run: () => Promise<Result>): Promise<Result> {
    this.#refreshesNow += 1
    this.#peakRefreshes = Math.max(this.#peakRefreshes, this.#refreshesNow)
    try {
      return await run()
    } finally {
      this.#refreshesNow -= 1
    }
  }

  /** The numbers so far. */
  counts(tally: Tally): ServerCounts {
    const requests = Object.fromEntries(ENDPOINTS.map((endpoint) => [endpoint, 0])) as Record<
      EndpointName,
      number
    >
    const grants: Record<string, number> = {}
    for (const { endpoint, params } of this.#requests) {
      requests[endpoint] += 1
      if (endpoint !== 'token') continue
      const grant = params['grant_type'] ?? 'none'
      grants[grant] = (grants[grant] ?? 0) + 1
      if (grant === 'refresh_token') requests.refresh += 1
    }
    return { requests, grants, peakRefreshes: this.#peakRefreshes, ...tally }
  }

  /** Starts counting anew. */
  clear(): void {
    this.#requests = []
    this.#peakRefreshes = this.#refreshesNow
  }
}

function paramsOf(exchange: Exchange): Record<string, string> {
  if (exchange.body === '') return Object.fromEntries(exchange.url.searchParams)
  if (!exchange.headers['content-type']?.includes('json'))
    return Object.fromEntries(new URLSearchParams(exchange.body))
  try {
    const entries = Object.entries(JSON.parse(exchange.body))
    return Object.fromEntries(
      entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    )
  } catch {
    return {}
  }
}
