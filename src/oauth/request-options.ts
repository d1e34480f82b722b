// What every function that talks to a provider takes: how to stop it, how long to wait, what to send with.
// Insecure transport is opt-in by call (RFC 6749 section 3.2 demands TLS).

/** Options of every function that makes a network request. */
export interface RequestOptions {
  /** Replaces the global `fetch`: proxies, certificates, tests. Default: `globalThis.fetch` at the time of the call. */
  fetch?: typeof fetch | undefined
  /** Stops the request; the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Time limit for the whole exchange, body included, in milliseconds. Default 30 000. */
  timeoutMs?: number | undefined
  /** The clock, in milliseconds since 1970. Default `Date.now`. */
  now?: (() => number) | undefined
  /** Lets `http:` URLs beyond loopback through. For test networks only: secrets travel in the clear. Default `false`. */
  allowInsecureRequests?: boolean | undefined
}

/** Further parameters of a request. A list sends its name once for each value (`resource`, RFC 8707 section 2). */
export type ExtraParams = Readonly<Record<string, string | readonly string[]>>

/** Options of every request to an endpoint at which the client says who it is. */
export interface EndpointOptions extends RequestOptions {
  /** Further body parameters, over those of the provider row. They never replace the request's own. */
  extraParams?: ExtraParams | undefined
  /** Further headers, over the provider's `tokenRequestHeaders`. `authorization` is the client authentication's. */
  extraHeaders?: Readonly<Record<string, string>> | undefined
}

/** Records of parameters as one list: a later record wins over an earlier one, name by name. */
export function parametersOf(...records: readonly (ExtraParams | undefined)[]): URLSearchParams {
  const merged = Object.entries(Object.assign({}, ...records) as ExtraParams)
  return new URLSearchParams(merged.flatMap(([name, value]) => [value].flat().map((one) => [name, one])))
}

/** Default time limit of one exchange with a provider, in milliseconds. */
export const defaultTimeoutMs = 30_000

/** Size limit of a token, metadata or revocation answer, in bytes. */
export const maxAnswerBytes = 1024 * 1024
