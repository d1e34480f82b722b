// Asking for tokens until a person has decided elsewhere: the rhythm of the device grant and of CIBA.
// RFC 8628 section 3.5, OpenID Connect CIBA section 11.
import { AuthorizationDeniedError, argumentError, TimeoutError, TokenEndpointError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import { isTransient } from './refresh-failure.ts'
import type { EndpointOptions } from './request-options.ts'
import type { TokenSet } from './token-set.ts'

/** Options of every grant that waits for a person. `signal` ends the waiting as well as a request. */
export interface PollingOptions extends EndpointOptions {
  /** Waiting, for simulations: resolves after that time, or when the signal aborts. Default: a timer. */
  sleep?: ((ms: number, signal: AbortSignal | undefined) => Promise<void>) | undefined
}

/** What is waited for. */
export interface Waiting {
  /** Least time between two requests, as the provider said, in seconds. */
  intervalSeconds: number
  /** When the code ends. */
  expiresAt: Date
  /** How long it lived, for words. */
  lifetimeSeconds: number
}

/** RFC 8628 section 3.5: how much slower after `slow_down`. */
const slowerMs = 5000
/** Where nothing is heard of the provider: doubled, up to this. */
const longestBackOffMs = 60_000

/** The words for "not yet"; the second is LINE's. */
const pending = new Set(['authorization_pending', 'AUTHORIZATION_PENDING'])
/** The words for "no": RFC 8628, and Microsoft's own. */
const denied = new Set(['access_denied', 'authorization_declined'])
const ended = new Set(['expired_token', 'code_expired'])

/**
 * Asks until there are tokens. Waits one interval before the first request: nobody decides at once.
 *
 * @param ask makes one token request.
 * @throws {AuthorizationDeniedError} {@link TimeoutError}; other refusals as they are; the signal's reason.
 * @throws {TypeError} `invalid_argument`: a record without its interval or its end.
 */
export async function pollForTokens(
  provider: Provider,
  waiting: Waiting,
  ask: () => Promise<TokenSet>,
  options: PollingOptions,
): Promise<TokenSet> {
  assertWaiting(waiting)
  const { now = Date.now, signal, sleep = pauseFor } = options
  const pace = new Pace(waiting.intervalSeconds * 1000)
  for (;;) {
    const leftMs = waiting.expiresAt.getTime() - now()
    await sleep(Math.max(0, Math.min(pace.nextMs, leftMs)), signal)
    signal?.throwIfAborted()
    if (leftMs <= pace.nextMs) throw tooLate(provider, waiting)
    try {
      return await ask()
    } catch (error) {
      signal?.throwIfAborted()
      pace.after(error, provider, waiting)
    }
  }
}

/** Without these numbers nothing would slow the asking down, or end it. */
function assertWaiting({ intervalSeconds, expiresAt }: Waiting): void {
  if (intervalSeconds >= 0 && !Number.isNaN(expiresAt.getTime())) return
  throw argumentError(
    'Waiting for a person needs the whole record of the request, intervalSeconds and expiresAt included: keep it as JSON.',
  )
}

/** How long to wait before the next request. */
class Pace {
  #intervalMs: number
  nextMs: number

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs
    this.nextMs = intervalMs
  }

  /** Takes what a request failed with; throws what ends the waiting. */
  after(error: unknown, provider: Provider, waiting: Waiting): void {
    if (error instanceof TokenEndpointError) this.#afterAnswer(error, provider, waiting)
    else if (isTransient(error)) this.#backOff()
    else throw error
    const asked = retryAfterOf(error)
    this.nextMs = Math.max(this.#intervalMs, (asked ?? 0) * 1000)
  }

  #afterAnswer(error: TokenEndpointError, provider: Provider, waiting: Waiting): void {
    const word = error.error
    if (pending.has(word)) return
    if (word === 'slow_down') this.#intervalMs += slowerMs
    else if (denied.has(word))
      throw new AuthorizationDeniedError(provider.id, 'access_denied', error.errorDescription, {
        cause: error,
      })
    else if (ended.has(word)) throw tooLate(provider, waiting, error)
    else if (isTransient(error)) this.#backOff()
    else throw error
  }

  /** RFC 8628 section 3.5: a connection timeout makes it slower for good. */
  #backOff(): void {
    const doubled = Math.max(1, this.#intervalMs) * 2
    this.#intervalMs = Math.max(this.#intervalMs, Math.min(longestBackOffMs, doubled))
  }
}

function retryAfterOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('retryAfterSeconds' in error)) return undefined
  return typeof error.retryAfterSeconds === 'number' ? error.retryAfterSeconds : undefined
}

function tooLate(provider: Provider, { lifetimeSeconds }: Waiting, cause?: unknown): TimeoutError {
  const seconds = Math.round(lifetimeSeconds)
  return new TimeoutError(
    `Nobody decided at ${provider.id} within the ${seconds} s that it gave. No token was issued. Start again.`,
    lifetimeSeconds * 1000,
    cause === undefined ? {} : { cause },
  )
}

/** Resolves after that time, or as soon as the signal aborts. */
function pauseFor(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, Math.min(ms, 2 ** 31 - 1))
    signal?.addEventListener('abort', end, { once: true })
    if (signal?.aborted === true) end()
  })
}
