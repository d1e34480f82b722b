// A `fetch` over a token source: adds the token, renews it, repeats a refused request once.
// RFC 6750 (bearer tokens), RFC 9449 (tokens bound to a key). What requests-oauthlib calls OAuth2Session.
import { argumentError, TokenExpiredError, UnauthorizedError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import { ApiFence } from './api-fence.ts'
import type { StepUp } from './challenge.ts'
import type { Client } from './client.ts'
import type { ApiCall, Hook } from './hooks.ts'
import { discardBody, followRedirects, isReplayable } from './redirects.ts'
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
  /** Whose tokens they are: gives its `fetch` (certificates, RFC 8705) and its hook `apiRequest`. */
  client?: Pick<Client, 'fetch' | 'hooks'> | undefined
  /** Replaces the client's and the global `fetch`. It must drop `Authorization` on a redirect to another origin, as `fetch` does. */
  fetch?: typeof fetch | undefined
  /** Seconds that a token must still be valid to be sent. Default: the token source's own leeway. */
  leewaySeconds?: number | undefined
  /**
   * What to do with a final 401, or with a 401 or 403 that asks for more authorization: throw (default), or return the
   * response like plain `fetch`.
   */
  unauthorized?: 'throw' | 'return' | undefined
  /** The clock for a plain token set and for proofs, in milliseconds since 1970. Default `Date.now`. A token source has its own. */
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
 * - A 401 or 403 that asks for further scopes or another sign-in is an {@link AuthorizationRequiredError}.
 * - The token goes to the allowed hosts only, and never along to another origin by redirect.
 * - A token that is bound to a key (`tokens.dpopKey`) travels with a proof, a new one for each request.
 */
export class Session {
  readonly #source: TokenSource
  readonly #placement: Placement
  readonly #fence: ApiFence
  readonly #apiHeaders: readonly (readonly [string, string])[]
  readonly #send: typeof fetch | undefined
  readonly #leewaySeconds: number | undefined
  readonly #throwUnauthorized: boolean
  readonly #provider: Provider | undefined
  readonly #now: () => number

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
    this.#send = senderOf(options)
    this.#leewaySeconds = options.leewaySeconds
    this.#throwUnauthorized = options.unauthorized !== 'return'
    this.#provider = options.provider
    this.#now = options.now ?? Date.now
  }

  /**
   * Like `fetch`, with the token. Bound: it can be handed on as a function.
   *
   * @throws {RequestRefusedError} `host_not_allowed`: the token must not go there; nothing was sent.
   * @throws {UnauthorizedError} a 401 that renewing could not mend.
   * @throws {AuthorizationRequiredError} `insufficient_scope`: the API wants further scopes, or another sign-in.
   * @throws what {@link TokenSource.token} throws; `TypeError` as `fetch` does.
   */
  readonly fetch = async (input: string | URL | Request, init?: SessionRequestInit): Promise<Response> => {
    const target = this.#fence.resolve(input)
    if (init?.withholdToken === true) return this.#sendPlain(target, init)
    const wanted = this.#source.token(this.#tokenRequest(target, init))
    const tokens = wanted instanceof TokenSet ? wanted : await wanted
    const response = await this.#sendWith(tokens, target, init)
    const { status } = response
    return status === 401 || status === 403 ? this.#afterRefusal(response, tokens, target, init) : response
  }

  #tokenRequest(target: string | Request, init: RequestInit | undefined): TokenRequest | undefined {
    const signal = init?.signal ?? (typeof target === 'string' ? undefined : target.signal)
    if (!signal && this.#leewaySeconds === undefined) return undefined
    return {
      ...(signal ? { signal } : {}),
      ...(this.#leewaySeconds === undefined ? {} : { validForSeconds: this.#leewaySeconds }),
    }
  }

  /** A 403 without a challenge is the caller's; a 401 renews once and repeats once. */
  async #afterRefusal(
    response: Response,
    tokens: TokenSet,
    target: string | Request,
    init: SessionRequestInit | undefined,
  ): Promise<Response> {
    if (cameFromElsewhere(response, target)) return response
    const wanted = await this.#stepUpIn(response)
    if (wanted !== undefined) return this.#moreRequired(response, wanted, tokens, target)
    if (response.status === 403) return response
    if (tokens.tokenType !== 'Bearer' && (await isForNonce(response)))
      return this.#final(
        response,
        isReplayable(bodyOf(target, init))
          ? 'asks for its nonce again, which the request had'
          : 'wants its nonce in the proof; it is known now, but a streamed body cannot be sent twice: repeat the call',
      )
    return this.#afterUnauthorized(response, tokens, target, init)
  }

  async #stepUpIn(response: Response): Promise<StepUp | undefined> {
    const challenge = response.headers.get('www-authenticate')
    if (challenge === null) return undefined
    const { stepUpIn } = await import('./challenge.ts')
    return stepUpIn(challenge, this.#provider)
  }

  /** No other token mends that (RFC 6750 section 3.1, RFC 9470 section 3). */
  async #moreRequired(
    response: Response,
    wanted: StepUp,
    tokens: TokenSet,
    target: string | Request,
  ): Promise<Response> {
    if (!this.#throwUnauthorized) return response
    discardBody(response)
    const { stepUpError } = await import('./step-up.ts')
    throw stepUpError(wanted, tokens, this.#provider?.id ?? new URL(urlOf(target)).host)
  }

  async #afterUnauthorized(
    response: Response,
    tokens: TokenSet,
    target: string | Request,
    init: SessionRequestInit | undefined,
  ): Promise<Response> {
    let fresh: TokenSet
    try {
      const request = this.#tokenRequest(target, init)
      fresh = await this.#source.token({ ...request, rejected: tokens.accessToken })
    } catch (error) {
      if (error instanceof TokenExpiredError)
        return this.#final(response, 'refused the token, and it cannot be renewed here', error)
      discardBody(response)
      throw error
    }
    if (!isReplayable(bodyOf(target, init)))
      return this.#final(
        response,
        'refused the token; it is renewed now, but a streamed body cannot be sent twice: repeat the call',
      )
    discardBody(response)
    return this.#afterRenewal(await this.#sendWith(fresh, target, init), fresh, target)
  }

  async #afterRenewal(response: Response, tokens: TokenSet, target: string | Request): Promise<Response> {
    if (response.status !== 401 && response.status !== 403) return response
    if (cameFromElsewhere(response, target)) return response
    const wanted = await this.#stepUpIn(response)
    if (wanted !== undefined) return this.#moreRequired(response, wanted, tokens, target)
    return response.status === 401
      ? this.#final(response, 'refuses a token that was renewed just now')
      : response
  }

  #final(response: Response, reason: string, cause?: unknown): Response {
    if (!this.#throwUnauthorized) return response
    throw new UnauthorizedError(
      `${apiOf(response, this.#provider)} ${reason} (HTTP 401). Check the scopes and the account that is connected.`,
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
    if (tokens.tokenType !== 'Bearer' && needsProof(tokens)) return this.#sendProved(tokens, target, init)
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
  async #sendPlaced(token: string, target: string | Request, init: RequestInit = {}): Promise<Response> {
    const send = this.#send ?? globalThis.fetch
    const { url, init: whole } = await this.#partsWithForm(target, init)
    const sendAuthorised = async (to: string, request: RequestInit) => {
      const [placed, parts] = place(this.#placement, token, to, request)
      try {
        return await send(placed, parts)
      } catch (error) {
        const { withoutQuery } = await import('./quoted-url.ts')
        throw withoutQuery(error, placed)
      }
    }
    if ((whole.redirect ?? 'follow') === 'follow')
      return followRedirects(send, { url, init: whole, sendAuthorised, token })
    return sendAuthorised(url, whole)
  }

  /** For tokens that are bound to a key: with a proof. */
  #sendProved(tokens: TokenSet, target: string | Request, init: RequestInit = {}): Promise<Response> {
    if (provedCalls === undefined) return loadProvedCalls().then(() => this.#sendProved(tokens, target, init))
    const send = this.#send ?? globalThis.fetch
    const { url, init: whole } = asParts(target, init)
    const headers = this.#withApiHeaders(whole.headers)
    const parts = headers === undefined ? whole : { ...whole, headers }
    return provedCalls.sendProved({ send, tokens, url, init: parts, now: this.#now })
  }

  /** As {@link asParts}, API headers included; a form that is to carry the token as text. */
  async #partsWithForm(
    target: string | Request,
    init: RequestInit,
  ): Promise<{ url: string; init: RequestInit }> {
    const { url, init: whole } = asParts(target, init)
    const { formParam } = this.#placement
    const body =
      formParam === undefined || typeof target === 'string' ? undefined : await formIn(target, whole)
    const headers = this.#withApiHeaders(whole.headers) ?? {}
    return { url, init: { ...whole, ...(body === undefined ? {} : { body }), headers } }
  }
}

/** A request as URL and init, so that both can be changed on the way. */
function asParts(target: string | Request, init: RequestInit): { url: string; init: RequestInit } {
  if (typeof target === 'string') return { url: target, init }
  const { url, method, headers, body, signal, redirect, credentials, cache, integrity, keepalive } = target
  const own = { method, headers, signal, redirect, credentials, cache, integrity, keepalive }
  // What is there without a value does not replace the Request's own, as in `fetch`.
  const given = Object.fromEntries(Object.entries(init).filter(([, value]) => value !== undefined))
  return { url, init: { ...own, ...(body === null ? {} : { body, duplex: 'half' }), ...given } }
}

/** The text of a Request's form; `undefined`: its body is no form, or another takes its place. */
async function formIn(request: Request, { body }: RequestInit): Promise<string | undefined> {
  const type = request.headers.get('content-type') ?? ''
  const isForm = body !== null && body === request.body && /^application\/x-www-form-urlencoded\b/i.test(type)
  return isForm ? request.text() : undefined
}

/** Whose API answered, for a message; never its path, which may name people. */
function apiOf({ url }: Response, provider: Provider | undefined): string {
  const host = URL.canParse(url) ? ` (${new URL(url).host})` : ''
  return `The API${provider === undefined ? '' : ` of ${provider.id}`}${host}`
}

/** Loaded at the first call with such a token. */
let provedCalls: typeof import('./proved-calls.ts') | undefined

async function loadProvedCalls(): Promise<void> {
  provedCalls = await import('./proved-calls.ts')
}

/** What requests leave by; `undefined`: whatever the global `fetch` is at that time. */
function senderOf({ fetch = undefined, client }: SessionOptions): typeof fetch | undefined {
  const send = fetch ?? client?.fetch
  const hook = client?.hooks?.apiRequest
  return hook === undefined ? send : hooked(send, hook)
}

/** Runs the client's hook on each request, with the token in it. */
function hooked(send: typeof fetch | undefined, hook: Hook<ApiCall>): typeof fetch {
  return async (target, init) => {
    const { runHook } = await import('./hooks.ts')
    const parts = asParts(target instanceof URL ? target.href : target, init ?? {})
    const call = await runHook(hook, parts)
    return (send ?? globalThis.fetch)(call.url, call.init)
  }
}

/** RFC 9449 section 5: token type `DPoP`. @throws {TypeError} `invalid_argument` for what is no access token. */
function needsProof({ tokenType }: TokenSet): boolean {
  if (tokenType === 'N_A')
    throw argumentError(
      'What came of this token exchange is no access token (token type N_A, RFC 8693 section 2.2.1), so no API takes it.',
    )
  return tokenType.toLowerCase() === 'dpop'
}

async function isForNonce({ headers }: Response): Promise<boolean> {
  const challenge = headers.get('www-authenticate')
  if (challenge === null) return false
  const { wantsNonce } = await import('./challenge.ts')
  return wantsNonce(challenge)
}

/** Whether a redirect led to another origin, which never saw the token and so has not refused it. */
function cameFromElsewhere({ url }: Response, target: string | Request): boolean {
  return url !== '' && new URL(url).origin !== new URL(urlOf(target)).origin
}

function urlOf(target: string | Request): string {
  return typeof target === 'string' ? target : target.url
}

function bodyOf(target: string | Request, init: RequestInit | undefined): unknown {
  return init?.body ?? (typeof target === 'string' ? undefined : target.body)
}

/** Guards against `new Session({ accessToken })`: plain objects have to become a TokenSet first. */
function assertTokenSource(source: unknown): asserts source is TokenSource | TokenSet {
  const usable =
    source instanceof TokenSet || typeof (source as TokenSource | undefined)?.token === 'function'
  if (!usable)
    throw argumentError('A Session needs a TokenSet (new TokenSet({ accessToken })) or a TokenSource.')
}
