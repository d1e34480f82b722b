// One authorization code exchanged for tokens, after the callback that brought it was checked.
// RFC 6749 section 4.1.3, RFC 7636 section 4.5 (PKCE), RFC 8707 section 2.2 (resources).
import { argumentError, quote } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import type { AuthorizationCodeOptions, BareCode } from './authorization-code.ts'
import { assertInTime, type CallbackAnswer, verifyCallback } from './callback.ts'
import type { Callback } from './callback-parameters.ts'
import type { Client } from './client.ts'
import { resolveEndpoints } from './endpoints.ts'
import { type Grant, grantTokens } from './grant.ts'
import type { PendingAuthorization } from './pending-authorization.ts'
import { hasQuirk } from './quirk.ts'
import { parametersOf, type RequestOptions } from './request-options.ts'
import { resourceFacts, withResources } from './resource-indicators.ts'
import type { LibraryCall } from './token-endpoint.ts'
import type { TokenSet } from './token-set.ts'

/** See `authorizationCodeGrant`. */
export async function exchangeCode(
  provider: Provider,
  client: Client,
  pending: PendingAuthorization,
  callback: Callback | BareCode,
  options: AuthorizationCodeOptions,
): Promise<TokenSet> {
  assertSamePair(provider, client, pending)
  const { code, extra, idToken } = await codeIn(provider, client, pending, callback, options)
  const resolved = await resolveEndpoints(provider, client, options)
  options.onChecked?.()
  return grantTokens(
    resolved,
    client,
    {
      name: 'authorization_code',
      secrets: [code, pending.codeVerifier],
      scopes: pending.scopes,
      extra: { ...extra, ...resourceFacts(resourcesFor(pending, options)) },
      dpopKey: pending.dpopKey,
      idToken: await idTokenCheckOf(resolved, client, pending, { code, idToken }, options),
      build: codeRequest(resolved, pending, code, options),
    },
    options,
  )
}

async function idTokenCheckOf(
  provider: Provider,
  client: Client,
  pending: PendingAuthorization,
  { code, idToken: beside }: { code: string; idToken: string | undefined },
  options: RequestOptions,
): Promise<NonNullable<Grant['idToken']>> {
  const { nonce, maxAge, state } = pending
  const { idTokenCheck } = await import('./id-token.ts')
  const check = idTokenCheck(provider, client, { nonce, maxAge, code, state }, options)
  if (beside === undefined) return check
  const { assertSamePerson } = await import('./hybrid-callback.ts')
  return async (idToken, accessToken) => {
    const kept = await check(idToken, accessToken)
    assertSamePerson(provider, beside, kept.idToken)
    return kept
  }
}

async function codeIn(
  provider: Provider,
  client: Client,
  pending: PendingAuthorization,
  callback: Callback | BareCode,
  options: RequestOptions,
): Promise<CallbackAnswer> {
  if (!isBareCode(callback)) return verifyCallback(provider, client, pending, callback, options)
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

/** @throws {TypeError} `invalid_argument`: the pending authorization is of another provider or client. */
export function assertSamePair(provider: Provider, client: Client, pending: PendingAuthorization): void {
  if (pending.provider !== provider.id || pending.clientId !== client.clientId)
    throw argumentError(
      `This pending authorization belongs to ${quote(pending.provider)} and another client; it was handed ${quote(provider.id)}.`,
    )
}

function resourcesFor(pending: PendingAuthorization, options: AuthorizationCodeOptions): readonly string[] {
  return options.resources ?? pending.resources ?? []
}

function codeRequest(
  provider: Provider,
  pending: PendingAuthorization,
  code: string,
  options: AuthorizationCodeOptions,
) {
  const resources = resourcesFor(pending, options)
  // Dropbox Sign, VK ID, Follow Up Boss.
  const state = hasQuirk(provider, 'state-in-token-request') ? { state: pending.state } : {}
  const additionalParameters = withResources(
    parametersOf(provider.tokenParams, state, options.extraParams),
    resources,
  )
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
      { ...callOptions, additionalParameters },
    )
}
