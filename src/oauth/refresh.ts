// Refreshing an access token: one request, one answer.
// RFC 6749 section 6; RFC 8707 section 2.2 (resources).
import { RefreshFailedError } from '../errors.ts'
import { joinScopes, type Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import { resolveEndpoints } from './endpoints.ts'
import { type EndpointOptions, parametersOf } from './request-options.ts'
import type { LibraryCall } from './token-endpoint.ts'
import type { TokenSet } from './token-set.ts'

/** Options of {@link refreshTokenGrant}. */
export interface RefreshOptions extends EndpointOptions {
  /** Asks for fewer scopes than were granted. Default: the same ones, by not sending any. */
  scopes?: readonly string[] | undefined
  /** Asks for a token for these APIs (RFC 8707). Default: those that the grant was asked for, else the provider's `resources`. */
  resources?: readonly string[] | undefined
}

/**
 * Trades the refresh token for a fresh access token. Sends exactly one request. Whatever the answer leaves out
 * (refresh token, scopes, extra facts) is carried over; the lifetime is always the answer's own (R13, P39).
 *
 * A refresh token may be single-use: save what this returns before anybody uses it, and never run two at once
 * on one token set. The vault does both for you.
 *
 * @throws {RefreshFailedError} `refresh_unsupported` when there is no refresh token.
 * @throws {TokenEndpointError} refused: {@link isGrantDead} tells whether the grant is dead.
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
  if (resolved.refresh === 'session') {
    const { refreshSessionToken } = await import('./session-token.ts')
    return refreshSessionToken(resolved, client, tokens, refreshToken, options)
  }
  const { refreshUrl } = resolved
  const target = refreshUrl === undefined ? resolved : { ...resolved, tokenUrl: refreshUrl }
  const { idTokenAfterRefresh } = await import('./id-token.ts')
  const { grantTokens } = await import('./grant.ts')
  return grantTokens(
    target,
    client,
    {
      name: 'refresh_token',
      secrets: [refreshToken, tokens.accessToken],
      scopes: options.scopes ?? tokens.scopes,
      previous: tokens,
      idToken: (fresh) => idTokenAfterRefresh(resolved, client, fresh, tokens.idToken, options),
      build: await refreshRequest(resolved, tokens, options),
    },
    options,
  )
}

async function refreshRequest(provider: Provider, tokens: TokenSet, options: RefreshOptions) {
  const { scopes } = options
  const { resourcesOf, withResources } = await import('./resource-indicators.ts')
  const scope = scopes === undefined ? {} : { [provider.scopeParam ?? 'scope']: joinScopes(provider, scopes) }
  const additionalParameters = parametersOf(scope, provider.refreshParams, options.extraParams)
  withResources(additionalParameters, options.resources ?? resourcesOf(tokens) ?? provider.resources ?? [])
  const { refreshToken = '' } = tokens
  return ({ library, server, client, authentication, options: callOptions }: LibraryCall) =>
    library.refreshTokenGrantRequest(server, client, authentication, refreshToken, {
      ...callOptions,
      additionalParameters,
    })
}

function withoutRefreshToken(provider: Provider): RefreshFailedError {
  return new RefreshFailedError(
    `${provider.id} issued no refresh token, so this access token cannot be renewed. Ask for offline access (often a scope or a parameter) and for consent again.`,
    { retryable: false, code: 'refresh_unsupported' },
  )
}
