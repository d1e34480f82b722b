// One authorization request: its parameters, the record that finishes it, and how it travels (URL, signed, pushed).
// RFC 6749 section 4.1.1, RFC 7636 (PKCE), RFC 8707, RFC 9126, RFC 9396, OpenID Connect Core section 3.1.2.1.
import { argumentError, ConfigurationError, quote } from '../errors.ts'
import { joinScopes, ownParameters, type Provider, splitScopes } from '../providers/index.ts'
import type { AuthorizationUrl, AuthorizationUrlOptions } from './authorization.ts'
import type { Client } from './client.ts'
import { dpopThumbprint, generateDpopKey, usesDpop } from './dpop-key.ts'
import { resolveEndpoints } from './endpoints.ts'
import { type PendingAuthorization, pendingAuthorization } from './pending-authorization.ts'
import { generateCodeChallenge, generateCodeVerifier, randomState } from './pkce.ts'
import { type RequestDetails, requestDetails } from './request-details.ts'
import { authorizationFragment, withAuthorizationQuirks } from './request-quirks.ts'
import { withResources } from './resource-indicators.ts'

/** What an authorization may answer with: see {@link PendingAuthorization.responseType}. */
export type ResponseType = NonNullable<PendingAuthorization['responseType']>

/** See `authorizationUrl` and `implicitUrl`. */
export async function authorizationRequest(
  provider: Provider,
  client: Client,
  responseType: ResponseType,
  options: AuthorizationUrlOptions,
): Promise<AuthorizationUrl> {
  const resolved = await resolveEndpoints(provider, client, options, neededEndpoints(provider, options))
  assertAuthorizationUrl(resolved)
  const asked = requestedScopes(resolved, options)
  const details = requestDetails(resolved, client, responseType, options)
  const pending = begin(resolved, client, asked, details, responseType, options)
  const bound = usesDpop(resolved, client) && responseType.includes('code')
  const complete = bound ? pendingAuthorization({ ...pending, dpopKey: await generateDpopKey() }) : pending
  const parameters = await ownParametersOf(resolved, complete, asked)
  addDetails(parameters, details)
  addExtraParameters(parameters, resolved, options)
  return send(resolved, client, complete, parameters, options)
}

/** Discovery for a row that has its endpoints only where the request cannot be sent without it. */
function neededEndpoints(provider: Provider, options: AuthorizationUrlOptions) {
  const pushes = options.pushed === true || provider.pushedAuthorizationRequired === true
  return pushes ? (['pushedAuthorizationUrl'] as const) : []
}

function assertAuthorizationUrl(
  provider: Provider,
): asserts provider is Provider & { authorizationUrl: string } {
  if (provider.authorizationUrl !== undefined) return
  throw new ConfigurationError(
    'provider_invalid',
    `${provider.id} has no authorizationUrl, so nobody can be asked for consent. ${whatInstead(provider)}`,
  )
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
  { responseMode, maxAge, resources }: RequestDetails,
  responseType: ResponseType,
  options: AuthorizationUrlOptions,
): PendingAuthorization {
  const { redirectUri = client.redirectUri, state = randomState(), lifetimeMs = 10 * 60_000 } = options
  assertBeginning(provider, client, redirectUri, state)
  const nonce = options.nonce ?? (asksForNonce(provider, scopes, responseType) ? randomState() : undefined)
  const now = (options.now ?? Date.now)()
  const verified = responseType.includes('code') && provider.pkce !== 'unsupported'
  return pendingAuthorization({
    version: 1,
    provider: provider.id,
    clientId: client.clientId,
    state,
    ...(verified ? { codeVerifier: generateCodeVerifier() } : {}),
    ...(nonce === undefined ? {} : { nonce }),
    redirectUri,
    scopes: [...new Set([...scopes, ...userScopes])],
    ...(provider.issuer === undefined ? {} : { issuer: provider.issuer }),
    ...(responseMode === undefined ? {} : { responseMode }),
    ...(responseType === 'code' ? {} : { responseType }),
    ...(maxAge === undefined ? {} : { maxAge }),
    ...(resources.length === 0 ? {} : { resources }),
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(options.account === undefined ? {} : { account: options.account }),
    createdAt: now,
    expiresAt: now + lifetimeMs,
  })
}

