// The last step of the authorization code grant: the code is exchanged for tokens.
// RFC 6749 sections 4.1.3 and 4.1.4, RFC 7636 section 4.5 (PKCE).
import { argumentError, quote } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import { assertInTime, type Callback, readCallback } from './callback.ts'
import type { Client } from './client.ts'
import { resolveEndpoints } from './endpoints.ts'
import { grantTokens } from './grant.ts'
import type { PendingAuthorization } from './pending-authorization.ts'
import type { RequestOptions } from './request-options.ts'
import type { LibraryCall } from './token-endpoint.ts'
import type { TokenSet } from './token-set.ts'

/** A bare code, from a caller who has checked the state in another way, and says so. */
export interface BareCode {
  code: string
  stateCheckedElsewhere: true
}

/** Options of {@link authorizationCodeGrant}. */
export interface AuthorizationCodeOptions extends RequestOptions {
  /** Further body parameters, over the provider's `tokenParams`. They never replace the grant's own. */
  extraParams?: Readonly<Record<string, string>> | undefined
}

/**
 * Finishes the flow: checks the callback and exchanges its code for tokens. Use each pending authorization once.
 *
 * @throws what {@link readCallback} throws, before anything is sent.
 * @throws {TokenEndpointError} the provider refused the code; {@link InvalidResponseError}, NetworkError, TimeoutError.
 */
export async function authorizationCodeGrant(
  provider: Provider,
  client: Client,
  pending: PendingAuthorization,
  callback: Callback | BareCode,
  options: AuthorizationCodeOptions = {},
): Promise<TokenSet> {
  assertSamePair(provider, client, pending)
  const read = (known: Provider) => codeIn(known, pending, callback, options)
  read(provider) // before discovery: a callback with a wrong state causes no request at all
  const resolved = await resolveEndpoints(provider, client, options)
  const { code, extra } = read(resolved)
  return grantTokens(
    resolved,
    client,
    {
      name: 'authorization_code',
      secrets: [code, pending.codeVerifier],
      scopes: pending.scopes,
      extra,
      dpopKey: pending.dpopKey,
      idToken: (idToken) => checkedIdToken(resolved, client, idToken, pending, options),
      build: codeRequest(resolved, pending, code, options),
    },
    options,
  )
}

async function checkedIdToken(
  provider: Provider,
  client: Client,
  idToken: string | undefined,
  pending: PendingAuthorization,
  options: RequestOptions,
): Promise<string | undefined> {
  if (idToken === undefined) return undefined
  const { assertIdToken } = await import('./id-token.ts')
  await assertIdToken(provider, client, idToken, pending.nonce, options)
  return idToken
}

function codeIn(
  provider: Provider,
  pending: PendingAuthorization,
  callback: Callback | BareCode,
  options: RequestOptions,
) {
  if (!isBareCode(callback)) return readCallback(provider, pending, callback, options)
  assertInTime(pending, options)
  return { code: callback.code, extra: {} }
}

function isBareCode(callback: Callback | BareCode): callback is BareCode {
  if (typeof callback === 'string' || callback instanceof URL || callback instanceof URLSearchParams)
    return false
  if (callback.stateCheckedElsewhere === true && callback.code) return true
  throw argumentError(
    'A bare code needs { code, stateCheckedElsewhere: true }: say that you checked the state.',
  )
}

function assertSamePair(provider: Provider, client: Client, pending: PendingAuthorization): void {
  if (pending.provider !== provider.id || pending.clientId !== client.clientId)
    throw argumentError(
      `This pending authorization belongs to ${quote(pending.provider)} and another client; it was handed ${quote(provider.id)}.`,
    )
}

function codeRequest(
  provider: Provider,
  pending: PendingAuthorization,
  code: string,
  options: AuthorizationCodeOptions,
) {
  return ({ library, server, client, authentication, options: callOptions }: LibraryCall) =>
    library.authorizationCodeGrantRequest(
      server,
      client,
      authentication,
      // The callback has been checked; the library wants to see the code pass through its own door.
      library.validateAuthResponse(
        { issuer: server.issuer },
        client,
        new URLSearchParams({ code }),
        library.skipStateCheck,
      ),
      pending.redirectUri,
      pending.codeVerifier ?? library.nopkce,
      { ...callOptions, additionalParameters: { ...provider.tokenParams, ...options.extraParams } },
    )
}
