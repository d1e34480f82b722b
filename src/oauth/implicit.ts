// The implicit grant (legacy): the token comes back in the address of the redirect. What does it is loaded when called.
// RFC 6749 section 4.2, OpenID Connect Core section 3.2; RFC 9700 section 2.1.2 says not to use it.
import type { Provider } from '../providers/index.ts'
import type { AuthorizationUrl, AuthorizationUrlOptions } from './authorization.ts'
import { type AuthorizationCodeOptions, authorizationCodeGrant } from './authorization-code.ts'
import type { Callback } from './callback-parameters.ts'
import type { Client } from './client.ts'
import type { PendingAuthorization } from './pending-authorization.ts'
import type { RequestOptions } from './request-options.ts'
import type { TokenSet } from './token-set.ts'

/** Options of {@link implicitUrl}. */
export interface ImplicitUrlOptions extends Omit<AuthorizationUrlOptions, 'responseType'> {
  /** Default: `id_token token` when `openid` is among the scopes, else `token`. */
  responseType?: 'token' | 'id_token token' | undefined
}

/** Options of {@link implicitGrant}. */
export interface ImplicitOptions extends RequestOptions {
  /** As in {@link AuthorizationCodeOptions}. */
  onChecked?: (() => void) | undefined
}

/**
 * Builds the URL of the implicit grant, and the record that finishes it.
 *
 * @deprecated The token travels in the address of the browser, where histories and other pages can read it, and nothing
 *   binds it to this client (RFC 9700 section 2.1.2). Use `authorizationUrl`, unless the provider has nothing else.
 * @throws what `authorizationUrl` throws.
 */
export async function implicitUrl(
  provider: Provider,
  client: Client,
  options: ImplicitUrlOptions = {},
): Promise<AuthorizationUrl> {
  const { implicitRequest } = await import('./implicit-answer.ts')
  return implicitRequest(provider, client, options)
}

/**
 * Reads the tokens of the implicit grant out of the redirected URL, its fragment included. Everything that is checked
 * of a callback is checked, and an id_token with its signature, nonce and `at_hash`. There is never a refresh token.
 *
 * @deprecated See {@link implicitUrl}.
 * @throws {CallbackError} as for a code; `response_mode_mismatch`: the token came in the query, where logs keep it;
 *   `code_missing`: there is no token.
 * @throws {AuthorizationDeniedError} the person or the provider refused.
 * @throws {InvalidResponseError} `token_invalid`, `id_token_invalid`.
 */
export async function implicitGrant(
  provider: Provider,
  client: Client,
  pending: PendingAuthorization,
  callback: Callback,
  options: ImplicitOptions = {},
): Promise<TokenSet> {
  const { readImplicitAnswer } = await import('./implicit-answer.ts')
  return readImplicitAnswer(provider, client, pending, callback, options)
}

/**
 * Finishes whatever was begun: a code is exchanged, an implicit answer read.
 *
 * @throws what `authorizationCodeGrant` and {@link implicitGrant} throw.
 */
export function callbackGrant(
  provider: Provider,
  client: Client,
  pending: PendingAuthorization,
  callback: Callback,
  options: AuthorizationCodeOptions = {},
): Promise<TokenSet> {
  const { responseType = 'code' } = pending
  const grant = responseType.includes('code') ? authorizationCodeGrant : implicitGrant
  return grant(provider, client, pending, callback, options)
}
