// A `fetch` over a token source: adds the token, renews it, repeats a refused request once.
// RFC 6750 (bearer tokens). What requests-oauthlib calls OAuth2Session.
import { argumentError, TokenExpiredError, UnauthorizedError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import { ApiFence } from './api-fence.ts'
import { followRedirects } from './redirects.ts'
import { plainTokens } from './refreshing-tokens.ts'
import { type Placement, place, placementOf } from './token-placement.ts'
import { TokenSet } from './token-set.ts'
import type { TokenRequest, TokenSource } from './token-source.ts'

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
  /** Replaces the global `fetch`. It must drop `Authorization` on a redirect to another origin, as `fetch` does. */
  fetch?: typeof fetch | undefined
  /** Seconds that a token must still be valid to be sent. Default: the token source's own leeway. */
  leewaySeconds?: number | undefined
  /** What to do with a final 401: throw {@link UnauthorizedError} (default) or return the response like plain `fetch`. */
  unauthorized?: 'throw' | 'return' | undefined
  /** The clock for a plain token set, in milliseconds since 1970. Default `Date.now`. A token source has its own. */
  now?: (() => number) | undefined
  /** Lets `http:` URLs beyond loopback through. For test networks only: tokens travel in the clear. Default `false`. */
  allowInsecureRequests?: boolean | undefined
}

/** `RequestInit`, and whether to leave the token out. */
export interface SessionRequestInit extends RequestInit {
  /** `true`: send this request without the token. The host rules hold all the same. */
  withholdToken?: boolean | undefined
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
    this.#source = source instanceof TokenSet ? plainTokens(source, options.now) : source
    this.#placement = placementOf(options.provider)
    this.#fence = new ApiFence({
      apiBaseUrl: options.apiBaseUrl ?? options.provider?.apiBaseUrl,
      apiHosts: options.apiHosts ?? options.provider?.apiHosts,
      who: options.provider?.id,
      allowInsecureRequests: options.allowInsecureRequests,
    })
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
    const wanted = this.#source.token(this.#tokenRequest(target, init))
    const tokens = wanted instanceof TokenSet ? wanted : await wanted
    const response = await this.#sendWith(tokens, target, init)
    return response.status === 401 ? this.#afterUnauthorized(response, tokens, target, init) : response
  }

  #tokenRequest(target: string | Request, init: RequestInit | undefined): TokenRequest | undefined {
    const signal = init?.signal ?? (typeof target === 'string' ? undefined : target.signal)
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
    target: string | Request,
    init: SessionRequestInit | undefined,
  ): Promise<Response> {
    if (cameFromElsewhere(response, target)) return response
    if (/error="?insufficient_scope/i.test(response.headers.get('www-authenticate') ?? ''))
      return this.#final(response, 'The token lacks a scope for this request')
    let fresh: TokenSet
    try {
      const request = this.#tokenRequest(target, init)
      fresh = await this.#source.token({ ...request, rejected: tokens.accessToken })
    } catch (error) {
      if (error instanceof TokenExpiredError)
        return this.#final(response, 'The API refused the token, and it cannot be renewed here', error)
      discard(response)
      throw error
    }
    if (!isReplayable(target, init))
      return this.#final(
        response,
        'The API refused the token; it is renewed now, but a streamed body cannot be sent twice: repeat the call',
      )
    discard(response)
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
      cause === undefined ? {} : { cause },
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
    if (!this.#placement.isDroppedByFetch) return this.#sendPlaced(tokens.accessToken, target, init)
    const send = this.#send ?? globalThis.fetch
    const authorization = this.#placement.prefix + tokens.accessToken
    const given = init?.headers ?? (typeof target === 'string' ? undefined : target.headers)
    const headers = this.#withApiHeaders(given)
    if (headers === undefined) return send(target, { ...init, headers: { authorization } })
    headers.set('authorization', authorization)
    return send(target, { ...init, headers })
  }

  /** A copy of the caller's headers with those that the provider's API always wants; `undefined`: there are none. */
  #withApiHeaders(given: HeadersInit | undefined): Headers | undefined {
    if (given === undefined && this.#apiHeaders.length === 0) return undefined
    const headers = new Headers(given)
    for (const [name, value] of this.#apiHeaders) if (!headers.has(name)) headers.set(name, value)
    return headers
  }

  /** For placements that `fetch` would carry along to another origin. */
  #sendPlaced(token: string, target: string | Request, init: RequestInit = {}): Promise<Response> {
    const send = this.#send ?? globalThis.fetch
    const { url, init: whole } = asParts(target, init)
    const headers = this.#withApiHeaders(whole.headers) ?? {}
    const authorise = (to: string, request: RequestInit) => place(this.#placement, token, to, request)
    if ((whole.redirect ?? 'follow') === 'follow')
      return followRedirects(send, { url, init: { ...whole, headers }, authorise, token })
    return send(...authorise(url, { ...whole, headers }))
  }
}

/** A request as URL and init, so that both can be changed on the way. */
function asParts(target: string | Request, init: RequestInit): { url: string; init: RequestInit } {
  if (typeof target === 'string') return { url: target, init }
  const { url, method, headers, body, signal, redirect, credentials, cache, integrity, keepalive } = target
  const own = { method, headers, signal, redirect, credentials, cache, integrity, keepalive }
  return { url, init: { ...own, ...(body === null ? {} : { body, duplex: 'half' }), ...init } }
}

/** Whether a redirect led to another origin, which never saw the token and so has not refused it. */
function cameFromElsewhere({ url }: Response, target: string | Request): boolean {
  const asked = typeof target === 'string' ? target : target.url
  return url !== '' && new URL(url).origin !== new URL(asked).origin
}

function discard(response: Response): void {
  response.body?.cancel().catch(() => {})
}

/** Whether the body can be sent a second time: everything but a stream, and a Request that has one. */
function isReplayable(target: string | Request, init: RequestInit | undefined): boolean {
  const body: unknown = init?.body ?? (typeof target === 'string' ? undefined : target.body)
  if (typeof body !== 'object' || body === null || body instanceof Blob) return true
  return !(body instanceof ReadableStream) && !(Symbol.asyncIterator in body)
}

/** Guards against `new Session({ accessToken })`: plain objects have to become a TokenSet first. */
function assertTokenSource(source: unknown): asserts source is TokenSource | TokenSet {
  const usable =
    source instanceof TokenSet || typeof (source as TokenSource | undefined)?.token === 'function'
  if (!usable)
    throw argumentError('A Session needs a TokenSet (new TokenSet({ accessToken })) or a TokenSource.')
}
