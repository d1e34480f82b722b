// A `fetch` over a token source: adds the token, renews it, repeats a refused request once.
// RFC 6750 (bearer tokens). What requests-oauthlib calls OAuth2Session.
import { argumentError, quote, RequestRefusedError, TokenExpiredError, UnauthorizedError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import { ApiFence } from './api-fence.ts'
import { plainTokens } from './refresh.ts'
import { TokenSet } from './token-set.ts'
import type { TokenSource } from './token-source.ts'

/** Options of {@link Session}. */
export interface SessionOptions {
  /** Gives `apiBaseUrl`, `apiHosts`, token placement and API headers in one. */
  provider?: Provider | undefined
  /** Base of relative URLs; its path is kept (`/users` -> `<base>/users`). Default: the provider's. */
  apiBaseUrl?: string | undefined
  /**
   * Hosts that may receive the token, besides that of `apiBaseUrl`; `*.example.com` covers subdomains.
   * Default: the provider's. Without a base or hosts every https host may (and loopback).
   */
  apiHosts?: readonly string[] | undefined
  /** Replaces the global `fetch`. */
  fetch?: typeof fetch | undefined
  /** Seconds that a token must still be valid to be sent. Default: the token source's own leeway. */
  leewaySeconds?: number | undefined
  /** What to do with a final 401: throw {@link UnauthorizedError} (default) or return the response like plain `fetch`. */
  unauthorized?: 'throw' | 'return' | undefined
}

/** `RequestInit`, and whether to leave the token out. */
export interface SessionRequestInit extends RequestInit {
  /** `true`: send this request without the token. The host rules hold all the same. */
  withholdToken?: boolean | undefined
}

/** How a token travels to an API: RFC 6750 section 2.1, or what the provider wants instead. */
interface Placement {
  header: string
  prefix: string
  queryParam: string | undefined
}

/**
 * An authorised `fetch`. Everything plain `fetch` takes and gives works the same, streaming bodies included;
 * time limits are those of `fetch` and of the `signal` you pass.
 *
 * - An expired token is renewed first, if the source can; otherwise {@link TokenExpiredError} before anything is sent.
 * - A 401 renews once and repeats once, when the body can be sent again (not a stream).
 * - The token goes to the allowed hosts only, and never along to another origin by redirect.
 */
export class Session {
  readonly #source: TokenSource
  readonly #placement: Placement
  readonly #fence: ApiFence
  readonly #apiHeaders: readonly (readonly [string, string])[]
  readonly #send: typeof fetch | undefined
  readonly #leewaySeconds: number | undefined
  readonly #throwUnauthorized: boolean

  /** @param source whoever produces tokens; a plain token set works until it expires. */
  constructor(source: TokenSource | TokenSet, options: SessionOptions = {}) {
    assertTokenSource(source)
    this.#source = source instanceof TokenSet ? plainTokens(source) : source
    this.#placement = placementOf(options.provider)
    this.#fence = new ApiFence(
      options.apiBaseUrl ?? options.provider?.apiBaseUrl,
      options.apiHosts ?? options.provider?.apiHosts,
      options.provider?.id,
    )
    this.#apiHeaders = Object.entries(options.provider?.apiHeaders ?? {})
    this.#send = options.fetch
    this.#leewaySeconds = options.leewaySeconds
    this.#throwUnauthorized = options.unauthorized !== 'return'
  }

  /**
   * Like `fetch`, with the token. Bound: it can be handed on as a function.
   *
   * @throws {RequestRefusedError} `host_not_allowed`: the token must not go there; nothing was sent.
   * @throws {UnauthorizedError} a 401 that renewing could not mend.
   * @throws what {@link TokenSource.token} throws; `TypeError` as `fetch` does.
   */
  readonly fetch = async (input: string | URL | Request, init?: SessionRequestInit): Promise<Response> => {
    const target = this.#fence.resolve(input)
    if (init?.withholdToken === true) return this.#sendPlain(target, init)
    const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined)
    const wanted = this.#source.token(this.#request(signal))
    const tokens = wanted instanceof TokenSet ? wanted : await wanted
    const again = replayable(input, init) ? target : undefined
    const response = await this.#sendWith(tokens, target, init)
    if (response.status !== 401) return response
    return this.#afterUnauthorized(response, tokens, again, init, signal)
  }

  #request(
    signal: AbortSignal | null | undefined,
  ): { signal?: AbortSignal; validForSeconds?: number } | undefined {
    if (!signal && this.#leewaySeconds === undefined) return undefined
    return {
      ...(signal ? { signal } : {}),
      ...(this.#leewaySeconds === undefined ? {} : { validForSeconds: this.#leewaySeconds }),
    }
  }

  /** Renews once and repeats once; a refusal for want of scope is not mended by a new token (RFC 6750 section 3.1). */
  async #afterUnauthorized(
    response: Response,
    tokens: TokenSet,
    target: string | Request | undefined,
    init: SessionRequestInit | undefined,
    signal: AbortSignal | null | undefined,
  ): Promise<Response> {
    if (/error="?insufficient_scope/i.test(response.headers.get('www-authenticate') ?? ''))
      return this.#final(response, 'The token lacks a scope for this request')
    let fresh: TokenSet
    try {
      fresh = await this.#source.token({ rejected: tokens.accessToken, ...(signal ? { signal } : {}) })
    } catch (error) {
      if (error instanceof TokenExpiredError)
        return this.#final(response, 'The API refused the token, and it cannot be renewed here', error)
      await response.body?.cancel().catch(() => {})
      throw error
    }
    if (target === undefined)
      return this.#final(
        response,
        'The API refused the token; it is renewed now, but a streamed body cannot be sent twice: repeat the call',
      )
    await response.body?.cancel().catch(() => {})
    const second = await this.#sendWith(fresh, target, init)
    return second.status === 401
      ? this.#final(second, 'The API refuses a token that was renewed just now')
      : second
  }

  #final(response: Response, reason: string, cause?: unknown): Response {
    if (!this.#throwUnauthorized) return response
    throw new UnauthorizedError(
      `${reason} (HTTP 401). Check the scopes and the account that is connected.`,
      response,
      { cause },
    )
  }

  #sendPlain(target: string | Request, init: SessionRequestInit): Promise<Response> {
    const { withholdToken: _, ...rest } = init
    return (this.#send ?? globalThis.fetch)(target, rest)
  }

  #sendWith(
    tokens: TokenSet,
    target: string | Request,
    init: SessionRequestInit | undefined,
  ): Promise<Response> {
    const send = this.#send ?? globalThis.fetch
    const { header, prefix, queryParam } = this.#placement
    const headers = this.#headers(
      target,
      init,
      queryParam === undefined ? header : undefined,
      prefix + tokens.accessToken,
    )
    // `fetch` drops `Authorization` on a cross-origin redirect by itself, and nothing else.
    if (queryParam === undefined && header === 'authorization') return send(target, { ...init, headers })
    const placed = queryParam === undefined ? target : withQuery(target, queryParam, tokens.accessToken)
    return this.#withoutLeavingOrigin(send, placed, { ...init, headers })
  }

  #headers(
    target: string | Request,
    init: RequestInit | undefined,
    name: string | undefined,
    value: string,
  ): HeadersInit {
    const given = init?.headers ?? (typeof target === 'string' ? undefined : target.headers)
    if (given === undefined && this.#apiHeaders.length === 0 && name !== undefined) return { [name]: value }
    const headers = new Headers(given)
    for (const [key, text] of this.#apiHeaders) if (!headers.has(key)) headers.set(key, text)
    if (name !== undefined) headers.set(name, value)
    return headers
  }

  /** Follows redirects for tokens that `fetch` would carry along: within one origin, and only for GET and HEAD. */
  async #withoutLeavingOrigin(
    send: typeof fetch,
    target: string | Request,
    init: RequestInit,
  ): Promise<Response> {
    let at = typeof target === 'string' ? target : target.url
    let response = await send(target, { ...init, redirect: 'manual' })
    for (let hops = 0; isRedirect(response) && init.redirect !== 'manual'; hops += 1) {
      const next = new URL(response.headers.get('location') ?? '', at)
      const method = init.method ?? (typeof target === 'string' ? 'GET' : target.method)
      if (next.origin !== new URL(at).origin || hops >= 5 || !/^(get|head)$/i.test(method))
        throw refusedRedirect(next)
      await response.body?.cancel().catch(() => {})
      at = next.href
      response = await send(at, { ...init, redirect: 'manual' })
    }
    return response
  }
}

