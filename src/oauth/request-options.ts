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

/** Default time limit of one exchange with a provider, in milliseconds. */
export const defaultTimeoutMs = 30_000

/** Size limit of a token, metadata or revocation answer, in bytes. */
export const maxAnswerBytes = 1024 * 1024
