// Refreshing an access token (RFC 6749 section 6), and a token source that does so when it has to.
import {
  AuthorizationRequiredError,
  InvalidResponseError,
  NetworkError,
  RefreshFailedError,
  TimeoutError,
  TokenEndpointError,
  TokenExpiredError,
} from '../errors.ts'
import { joinScopes, type Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import { resolveEndpoints } from './discovery.ts'
import type { RequestOptions } from './request-options.ts'
import { requestTokens } from './token-endpoint.ts'
import { TokenSet } from './token-set.ts'
import type { TokenRequest, TokenSource } from './token-source.ts'
import { waitFor } from './wait.ts'

/** Options of {@link refreshTokenGrant}. */
export interface RefreshOptions extends RequestOptions {
  /** Asks for fewer scopes than were granted. Default: the same ones, by not sending any. */
  scopes?: readonly string[] | undefined
  /** Further body parameters, over the provider's `refreshParams`. */
  extraParams?: Readonly<Record<string, string>> | undefined
}

/**
 * Trades the refresh token for a fresh access token. Sends exactly one request. Whatever the answer leaves out
 * (refresh token, scopes, extra facts) is carried over; the lifetime is always the answer's own (R13, P39).
 *
 * A refresh token may be single-use: save what this returns before anybody uses it, and never run two at once
 * on one token set. The vault does both for you.
 *
 * @throws {RefreshFailedError} `refresh_unsupported` when there is no refresh token.
 * @throws {TokenEndpointError} refused: `error` is `invalid_grant` when the grant is dead.
 * @throws {NetworkError} {@link TimeoutError} {@link InvalidResponseError}: the outcome may be unknown.
 */
export async function refreshTokenGrant(
  provider: Provider,
  client: Client,
  tokens: TokenSet,
  options: RefreshOptions = {},
): Promise<TokenSet> {
  const { refreshToken } = tokens
  if (refreshToken === undefined) throw withoutRefreshToken(provider)
  const resolved = await resolveEndpoints(provider, client, options)
  const answer = await requestTokens(
    { provider: withRefreshUrl(resolved), client },
    {
      name: 'refresh_token',
      secrets: [refreshToken, tokens.accessToken],
      build: ({ library, server, client: us, authentication, options: callOptions }) =>
        library.refreshTokenGrantRequest(server, us, authentication, refreshToken, {
          ...callOptions,
          additionalParameters: {
            ...(options.scopes === undefined ? {} : { scope: joinScopes(resolved, options.scopes) }),
            ...resolved.refreshParams,
            ...options.extraParams,
          },
        }),
    },
    options,
  )
  return new TokenSet({
    accessToken: answer.accessToken,
    refreshToken: answer.refreshToken ?? refreshToken,
    idToken: answer.idToken ?? tokens.idToken,
    expiresAt: typeof answer.expiresAt === 'number' ? new Date(answer.expiresAt) : null,
    receivedAt: new Date((options.now ?? Date.now)()),
    scopes: answer.scopes ?? options.scopes ?? tokens.scopes,
    extra: { ...tokens.extra, ...answer.extra },
    raw: answer.raw,
  })
}

function withRefreshUrl(provider: Provider): Provider {
  return provider.refreshUrl === undefined ? provider : { ...provider, tokenUrl: provider.refreshUrl }
}

function withoutRefreshToken(provider: Provider): RefreshFailedError {
  return new RefreshFailedError(
    `${provider.id} issued no refresh token, so this access token cannot be renewed. Ask for offline access (often a scope or a parameter) and for consent again.`,
    { retryable: false, code: 'refresh_unsupported' },
  )
}

/** Options of {@link refreshingTokens}. */
export interface RefreshingTokensOptions extends RefreshOptions {
  /** Awaited with every new token set before anybody sees it: save it here, durably. */
  onRefresh?: ((tokens: TokenSet) => void | Promise<void>) | undefined
  /** Seconds before its end at which a token counts as expired, at most a fifth of its lifetime. Default 60. */
  leewaySeconds?: number | undefined
}

/**
 * A token source that refreshes by itself (R11 b and c): one refresh at a time in this process, whatever the number
 * of callers. It knows nothing of other processes: share a grant between processes through the vault.
 */
export function refreshingTokens(
  provider: Provider,
  client: Client,
  tokens: TokenSet,
  options: RefreshingTokensOptions = {},
): TokenSource {
  return new RefreshingTokens(provider, client, tokens, options)
}

class RefreshingTokens implements TokenSource {
  readonly #provider: Provider
  readonly #client: Client
  readonly #options: RefreshingTokensOptions
  #tokens: TokenSet
  #saved = true
  #renewing: Promise<TokenSet> | undefined

  constructor(provider: Provider, client: Client, tokens: TokenSet, options: RefreshingTokensOptions) {
    this.#provider = provider
    this.#client = client
    this.#tokens = tokens
    this.#options = options
  }

  token(request?: TokenRequest): TokenSet | Promise<TokenSet> {
    if (this.#saved && this.#isUsable(request)) return this.#tokens
    request?.signal?.throwIfAborted()
    this.#renewing ??= this.#renew(request).finally(() => {
      this.#renewing = undefined
    })
    return waitFor(this.#renewing, request?.signal)
  }

  #isUsable(request: TokenRequest | undefined): boolean {
    const tokens = this.#tokens
    const leeway = request?.validForSeconds ?? leewayOf(tokens, this.#options.leewaySeconds ?? 60)
    return request?.rejected !== tokens.accessToken && tokens.validFor(leeway, this.#options.now?.())
  }

  /** Shared by all who wait, so no caller's signal stops it. A token set whose saving failed is saved first. */
  async #renew(request: TokenRequest | undefined): Promise<TokenSet> {
    if (this.#saved) {
      const old = this.#tokens
      try {
        this.#tokens = await refreshTokenGrant(this.#provider, this.#client, old, this.#options)
      } catch (error) {
        if (request?.rejected === undefined && old.validFor(0, this.#options.now?.())) return old
        throw refreshFailure(error, this.#provider, old)
      }
      this.#saved = false
    }
    await this.#options.onRefresh?.(this.#tokens)
    this.#saved = true
    return this.#tokens
  }
}

/**
 * What a failed refresh means for the caller: consent again ({@link AuthorizationRequiredError} for `invalid_grant`),
 * try later, or mend the configuration ({@link RefreshFailedError}). Other errors are returned as they are.
 */
export function refreshFailure(error: unknown, provider: Provider, tokens: TokenSet): unknown {
  if (error instanceof TokenEndpointError && error.error === 'invalid_grant')
    return new AuthorizationRequiredError(
      'needs_reconnect',
      `The grant at ${provider.id} is used up, expired or revoked. The person has to consent again.`,
      { provider: provider.id, scopes: tokens.scopes },
      { cause: error },
    )
  const known =
    error instanceof TokenEndpointError ||
    error instanceof InvalidResponseError ||
    error instanceof NetworkError ||
    error instanceof TimeoutError
  if (!known) return error
  const retryable = isTransient(error)
  const advice = retryable
    ? 'The grant is kept; try again later.'
    : 'The grant is kept; mend the cause, then try again.'
  return new RefreshFailedError(
    `The access token for ${provider.id} could not be refreshed. ${advice} ${error.message}`,
    {
      cause: error,
      retryable,
      retryAfterSeconds: 'retryAfterSeconds' in error ? error.retryAfterSeconds : undefined,
    },
  )
}

/**
 * Whether a failed token request may succeed later as it is: no answer, 5xx, 429, `temporarily_unavailable`,
 * or an answer that did not come from the authorization server at all (a proxy's page).
 */
export function isTransient(error: unknown): boolean {
  if (error instanceof NetworkError || error instanceof TimeoutError) return true
  if (error instanceof TokenEndpointError)
    return (
      error.status >= 500 ||
      error.status === 429 ||
      ['temporarily_unavailable', 'server_error', 'slow_down', 'ratelimited', 'rate_limited'].includes(
        error.error,
      )
    )
  return (
    error instanceof InvalidResponseError &&
    error.code !== 'redirect_refused' &&
    error.code !== 'token_invalid'
  )
}

/** A leeway is never more than a fifth of the lifetime: a token of one minute must not count as expired from birth. */
export function leewayOf(tokens: TokenSet, leewaySeconds: number): number {
  if (tokens.expiresAt === null) return 0
  return Math.min(leewaySeconds, (tokens.expiresAt.getTime() - tokens.receivedAt.getTime()) / 5000)
}

/** A token source over a plain token set (R11 a): it cannot renew, and says so before anything is sent. */
export function plainTokens(tokens: TokenSet, now: () => number = Date.now): TokenSource {
  return {
    token(request) {
      if (request?.rejected === tokens.accessToken)
        throw new TokenExpiredError(
          'The API refused this access token, and nothing here can renew it.',
          new Date(now()),
        )
      if (tokens.validFor(request?.validForSeconds ?? 0, now())) return tokens
      const end = tokens.expiresAt ?? new Date(now())
      throw new TokenExpiredError(
        `The access token expired at ${end.toISOString()}. Refresh it (refreshTokenGrant), or give the session a source that does (refreshingTokens, a vault).`,
        end,
      )
    },
  }
}
