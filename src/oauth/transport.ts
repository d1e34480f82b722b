// One exchange with a provider's endpoint: https only, no redirects, a time limit and a size limit.
// Redirects are never followed, because the request carries secrets (RFC 9700 section 4.12).
import {
  argumentError,
  ConfigurationError,
  InvalidResponseError,
  NetworkError,
  quote,
  TimeoutError,
  ToolgrantError,
} from '../errors.ts'
import { withoutQuery } from './quoted-url.ts'
import { defaultTimeoutMs, maxAnswerBytes, type RequestOptions } from './request-options.ts'
import { assertSecureUrl } from './secure-url.ts'
import { connectionAdvice, systemWord } from './system-word.ts'

/** An answer, read to its end. */
export interface Answer {
  status: number
  headers: Headers
  text: string
}

/** What is sent, and how errors speak of it. */
export interface Exchange {
  /** Who is asked: a provider id or an issuer, for messages. */
  who: string
  /** What for: `token`, `refresh`, `revocation`, `discovery`, for messages. */
  what: string
  url: string
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  headers: Record<string, string>
  body?: string
}

/** The reason with which our own time limit aborts: no caller's reason is ever the same object. */
const timeLimitPassed = new Error('The time limit of the exchange passed.')

/** `setTimeout` takes no more (a larger number fires at once); about 24.8 days. */
const longestTimerMs = 2 ** 31 - 1

/**
 * Sends one request and reads the whole answer, whatever its status. The time limit and the caller's signal hold
 * even when an injected `fetch` ignores its signal; whichever comes first decides the error.
 *
 * @throws {ConfigurationError} `insecure_url` for `http:` beyond loopback.
 * @throws {NetworkError} when no answer came; {@link TimeoutError} when it took too long; the signal's own reason.
 * @throws {InvalidResponseError} `redirect_refused`, `response_too_large`, `response_truncated`.
 */
export async function exchange(request: Exchange, options: RequestOptions = {}): Promise<Answer> {
  assertSecureUrl(request.url, options)
  assertNoUserInfo(request)
  const timeoutMs = timeLimit(options.timeoutMs)
  const { signal } = options
  signal?.throwIfAborted()
  const stop = new AbortController()
  const callerStops = () => stop.abort(signal?.reason)
  const timer = timeoutMs === Infinity ? undefined : setTimeout(() => stop.abort(timeLimitPassed), timeoutMs)
  signal?.addEventListener('abort', callerStops, { once: true })
  try {
    return await Promise.race([sendAndRead(request, stop.signal, options), rejectionOf(stop.signal)])
  } catch (error) {
    if (!stop.signal.aborted) throw error
    if (stop.signal.reason === timeLimitPassed) throw tooSlow(request, timeoutMs, error)
    throw stop.signal.reason
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', callerStops)
  }
}

/** `fetch` refuses such a URL too, and quotes the password in its message. */
function assertNoUserInfo({ url, who, what }: Exchange): void {
  const { username, password, host } = new URL(url)
  if (username !== '' || password !== '')
    throw new ConfigurationError(
      'provider_invalid',
      `The ${what} URL of ${who} (${quote(host)}) holds a user name or password. Take it out; the client's id and secret go into the client.`,
    )
}

function timeLimit(timeoutMs: number = defaultTimeoutMs): number {
  if (typeof timeoutMs !== 'number' || !(timeoutMs > 0))
    throw argumentError('timeoutMs must be a number of milliseconds above 0 (Infinity: no limit).')
  return timeoutMs === Infinity ? timeoutMs : Math.min(timeoutMs, longestTimerMs)
}

/** A promise that only ever rejects, when the signal aborts. The signal is ours, so nothing outlives the exchange. */
function rejectionOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

function tooSlow({ who, what }: Exchange, timeoutMs: number, error: unknown): TimeoutError {
  const message = `${who} did not answer the ${what} request within ${timeoutMs} ms (timeoutMs). Its outcome is unknown; try again later.`
  return new TimeoutError(message, timeoutMs, error === timeLimitPassed ? {} : { cause: error })
}