function placementOf(provider: Provider | undefined): Placement {
  const [name, scheme] = (provider?.accessTokenHeader ?? 'Authorization: Bearer')
    .split(':')
    .map((part) => part.trim())
  return {
    header: (name ?? 'authorization').toLowerCase(),
    prefix: scheme === undefined || scheme === '' ? '' : `${scheme} `,
    queryParam: provider?.accessTokenQueryParam,
  }
}

function withQuery(target: string | Request, name: string, value: string): string | Request {
  const url = new URL(typeof target === 'string' ? target : target.url)
  url.searchParams.set(name, value)
  return typeof target === 'string' ? url.href : new Request(url, target)
}

function isRedirect(response: Response): boolean {
  return [301, 302, 303, 307, 308].includes(response.status) && response.headers.has('location')
}

function refusedRedirect(next: URL): RequestRefusedError {
  return new RequestRefusedError(
    'cross_origin_redirect',
    `The API redirects to ${quote(next.host)}; the token does not go along. Call that URL itself if it is the provider's.`,
  )
}

/** Whether the body can be sent a second time: everything but a stream, and a Request that has one. */
function replayable(input: string | URL | Request, init: RequestInit | undefined): boolean {
  const body = init?.body ?? (input instanceof Request ? input.body : undefined)
  return !(body instanceof ReadableStream) && !isAsyncIterable(body)
}

function isAsyncIterable(body: unknown): boolean {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body && !(body instanceof Blob)
}

/** Guards against `new Session({ accessToken })`: plain objects have to become a TokenSet first. */
function assertTokenSource(source: unknown): asserts source is TokenSource | TokenSet {
  const usable =
    source instanceof TokenSet || typeof (source as TokenSource | undefined)?.token === 'function'
  if (!usable)
    throw argumentError('A Session needs a TokenSet (new TokenSet({ accessToken })) or a TokenSource.')
}
