// The first step of a grant by a person: the URL to send them to, and what finishes the flow later.
// RFC 6749 sections 4.1.1 and 4.2.1. What builds it is loaded when it is called.
import type { Provider, ResponseMode } from '../providers/index.ts'
import type { Client } from './client.ts'
import type { PendingAuthorization } from './pending-authorization.ts'
import type { RequestOptions } from './request-options.ts'

/** Options of {@link authorizationUrl}. */
export interface AuthorizationUrlOptions extends RequestOptions {
  /** Where the provider sends the person back to. Default: the client's `redirectUri`. */
  redirectUri?: string | undefined
  /** A list, or text that is split as the provider joins it. Default: the provider's `defaultScopes`. */
  scopes?: string | readonly string[] | undefined
  /** Slack's second list, and others with a `userScopeParam`. */
  userScopes?: string | readonly string[] | undefined
  /** Default: a fresh random one. One that you supply is recorded and checked just the same. */
  state?: string | undefined
  /** Default: a fresh random one when `openid` is among the scopes, or the row says `nonce-required`. */
  nonce?: string | undefined
  /** Recorded in the pending authorization. */
  user?: string | undefined
  account?: string | undefined
  /**
   * The resources that the tokens are for, as absolute URIs (RFC 8707), besides the provider's `resources`. Named in
   * the authorization request and in the token request.
   */
  resources?: readonly string[] | undefined
  /** What is asked for in detail (RFC 9396), besides the provider's `authorizationDetails`. Each names its `type`. */
  authorizationDetails?: readonly Readonly<Record<string, unknown>>[] | undefined
  /**
   * How the answer comes back. Default: the client's, else the provider's, else none is sent (`query`). A mode that
   * ends in `jwt` promises a signed answer (JARM), and an unsigned one is then refused.
   */
  responseMode?: ResponseMode | undefined
  /**
   * `code id_token`: the answer has an id_token beside the code, signed over both (OpenID Connect Core section 3.3), and
   * comes back in the fragment unless `responseMode` says otherwise. Default: `code`.
   */
  responseType?: 'code' | 'code id_token' | undefined
  /**
   * OpenID Connect: the person must have signed in no longer ago than so many seconds; `0`: they sign in anew. The
   * id_token has to say when, and that is checked.
   */
  maxAge?: number | undefined
  /**
   * Pushed authorization request (PAR, RFC 9126). Default: wherever the provider has a `pushedAuthorizationUrl`.
   * `false` puts the parameters into the URL, where the provider does not demand that they are pushed; `when-required`
   * pushes them only where it does, for links that are opened later than a pushed one can be.
   */
  pushed?: boolean | 'when-required' | undefined
  /** Appended last: `prompt`, `login_hint`, … They may replace the provider's fixed parameters, never ours. */
  extraParams?: Readonly<Record<string, string>> | undefined
  /** How long the person has, in milliseconds. Default 10 minutes. */
  lifetimeMs?: number | undefined
}

/** What {@link authorizationUrl} made. */
export interface AuthorizationUrl {
  /** Send the person here. */
  url: string
  /** What finishes the flow. Secret; use it once. */
  pending: PendingAuthorization
  /**
   * Until when the provider takes `url`, where the request was pushed: often a minute. The person may take longer once
   * they are there. Absent: as long as `pending` lives.
   */
  urlExpiresAt?: Date
}

/**
 * Builds the URL to send a person to, and the record that finishes the flow when they return (R2).
 * PKCE S256 is used unless the provider row says that it is unsupported; state always. The request is pushed (RFC 9126)
 * and signed (RFC 9101) where the provider or the client wants it; otherwise nothing is sent but discovery.
 *
 * @throws {ConfigurationError} endpoints that are missing or cannot be found; a signing key that is missing.
 * @throws {TypeError} `invalid_argument`: no redirect URI, no client id, a scope or parameter that cannot be sent.
 * @throws {TokenEndpointError} the pushed request was refused; {@link InvalidResponseError} {@link NetworkError}
 *   {@link TimeoutError}: it was not answered as RFC 9126 says.
 */
export async function authorizationUrl(
  provider: Provider,
  client: Client,
  options: AuthorizationUrlOptions = {},
): Promise<AuthorizationUrl> {
  const { authorizationRequest } = await import('./authorization-request.ts')
  return authorizationRequest(provider, client, options.responseType ?? 'code', options)
}
