// One exchange with a provider's endpoint: https only, no redirects, a time limit and a size limit.
// Redirects are never followed, because the request carries secrets (RFC 9700 section 4.12).
import {
  argumentError,
  ConfigurationError,
  InvalidResponseError,
  NetworkError,
  quote,
  TimeoutError,
} from '../errors.ts'
import { hostKind } from '../providers/index.ts'
import { defaultTimeoutMs, maxAnswerBytes, type RequestOptions } from './request-options.ts'

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
  method: 'GET' | 'POST'
  headers: Record<string, string>
  body?: string
}

/**
 * Sends one request and reads the whole answer, whatever its status.
 *
 * @throws {ConfigurationError} `insecure_url` for `http:` beyond loopback.
 * @throws {NetworkError} when no answer came; {@link TimeoutError} when it took too long.
 * @throws {InvalidResponseError} `redirect_refused`, `response_too_large`, `response_truncated`.
 */
export async function exchange(request: Exchange, options: RequestOptions = {}): Promise<Answer> {
  assertSecureUrl(request.url, options)
  options.signal?.throwIfAborted()
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(), timeoutMs)
  const signal = options.signal === undefined ? limit.signal : AbortSignal.any([options.signal, limit.signal])
  try {
    const response = await send(request, signal, options)
    return { status: response.status, headers: response.headers, text: await readBody(request, response) }
  } catch (error) {
    options.signal?.throwIfAborted()
    if (limit.signal.aborted) throw tooSlow(request, timeoutMs, error)
    throw error
  } finally {
    clearTimeout(timer)
  }
}

function tooSlow({ who, what }: Exchange, timeoutMs: number, cause: unknown): TimeoutError {
  const message = `${who} did not answer the ${what} request within ${timeoutMs} ms (timeoutMs). Its outcome is unknown; try again later.`
  return new TimeoutError(message, timeoutMs, { cause })
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
      signal,
    })
  } catch (cause) {
    if (signal.aborted) throw cause
    throw new NetworkError(
      `The ${what} request to ${who} (${hostOf(url)}) got no answer${reasonOf(cause)}.`,
      { cause },
    )
  }
  if (response.type !== 'opaqueredirect' && (response.status < 300 || response.status > 399)) return response
  await response.body?.cancel().catch(() => {})
  throw new InvalidResponseError(
    'redirect_refused',
    `${who} answered the ${what} request with a redirect. Redirects are not followed with secrets: correct the URL ${quote(hostOf(url))} in the provider.`,
    { status: response.status },
  )
}

/** The system's word for why a connection failed (`ECONNREFUSED`, `CERT_HAS_EXPIRED`), never the message. */
function reasonOf(error: unknown): string {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    const code = 'code' in at ? at.code : undefined
    if (typeof code === 'string' && /^[A-Z0-9_]{2,60}$/.test(code)) return ` (${code})`
  }
  return ''
}

function hostOf(url: string): string {
  return new URL(url).host
}

async function readBody(request: Exchange, response: Response): Promise<string> {
  if (response.body === null) return ''
  const declared = Number(response.headers.get('content-length') ?? 0)
  if (declared > maxAnswerBytes) throw await tooLarge(request, response)
  const decoder = new TextDecoder()
  let size = 0
  let text = ''
  const reader = response.body.getReader()
  for (;;) {
    const { done, value } = await nextChunk(request, response, reader)
    if (done) return text + decoder.decode()
    size += value.byteLength
    if (size > maxAnswerBytes) {
      await reader.cancel().catch(() => {})
      throw await tooLarge(request, response)
    }
    text += decoder.decode(value, { stream: true })
  }
}

async function nextChunk(
  { who, what }: Exchange,
  response: Response,
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  try {
    return await reader.read()
  } catch (cause) {
    throw new InvalidResponseError(
      'response_truncated',
      `The connection to ${who} broke in the middle of its answer to the ${what} request${reasonOf(cause)}. Its outcome is unknown; try again later.`,
      { cause, status: response.status },
    )
  }
}

async function tooLarge({ who, what }: Exchange, response: Response): Promise<InvalidResponseError> {
  if (!response.body?.locked) await response.body?.cancel().catch(() => {})
  return new InvalidResponseError(
    'response_too_large',
    `${who} answered the ${what} request with more than ${maxAnswerBytes} bytes. Check the URL in the provider: this is not an OAuth answer.`,
    { status: response.status },
  )
}

/**
 * Refuses a URL that would carry secrets in the clear (RFC 6749 section 3.2: TLS is required).
 * Loopback is exempt (RFC 8252 section 8.3).
 *
 * @throws {ConfigurationError} `insecure_url`.
 */
export function assertSecureUrl(
  url: string,
  options: Pick<RequestOptions, 'allowInsecureRequests'> = {},
): void {
  if (!URL.canParse(url)) throw argumentError(`${quote(url)} is not an absolute URL.`)
  const { protocol, hostname } = new URL(url)
  if (protocol === 'https:') return
  if (protocol === 'http:' && (hostKind(hostname) === 'loopback' || options.allowInsecureRequests === true))
    return
  throw new ConfigurationError(
    'insecure_url',
    `${quote(`${protocol}//${hostname}`)} is not safe for secrets: use https (http is accepted on loopback only).`,
  )
}
