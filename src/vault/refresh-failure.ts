// What a failed refresh says about the grant, and when to try again.
// RFC 6749 section 5.2 for the words of the provider; nothing is given up on a maybe.
import {
  ConfigurationError,
  InvalidResponseError,
  NetworkError,
  RefreshFailedError,
  TimeoutError,
  TokenEndpointError,
} from '../errors.ts'
import { isGrantDead, isTransient } from '../oauth/index.ts'

/**
 * - `dead`: the provider refused the refresh token.
 * - `ours`: the provider refused us, or something is configured wrongly; the grant may well be alive.
 * - `transient`: nothing was decided.
 * - `uncertain`: the request may have been carried out and its answer lost, a rotated refresh token with it.
 */
export type FailureKind = 'dead' | 'ours' | 'transient' | 'uncertain'

/** A failed refresh, understood. */
export interface DiagnosedFailure {
  kind: FailureKind
  /** Whether every connection at that provider would fail in the same way: it is down, or knows us no longer. */
  isProviders: boolean
  /** One word, kept on the row. */
  reason: string
  /** What the provider asked for. */
  retryAfterSeconds: number | undefined
}

/** Nothing was sent, and nothing is wrong with the connection: it is left to others, or to later. */
export class Postponed extends RefreshFailedError {
  /** When another process's lease ends unless it is extended, in milliseconds from now; absent when no lease is in the way. */
  declare readonly leaseLeftMs: number | undefined

  constructor(
    message: string,
    options: ConstructorParameters<typeof RefreshFailedError>[1] & { leaseLeftMs?: number },
  ) {
    super(message, options)
    // Not for those who get it as an error.
    Object.defineProperty(this, 'leaseLeftMs', { value: options.leaseLeftMs, enumerable: false })
  }
}

const reasons: Readonly<Record<FailureKind, string>> = {
  dead: 'refused',
  ours: 'client_refused',
  transient: 'provider_unavailable',
  uncertain: 'no_answer',
}

/** Failures before the request was sent: DNS, no connection, no TLS. */
const neverSent =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENETDOWN|UND_ERR_CONNECT_TIMEOUT|CERT_.*|.*_CERT.*|ERR_TLS_.*|ERR_SSL_.*)$/

/** Sorts what a refresh threw. */
export function diagnose(error: unknown): DiagnosedFailure {
  const kind = kindOf(error)
  const retryAfterSeconds =
    error instanceof TokenEndpointError || error instanceof InvalidResponseError
      ? error.retryAfterSeconds
      : undefined
  const isProviders = kind === 'transient' || kind === 'uncertain' || isAboutUs(error)
  return { kind, reason: reasons[kind], isProviders, retryAfterSeconds }
}

/** The same of a failure that came before anything was sent: then there is nothing uncertain about it. */
export function diagnoseUnsent(error: unknown): DiagnosedFailure {
  const found = diagnose(error)
  return found.kind === 'uncertain' ? { ...found, kind: 'transient', reason: reasons.transient } : found
}

/** RFC 6749 section 5.2: `invalid_client` may come with 401; and what is configured is the same for all. */
function isAboutUs(error: unknown): boolean {
  if (error instanceof ConfigurationError) return true
  const words = ['invalid_client', 'unauthorized_client']
  return error instanceof TokenEndpointError && (error.status === 401 || words.includes(error.error))
}

/** A gateway that got no answer itself (RFC 9110 sections 15.6.3 and 15.6.5) does not know what the server behind it did. */
function isFromGateway(status: number | undefined): boolean {
  return status === 502 || status === 504
}

function kindOf(error: unknown): FailureKind {
  if (error instanceof TokenEndpointError) {
    if (isTransient(error)) return isFromGateway(error.status) ? 'uncertain' : 'transient'
    return isGrantDead(error) ? 'dead' : 'ours'
  }
  if (error instanceof InvalidResponseError) {
    if (error.code === 'redirect_refused') return 'ours'
    const carriedOut = error.status === undefined || (error.status >= 200 && error.status <= 299)
    return carriedOut || isFromGateway(error.status) ? 'uncertain' : 'transient'
  }
  if (error instanceof NetworkError) return wasSent(error) ? 'uncertain' : 'transient'
  if (error instanceof ConfigurationError)
    return error.cause instanceof NetworkError || error.cause instanceof TimeoutError ? 'transient' : 'ours'
  if (error instanceof RefreshFailedError) return 'ours'
  return 'uncertain'
}

function wasSent(error: unknown): boolean {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 6; at = at.cause, depth += 1)
    if ('code' in at && typeof at.code === 'string' && neverSent.test(at.code)) return false
  return true
}

const firstMs = 1000
const longestMs = 5 * 60_000
const longestAskedMs = 24 * 60 * 60_000

/**
 * For how long the provider is to be left alone yet, in milliseconds. More than is ever asked for was written down
 * before the clock went back: that counts as nothing.
 */
export function pauseLeftMs(retryAt: number | null, now: number): number {
  const leftMs = (retryAt ?? now) - now
  return leftMs > longestAskedMs + longestMs ? 0 : Math.max(0, leftMs)
}

/**
 * How long to leave the provider alone when `failures` attempts in a row had failed before this one: full jitter up to
 * a doubling limit of at most 5 minutes, on top of what the provider asked for (up to a day).
 */
export function backOffMs(
  failures: number,
  retryAfterSeconds: number | undefined,
  random: () => number,
): number {
  const limit = Math.min(longestMs, firstMs * 2 ** Math.min(failures, 20))
  const asked = Math.min(longestAskedMs, (retryAfterSeconds ?? 0) * 1000)
  return Math.ceil(asked + random() * limit)
}