async function sendAndRead(request: Exchange, signal: AbortSignal, options: RequestOptions): Promise<Answer> {
  const response = await send(request, signal, options)
  return {
    status: response.status,
    headers: response.headers,
    text: await readBody(request, response, signal),
  }
}

/**
 * In a browser nobody's cookies belong in such a request, and a challenge (`WWW-Authenticate: Basic`) must not make it
 * ask the person for a password. Runtimes without cookies need not know the member: some throw when they see it.
 */
function withoutCookies(): { credentials?: 'omit' } {
  return 'credentials' in Request.prototype ? { credentials: 'omit' } : {}
}

async function send(request: Exchange, signal: AbortSignal, options: RequestOptions): Promise<Response> {
  const { url, method, headers, body, who, what } = request
  let response: Response
  try {
    response = await (options.fetch ?? globalThis.fetch)(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      redirect: 'manual',
      ...withoutCookies(),
      signal,
    })
  } catch (cause) {
    if (cause instanceof ToolgrantError) throw cause // a `fetch` of ours that says why
    const host = hostOf(url)
    const peer = who === host ? host : `${who} (${host})`
    throw new NetworkError(
      `The ${what} request to ${peer} got no answer${reasonOf(cause)}. ${connectionAdvice(systemWord(cause))}`,
      { cause: withoutQuery(cause, url) },
    )
  }
  if (response.type !== 'opaqueredirect' && (response.status < 300 || response.status > 399)) return response
  discard(response)
  throw new InvalidResponseError(
    'redirect_refused',
    `${who} answered the ${what} request with a redirect. Redirects are not followed with secrets: correct the URL ${quote(hostOf(url))} in the provider.`,
    { status: response.status },
  )
}

/** The system's word for why a connection failed (`ECONNREFUSED`, `CERT_HAS_EXPIRED`), never the message. */
function reasonOf(error: unknown): string {
  const word = systemWord(error)
  return word === undefined ? '' : ` (${word})`
}

function hostOf(url: string): string {
  return new URL(url).host
}

async function readBody(request: Exchange, response: Response, signal: AbortSignal): Promise<string> {
  if (response.body === null) return ''
  if (Number(response.headers.get('content-length') ?? 0) > maxAnswerBytes) {
    discard(response)
    throw tooLarge(request, response)
  }
  const decoder = new TextDecoder()
  let size = 0
  let text = ''
  const reader = response.body.getReader()
  const giveUp = () => reader.cancel().catch(() => {})
  signal.addEventListener('abort', giveUp, { once: true })
  for (;;) {
    const { done, value } = await nextChunk(request, response, reader)
    if (done) return text + decoder.decode()
    size += value.byteLength
    if (size > maxAnswerBytes) {
      giveUp()
      throw tooLarge(request, response)
    }
    text += decoder.decode(value, { stream: true })
  }
}

async function nextChunk(
  { who, what, url }: Exchange,
  response: Response,
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  try {
    return await reader.read()
  } catch (cause) {
    throw new InvalidResponseError(
      'response_truncated',
      `The connection to ${who} broke in the middle of its answer to the ${what} request${reasonOf(cause)}. Its outcome is unknown; try again later.`,
      { cause: withoutQuery(cause, url), status: response.status },
    )
  }
}

/** Lets the connection go without waiting for it: a peer that never ends its answer must not hold up the error. */
function discard(response: Response): void {
  response.body?.cancel().catch(() => {})
}

function tooLarge({ who, what }: Exchange, response: Response): InvalidResponseError {
  return new InvalidResponseError(
    'response_too_large',
    `${who} answered the ${what} request with more than ${maxAnswerBytes} bytes. Check the URL in the provider: this is not an OAuth answer.`,
    { status: response.status },
  )
}
