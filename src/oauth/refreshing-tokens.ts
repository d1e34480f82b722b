// Token sources over a token set in memory: one that renews by itself, one that repeats a grant, and one that cannot.
// RFC 6749 section 6, rows R11, R13, R14 and R15.
import { AuthorizationRequiredError, TokenExpiredError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import { renewTokens } from './grants.ts'
import type { RefreshOptions } from './refresh.ts'
import { mismatchedTokens, refreshFailure } from './refresh-failure.ts'
import type { RequestOptions } from './request-options.ts'
import type { TokenSet } from './token-set.ts'
import type { TokenRequest, TokenSource } from './token-source.ts'
import { waitFor } from './wait.ts'

/** Options of {@link refreshingTokens}. */
export interface RefreshingTokensOptions extends RefreshOptions {
  /** Awaited with every new token set before anybody sees it: save it here, durably. When it throws, it is called again. */
  onRefresh?: ((tokens: TokenSet) => void | Promise<void>) | undefined
  /** Seconds before its end at which a token counts as expired, at most a fifth of its lifetime. Default 60. */
  leewaySeconds?: number | undefined
}

/**
 * A token source that refreshes by itself (R11 b and c), or repeats the grant where the tokens say how (R14): one
 * renewal at a time in this process, whatever the number of callers. It knows nothing of other processes: share a grant
 * between processes through the vault.
 *
 * A refresh that fails for a passing reason leaves a token that is still valid in use. A grant that the provider
 * calls dead is not tried again.
 */
export function refreshingTokens(
  provider: Provider,
  client: Client,
  tokens: TokenSet,
  options: RefreshingTokensOptions = {},
): TokenSource {
  const renew = async (old: TokenSet | undefined = tokens) => {
    try {
      // What strict scopes object to has replaced the old refresh token all the same (R9): it is kept.
      return await renewTokens(provider, client, old, options).catch(mismatchedTokens)
    } catch (error) {
      throw refreshFailure(error, provider, old)
    }
  }
  return new RenewingTokens(renew, tokens, options)
}

/** Options of {@link repeatingTokens}. */
export interface RepeatingTokensOptions extends Pick<RequestOptions, 'now'> {
  /** Tokens to begin with. Default: the grant is made when the first token is needed. */
  tokens?: TokenSet | undefined
  /** Awaited with every new token set before anybody sees it. When it throws, it is called again. */
  onRefresh?: ((tokens: TokenSet) => void | Promise<void>) | undefined
  /** Seconds before its end at which a token counts as expired, at most a fifth of its lifetime. Default 300. */
  leewaySeconds?: number | undefined
}

/**
 * A token source that makes the whole grant again whenever a token has ended (R14): for grants without a refresh token,
 * such as a token exchange whose subject is at hand. One repetition at a time, whatever the number of callers; tokens
 * that are still valid stay in use when one fails.
 *
 * ```ts
 * const source = repeatingTokens(() => tokenExchangeGrant(provider, client, { subjectToken }))
 * ```
 *
 * @param grant is called without arguments; what it throws goes to the callers.
 */
export function repeatingTokens(
  grant: () => Promise<TokenSet>,
  options: RepeatingTokensOptions = {},
): TokenSource {
  const { tokens, leewaySeconds = 300, ...rest } = options
  return new RenewingTokens(() => grant(), tokens, { ...rest, leewaySeconds })
}

type Renew = (tokens: TokenSet | undefined) => Promise<TokenSet>
type RenewingOptions = Pick<RefreshingTokensOptions, 'onRefresh' | 'leewaySeconds' | 'now'>

class RenewingTokens implements TokenSource {
  readonly #renewal: Renew
  readonly #options: RenewingOptions
  #tokens: TokenSet | undefined
  #saved = true
  #dead: AuthorizationRequiredError | undefined
  #renewing: Promise<TokenSet> | undefined

  constructor(renewal: Renew, tokens: TokenSet | undefined, options: RenewingOptions) {
    this.#renewal = renewal
    this.#tokens = tokens
    this.#options = options
  }

  token(request?: TokenRequest): TokenSet | Promise<TokenSet> {
    const tokens = this.#tokens
    if (tokens !== undefined && this.#saved && this.#isUsable(tokens, request)) return tokens
    return this.#renewed(request)
  }

  #isUsable(tokens: TokenSet, request: TokenRequest | undefined): boolean {
    const leeway =
      request?.validForSeconds === undefined
        ? leewayOf(tokens, this.#options.leewaySeconds ?? 60)
        : attainable(tokens, request.validForSeconds)
    return request?.rejected !== tokens.accessToken && tokens.validFor(leeway, this.#options.now?.())
  }

  /** Shares one renewal with all who wait; what its failure means depends on what each caller asked for. */
  async #renewed(request: TokenRequest | undefined): Promise<TokenSet> {
    request?.signal?.throwIfAborted()
    const old = this.#tokens
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined
    })
    try {
      return await waitFor(this.#renewing, request?.signal)
    } catch (error) {
      request?.signal?.throwIfAborted()
      if (old === undefined || !this.#saved || this.#tokens !== old) throw error
      if (request?.rejected !== old.accessToken && old.validFor(0, this.#options.now?.())) return old
      throw error
    }
  }

  /** No caller's signal stops it. A token set whose saving failed is saved first, and no second refresh is sent. */
  async #renew(): Promise<TokenSet> {
    if (this.#dead !== undefined) throw this.#dead
    let tokens = this.#tokens
    if (this.#saved || tokens === undefined) {
      try {
        tokens = await this.#renewal(tokens)
      } catch (error) {
        if (error instanceof AuthorizationRequiredError) this.#dead = error
        throw error
      }
      this.#tokens = tokens
      this.#saved = false
    }
    await this.#options.onRefresh?.(tokens)
    this.#saved = true
    return tokens
  }
}

/** A leeway is never more than a fifth of the lifetime: a token of one minute must not count as expired from birth. */
export function leewayOf(tokens: TokenSet, leewaySeconds: number): number {
  if (tokens.expiresAt === null) return 0
  return Math.max(0, Math.min(leewaySeconds, lifetimeSeconds(tokens, tokens.expiresAt) / 5))
}

/** What a caller asks for, but no more than four fifths of the lifetime: a refresh could not give more, and would be repeated at every call. */
function attainable(tokens: TokenSet, validForSeconds: number): number {
  if (tokens.expiresAt === null) return 0
  return Math.min(validForSeconds, Math.max(0, lifetimeSeconds(tokens, tokens.expiresAt) * 0.8))
}

function lifetimeSeconds(tokens: TokenSet, expiresAt: Date): number {
  return (expiresAt.getTime() - tokens.receivedAt.getTime()) / 1000
}

/** A token source over a plain token set (R11 a): it cannot renew, and says so before anything is sent. */
export function plainTokens(tokens: TokenSet, now: () => number = Date.now): TokenSource {
  return {
    token(request) {
      if (request?.rejected === tokens.accessToken)
        throw new TokenExpiredError(
          'The API refused this access token, and nothing here can renew it. Refresh it (refreshTokenGrant), or ask for consent again.',
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
