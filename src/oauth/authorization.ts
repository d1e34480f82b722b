// The first step of the authorization code grant: the URL to send a person to, and what finishes the flow later.
// RFC 6749 section 4.1.1, RFC 7636 (PKCE), OpenID Connect Core section 3.1.2.1.
import { argumentError, ConfigurationError, quote } from '../errors.ts'
import { joinScopes, ownParameters, type Provider, splitScopes } from '../providers/index.ts'
import type { Client } from './client.ts'
import { resolveEndpoints } from './endpoints.ts'
import { type PendingAuthorization, pendingAuthorization } from './pending-authorization.ts'
import { generateCodeChallenge, generateCodeVerifier, randomState } from './pkce.ts'
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
  /** Appended last: `prompt`, `login_hint`, … They may replace the provider's fixed parameters, never ours. */
  extraParams?: Readonly<Record<string, string>> | undefined
  /** How long the person has, in milliseconds. Default 10 minutes. */
  lifetimeMs?: number | undefined
}

/**
 * Builds the URL to send a person to, and the record that finishes the flow when they return (R2).
 * PKCE S256 is used unless the provider row says that it is unsupported; state always.
 *
 * @throws {ConfigurationError} endpoints that are missing or cannot be found.
 * @throws {TypeError} `invalid_argument`: no redirect URI, no client id, a scope or parameter that cannot be sent.
 */
export async function authorizationUrl(
  provider: Provider,
  client: Client,
  options: AuthorizationUrlOptions = {},
): Promise<{ url: string; pending: PendingAuthorization }> {
  const resolved = await resolveEndpoints(provider, client, options)
  const scopes = requestedScopes(resolved, options)
  const pending = begin(resolved, client, scopes, options)
  const parameters = await ownParametersOf(resolved, pending, scopes)
  addExtraParameters(parameters, resolved, options)
  return { url: withParameters(resolved, parameters), pending }
}

interface RequestedScopes {
  scopes: readonly string[]
  /** For the provider's `userScopeParam`. */
  userScopes: readonly string[]
}

function requestedScopes(provider: Provider, options: AuthorizationUrlOptions): RequestedScopes {
  const list = (scopes: string | readonly string[]) =>
    typeof scopes === 'string' ? splitScopes(provider, scopes) : [...scopes]
  const userScopes = list(options.userScopes ?? [])
  if (userScopes.length > 0 && provider.userScopeParam === undefined)
    throw argumentError(`${provider.id} has one list of scopes: put userScopes into scopes.`)
  return { scopes: list(options.scopes ?? provider.defaultScopes ?? []), userScopes }
}

function begin(
  provider: Provider,
  client: Client,
  { scopes, userScopes }: RequestedScopes,
  options: AuthorizationUrlOptions,
): PendingAuthorization {
  const { redirectUri = client.redirectUri, state = randomState(), lifetimeMs = 10 * 60_000 } = options
  if (!client.clientId) throw argumentError(`The client for ${provider.id} needs a clientId.`)
  if (!redirectUri)
    throw argumentError('authorizationUrl needs a redirectUri, in its options or on the client.')
  if (state.length < 8)
    throw argumentError(
      'A state of your own needs at least 8 characters, and should be unguessable (RFC 6749 section 10.10).',
    )
  const asksForNonce = scopes.includes('openid') || provider.quirks?.includes('nonce-required') === true
  const nonce = options.nonce ?? (asksForNonce ? randomState() : undefined)
  const now = (options.now ?? Date.now)()
  return pendingAuthorization({
    version: 1,
    provider: provider.id,
    clientId: client.clientId,
    state,
    ...(provider.pkce === 'unsupported' ? {} : { codeVerifier: generateCodeVerifier() }),
    ...(nonce === undefined ? {} : { nonce }),
    redirectUri,
    scopes: [...new Set([...scopes, ...userScopes])],
    ...(provider.issuer === undefined ? {} : { issuer: provider.issuer }),
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(options.account === undefined ? {} : { account: options.account }),
    createdAt: now,
    expiresAt: now + lifetimeMs,
  })
}

async function ownParametersOf(
  provider: Provider,
  pending: PendingAuthorization,
  { scopes, userScopes }: RequestedScopes,
): Promise<URLSearchParams> {
  const parameters = new URLSearchParams()
  const set = (name: string, value: string | undefined) => {
    if (value !== undefined && value !== '') parameters.set(name, value)
  }
  set('response_type', 'code')
  set('client_id', pending.clientId)
  set('redirect_uri', pending.redirectUri)
  set(provider.scopeParam ?? 'scope', joinScopes(provider, scopes))
  if (provider.userScopeParam !== undefined) set(provider.userScopeParam, joinScopes(provider, userScopes))
  set('state', pending.state)
  if (pending.codeVerifier !== undefined) {
    const plain = provider.pkce === 'plain-only'
    set('code_challenge', plain ? pending.codeVerifier : await generateCodeChallenge(pending.codeVerifier))
    set('code_challenge_method', plain ? 'plain' : 'S256')
  }
  set('nonce', pending.nonce)
  return parameters
}

/**
 * The provider's fixed parameters, then the caller's. Only who says that there are no scopes (an empty list) may write
 * the scope parameter by hand: for lists that no separator of ours joins.
 */
function addExtraParameters(
  parameters: URLSearchParams,
  provider: Provider,
  { extraParams = {}, scopes, userScopes = [] }: AuthorizationUrlOptions,
): void {
  const scopeParameters = [provider.scopeParam ?? 'scope', provider.userScopeParam]
  const byHand = scopes?.length === 0 && userScopes.length === 0
  for (const name of Object.keys(extraParams)) {
    if (ownParameters.has(name))
      throw argumentError(`extraParams cannot replace ${quote(name)}: it secures the flow.`)
    if (scopeParameters.includes(name) && !byHand)
      throw argumentError(`extraParams cannot replace ${quote(name)}: pass the scopes as scopes.`)
  }
  for (const [name, value] of Object.entries({ ...provider.authorizationParams, ...extraParams }))
    if (value !== '' && !ownParameters.has(name)) parameters.set(name, value)
}

/** Keeps a query that the endpoint already has as it is (RFC 6749 section 3.1), unless it names one of our parameters. */
function withParameters(provider: Provider, parameters: URLSearchParams): string {
  if (provider.authorizationUrl === undefined)
    throw new ConfigurationError(
      'provider_invalid',
      `${provider.id} has no authorizationUrl, so nobody can be asked for consent. Set it, or an issuer to discover it from.`,
    )
  const url = new URL(provider.authorizationUrl)
  for (const name of parameters.keys()) if (url.searchParams.has(name)) url.searchParams.delete(name)
  url.search = `${url.search === '' ? '' : `${url.search}&`}${parameters}`
  return url.href
}