function assertBeginning(
  provider: Provider,
  client: Client,
  redirectUri: string | undefined,
  state: string,
): asserts redirectUri is string {
  if (!client.clientId) throw argumentError(`The client for ${provider.id} needs a clientId.`)
  if (!redirectUri)
    throw argumentError('authorizationUrl needs a redirectUri, in its options or on the client.')
  if (state.length < 8)
    throw argumentError(
      'A state of your own needs at least 8 characters, and should be unguessable (RFC 6749 section 10.10).',
    )
}

function asksForNonce(provider: Provider, scopes: readonly string[], responseType: ResponseType): boolean {
  const named = scopes.includes('openid') || responseType.includes('id_token')
  return named || provider.quirks?.includes('nonce-required') === true
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
  set('response_type', pending.responseType ?? 'code')
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
  set('dpop_jkt', pending.dpopKey === undefined ? undefined : await dpopThumbprint(pending.dpopKey))
  return parameters
}

function addDetails(parameters: URLSearchParams, details: RequestDetails): void {
  const { responseMode, maxAge, resources, authorizationDetails } = details
  if (responseMode !== undefined) parameters.set('response_mode', responseMode)
  if (maxAge !== undefined) parameters.set('max_age', String(maxAge))
  withResources(parameters, resources)
  if (authorizationDetails.length > 0)
    parameters.set('authorization_details', JSON.stringify(authorizationDetails))
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
  const byOption = new Set(['response_mode', 'max_age', 'resource', 'authorization_details'])
  for (const [name, value] of Object.entries({ ...provider.authorizationParams, ...extraParams }))
    if (value !== '' && !ownParameters.has(name) && !(byOption.has(name) && parameters.has(name)))
      parameters.set(name, value)
}

/** Signs and pushes what is to be signed and pushed, and makes the URL. */
async function send(
  provider: Provider & { authorizationUrl: string },
  client: Client,
  pending: PendingAuthorization,
  parameters: URLSearchParams,
  options: AuthorizationUrlOptions,
): Promise<AuthorizationUrl> {
  const signs = client.requestObject ?? provider.requestObject === 'required'
  const request = signs ? await signed(provider, client, pending, parameters, options) : parameters
  if (!isPushed(provider, options)) return { url: withParameters(provider, request), pending }
  const { pushAuthorization } = await import('./pushed-authorization.ts')
  const { requestUri, expiresAt } = await pushAuthorization(provider, client, pending, request, options)
  const reference = new URLSearchParams({ client_id: pending.clientId, request_uri: requestUri })
  const url = withParameters(provider, reference)
  return { url, pending, ...(expiresAt === undefined ? {} : { urlExpiresAt: new Date(expiresAt) }) }
}

async function signed(
  provider: Provider,
  client: Client,
  pending: PendingAuthorization,
  parameters: URLSearchParams,
  options: AuthorizationUrlOptions,
): Promise<URLSearchParams> {
  const { requestObject } = await import('./request-object.ts')
  return requestObject(provider, client, pending, parameters, options)
}

function isPushed(provider: Provider, { pushed }: AuthorizationUrlOptions): boolean {
  const { id, pushedAuthorizationUrl: url, pushedAuthorizationRequired: required = false } = provider
  if (pushed === false && required)
    throw argumentError(`${id} takes pushed authorization requests only: leave pushed: false out.`)
  if (url !== undefined) return pushed === 'when-required' ? required : pushed !== false
  if (!required && pushed !== true) return false
  throw new ConfigurationError(
    'provider_invalid',
    `${id} is to be sent pushed authorization requests (RFC 9126) and has no pushedAuthorizationUrl. Set it, or an issuer to discover it from.`,
  )
}

/** Keeps a query that the endpoint already has as it is (RFC 6749 section 3.1), unless it names one of our parameters. */
function withParameters(
  provider: Provider & { authorizationUrl: string },
  standard: URLSearchParams,
): string {
  const url = new URL(provider.authorizationUrl)
  const parameters = withAuthorizationQuirks(provider, standard)
  for (const name of parameters.keys()) if (url.searchParams.has(name)) url.searchParams.delete(name)
  url.search = `${url.search === '' ? '' : `${url.search}&`}${parameters}`
  const fragment = authorizationFragment(provider)
  if (fragment !== undefined) url.hash = fragment
  return url.href
}

/** Where the row says that there is no person, consent is the wrong question. */
function whatInstead({ refresh }: Provider): string {
  if (refresh === 'client-credentials')
    return 'Our client asks for itself there: vault.connectClient, or toolgrant connect.'
  if (refresh === 'session') return 'It takes a name and an app password: sessionTokenGrant.'
  return 'Set it, or an issuer to discover it from.'
}
