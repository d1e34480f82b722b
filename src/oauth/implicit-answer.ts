// The request and the answer of the implicit grant (legacy): a token out of a fragment, by the rules for token answers.
// RFC 6749 sections 4.2.1 and 4.2.2, OpenID Connect Core sections 3.2.2.5 to 3.2.2.11.
import { CallbackError, InvalidResponseError } from '../errors.ts'
import { type Provider, splitScopes } from '../providers/index.ts'
import type { AuthorizationUrl } from './authorization.ts'
import { authorizationRequest } from './authorization-request.ts'
import { assertAnswer, keptParameters, verifiedParameters } from './callback.ts'
import { type Callback, isInQuery } from './callback-parameters.ts'
import type { Client } from './client.ts'
import { assertSamePair } from './code-exchange.ts'
import { resolveEndpoints } from './endpoints.ts'
import { type KeptIdToken, tokensFrom } from './grant.ts'
import type { ImplicitOptions, ImplicitUrlOptions } from './implicit.ts'
import type { PendingAuthorization } from './pending-authorization.ts'
import { readTokenAnswer } from './response-reader.ts'
import type { TokenSet } from './token-set.ts'

/** Members of a token answer that a fragment may hold (RFC 6749 section 4.2.2). A refresh token is none of them. */
const tokenMembers = ['access_token', 'token_type', 'expires_in', 'scope', 'id_token']

/** See `implicitUrl`. */
export async function implicitRequest(
  provider: Provider,
  client: Client,
  { responseType, ...options }: ImplicitUrlOptions,
): Promise<AuthorizationUrl> {
  const { scopes = provider.defaultScopes ?? [] } = options
  const named = typeof scopes === 'string' ? splitScopes(provider, scopes) : scopes
  const type = responseType ?? (named.includes('openid') ? 'id_token token' : 'token')
  return authorizationRequest(provider, client, type, options)
}

/** See `implicitGrant`. */
export async function readImplicitAnswer(
  provider: Provider,
  client: Client,
  pending: PendingAuthorization,
  callback: Callback,
  options: ImplicitOptions,
): Promise<TokenSet> {
  assertSamePair(provider, client, pending)
  const parameters = await verifiedParameters(provider, client, pending, callback, options)
  assertTokenIn(provider, pending, callback, parameters, options)
  const resolved = await resolveEndpoints(provider, client, options)
  assertTokenIn(resolved, pending, callback, parameters, options) // the issuer may promise more than the row
  options.onChecked?.()
  const tokens = readTokenAnswer(asTokenAnswer(parameters), {
    provider: resolved,
    request: 'implicit',
    secrets: [],
    now: (options.now ?? Date.now)(),
  })
  const grant = {
    name: 'implicit',
    scopes: pending.scopes,
    extra: keptParameters(resolved, parameters),
    idToken: (idToken: string | undefined, accessToken: string) =>
      checkedIdToken(resolved, client, pending, idToken, accessToken, options),
  }
  return tokensFrom(resolved, client, { ...tokens, refreshToken: undefined }, grant, options)
}

function assertTokenIn(
  provider: Provider,
  pending: PendingAuthorization,
  callback: Callback,
  parameters: URLSearchParams,
  options: ImplicitOptions,
): void {
  assertAnswer(provider, pending, parameters, options, tokenMembers)
  if (!parameters.has('access_token'))
    throw new CallbackError(
      'code_missing',
      'The callback has neither a token nor an error. Paste the whole redirected URL, with everything behind its #.',
    )
  if (isInQuery(callback, pending))
    throw new CallbackError(
      'response_mode_mismatch',
      `${provider.id} sent the token in the query of the address, where logs and histories keep it, and not in its fragment. It was not used.`,
    )
}

/** The members as the reader knows them: JSON, with the lifetime as the number that it is. */
function asTokenAnswer(parameters: URLSearchParams) {
  const members: Record<string, string | number> = {}
  for (const name of tokenMembers) {
    const value = parameters.get(name)
    if (value !== null) members[name] = name.endsWith('_token') ? value.replaceAll(' ', '+') : value
  }
  if (/^\d+$/.test(String(members['expires_in']))) members['expires_in'] = Number(members['expires_in'])
  const headers = new Headers({ 'content-type': 'application/json' })
  return { status: 200, headers, text: JSON.stringify(members) }
}

/**
 * An id_token that came through the browser is nobody's until its signature says so (section 3.2.2.11). One that
 * nobody asked for is not kept.
 */
async function checkedIdToken(
  provider: Provider,
  client: Client,
  pending: PendingAuthorization,
  idToken: string | undefined,
  accessToken: string,
  options: ImplicitOptions,
): Promise<KeptIdToken> {
  const { nonce, maxAge, responseType } = pending
  if (idToken === undefined && responseType === 'id_token token')
    throw new InvalidResponseError(
      'id_token_invalid',
      `${provider.id} was asked for an id_token and sent none. Nothing was kept; start again.`,
    )
  if (idToken === undefined || nonce === undefined) return { idToken: undefined }
  const { assertFrontChannelIdToken } = await import('./id-token.ts')
  await assertFrontChannelIdToken(provider, client, idToken, { nonce, maxAge, accessToken }, options)
  return { idToken }
}
