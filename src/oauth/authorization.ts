// The authorization code grant: sending a person away, checking what comes back, exchanging the code.
// RFC 6749 section 4.1, RFC 7636 (PKCE), RFC 9207 (iss), OpenID Connect Core section 3.1.
import type * as oauth4webapi from 'oauth4webapi'
import {
  AuthorizationDeniedError,
  argumentError,
  CallbackError,
  ConfigurationError,
  InvalidResponseError,
  quote,
} from '../errors.ts'
import { joinScopes, type Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import { resolveEndpoints } from './discovery.ts'
import { type PendingAuthorization, pendingAuthorization } from './pending-authorization.ts'
import { generateCodeChallenge, generateCodeVerifier, randomState } from './pkce.ts'
import type { RequestOptions } from './request-options.ts'
import type { TokenAnswer } from './response-reader.ts'
import { protocolLibrary, requestTokens, serverMetadata } from './token-endpoint.ts'
import { TokenSet } from './token-set.ts'

/** Options of {@link authorizationUrl}. */
export interface AuthorizationUrlOptions extends RequestOptions {
  /** Where the provider sends the person back to. Default: the client's `redirectUri`. */
  redirectUri?: string | undefined
  /** Default: the provider's `defaultScopes`. */
  scopes?: readonly string[] | undefined
  /** Slack's second list, and others with a `userScopeParam`. */
  userScopes?: readonly string[] | undefined
  /** Default: a fresh random one. One that you supply is recorded and checked just the same. */
  state?: string | undefined
  /** Default: a fresh random one when `openid` is among the scopes. */
  nonce?: string | undefined
  /** Recorded in the pending authorization. */
  user?: string | undefined
  account?: string | undefined
  /** Appended last: `prompt`, `login_hint`, … They may replace the provider's fixed parameters, never ours. */
  extraParams?: Readonly<Record<string, string>> | undefined
  /** How long the person has, in milliseconds. Default 10 minutes. */
  lifetimeMs?: number | undefined
}

/** Parameters that carry the security of the flow; `extraParams` cannot replace them. */
const ownParameters = new Set([
  'response_type',
  'client_id',
  'redirect_uri',
  'state',
  'nonce',
  'code_challenge',
  'code_challenge_method',
])

/**
 * Builds the URL to send a person to, and the record that finishes the flow when they return (R2).
 * PKCE S256 is used unless the provider row says that it is unsupported; state always.
 *
 * @throws {ConfigurationError} no redirect URI, no client id, endpoints that cannot be found.
 */
export async function authorizationUrl(
  provider: Provider,
  client: Client,
  options: AuthorizationUrlOptions = {},
): Promise<{ url: string; pending: PendingAuthorization }> {
  const resolved = await resolveEndpoints(provider, client, options)
  const pending = begin(resolved, client, options)
  const challenge =
    pending.codeVerifier === undefined ? undefined : await challengeOf(resolved, pending.codeVerifier)
  return { url: buildUrl(resolved, pending, challenge, options), pending }
}

function begin(provider: Provider, client: Client, options: AuthorizationUrlOptions): PendingAuthorization {
  const redirectUri = options.redirectUri ?? client.redirectUri
  if (!client.clientId) throw argumentError(`The client for ${provider.id} needs a clientId.`)
  if (redirectUri === undefined)
    throw argumentError('authorizationUrl needs a redirectUri, in its options or on the client.')
  if (options.state !== undefined && options.state.length < 8)
    throw argumentError(
      'A state of your own needs at least 8 characters, and should be unguessable (RFC 6749 section 10.10).',
    )
  const now = (options.now ?? Date.now)()
  const requested = options.scopes ?? provider.defaultScopes ?? []
  const scopes = [...new Set([...requested, ...(options.userScopes ?? [])])]
  const nonce = options.nonce ?? (requested.includes('openid') ? randomState() : undefined)
  return pendingAuthorization({
    version: 1,
    provider: provider.id,
    clientId: client.clientId,
    state: options.state ?? randomState(),
    ...(provider.pkce === 'unsupported' ? {} : { codeVerifier: generateCodeVerifier() }),
    ...(nonce === undefined ? {} : { nonce }),
    redirectUri,
    scopes,
    ...(provider.issuer === undefined ? {} : { issuer: provider.issuer }),
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(options.account === undefined ? {} : { account: options.account }),
    createdAt: now,
    expiresAt: now + (options.lifetimeMs ?? 10 * 60_000),
  })
}

interface Challenge {
  method: 'S256' | 'plain'
  challenge: string
}

async function challengeOf(provider: Provider, verifier: string): Promise<Challenge> {
  if (provider.pkce === 'plain-only') return { method: 'plain', challenge: verifier }
  return { method: 'S256', challenge: await generateCodeChallenge(verifier) }
}

function buildUrl(
  provider: Provider,
  pending: PendingAuthorization,
  challenge: Challenge | undefined,
  options: AuthorizationUrlOptions,
): string {
  if (provider.authorizationUrl === undefined)
    throw new ConfigurationError(
      'provider_invalid',
      `${provider.id} has no authorizationUrl, so nobody can be asked for consent. Set it, or an issuer to discover it from.`,
    )
  const url = new URL(provider.authorizationUrl)
  const userScopes = new Set(options.userScopes)
  const scopes = pending.scopes.filter((scope) => !userScopes.has(scope))
  const set = (name: string, value: string | undefined) => {
    if (value !== undefined && value !== '') url.searchParams.set(name, value)
  }
  set('response_type', 'code')
  set('client_id', pending.clientId)
  set('redirect_uri', pending.redirectUri)
  set(provider.scopeParam ?? 'scope', joinScopes(provider, scopes))
  if (provider.userScopeParam !== undefined)
    set(provider.userScopeParam, joinScopes(provider, [...userScopes]))
  set('state', pending.state)
  set('code_challenge', challenge?.challenge)
  set('code_challenge_method', challenge?.method)
  set('nonce', pending.nonce)
  const extra = { ...provider.authorizationParams, ...options.extraParams }
  for (const [name, value] of Object.entries(extra)) {
    if (ownParameters.has(name))
      throw argumentError(`extraParams cannot replace ${quote(name)}: it secures the flow.`)
    set(name, value)
  }
  return url.href
}

/** Where a callback can come from: the whole redirected URL, its query, or its parameters. */
export type Callback = string | URL | URLSearchParams

/** The parameters of a callback. */
export function callbackParameters(callback: Callback): URLSearchParams {
  if (callback instanceof URLSearchParams) return callback
  if (callback instanceof URL) return callback.searchParams
  const text = callback.trim()
  if (URL.canParse(text)) return new URL(text).searchParams
  const query = text.slice(text.indexOf('?') + 1)
  if (query.includes('=')) return new URLSearchParams(query)
  throw new CallbackError(
    'callback_invalid',
    'This is not a redirected URL: it has no parameters. Paste the whole address, from http to the end.',
  )
}

/** The `state` of a callback, to find its pending authorization by; `undefined` when missing, empty or doubled. */
export function callbackState(callback: Callback): string | undefined {
  const states = callbackParameters(callback).getAll('state')
  return states.length === 1 && states[0] !== '' ? states[0] : undefined
}

/** What a callback that passed every check says. */
export interface CallbackAnswer {
  code: string
  /** The further parameters that the provider row lists in `callbackParams` (P29). */
  extra: Record<string, string>
}

/**
 * Checks a callback against its pending authorization: state first, then doubled parameters, expiry, issuer, error (R3).
 * Sends nothing.
 *
 * @throws {CallbackError} it must not be used; the right one may still come.
 * @throws {AuthorizationDeniedError} the person or the provider refused.
 */
export function readCallback(
  provider: Provider,
  pending: PendingAuthorization,
  callback: Callback,
  options: Pick<RequestOptions, 'now'> = {},
): CallbackAnswer {
  const parameters = callbackParameters(callback)
  assertState(parameters, pending)
  for (const name of ['code', 'iss', 'error', 'error_description'])
    if (parameters.getAll(name).length > 1)
      throw new CallbackError(
        'duplicate_parameter',
        `The callback repeats ${name} (RFC 6749 section 3.1). It was not used.`,
      )
  if ((options.now ?? Date.now)() > pending.expiresAt)
    throw new CallbackError('authorization_expired', 'This authorization took too long. Start it again.')
  assertIssuer(parameters, pending, provider)
  const error = parameters.get('error')
  if (error !== null)
    throw new AuthorizationDeniedError(provider.id, error, parameters.get('error_description') ?? undefined)
  const code = parameters.get('code')
  if (code === null || code === '')
    throw new CallbackError(
      'code_missing',
      'The callback has neither a code nor an error. Paste the whole redirected URL.',
    )
  return { code, extra: keptParameters(provider, parameters) }
}

function assertState(parameters: URLSearchParams, pending: PendingAuthorization): void {
  const states = parameters.getAll('state')
  if (states.length > 1)
    throw new CallbackError(
      'duplicate_parameter',
      'The callback repeats state (RFC 6749 section 3.1). It was not used.',
    )
  if (states[0] === undefined || states[0] === '')
    throw new CallbackError(
      'state_missing',
      'The callback has no state, so nobody can tell who began it. It was not used.',
    )
  if (!sameText(states[0], pending.state))
    throw new CallbackError(
      'state_mismatch',
      'The state of the callback is not the one that was sent. It was not used.',
    )
}

/** Compares without telling by its duration where two texts differ. */
function sameText(left: string, right: string): boolean {
  let difference = left.length ^ right.length
  for (let index = 0; index < left.length; index += 1)
    difference |= left.charCodeAt(index) ^ right.charCodeAt(index % Math.max(right.length, 1))
  return difference === 0
}

/** RFC 9207 section 2.4: an `iss` that is present must match; a promised one must be present. */
function assertIssuer(parameters: URLSearchParams, pending: PendingAuthorization, provider: Provider): void {
  const issuer = parameters.get('iss')
  if (issuer === null) {
    if (provider.issParameterSupported !== true) return
    throw new CallbackError(
      'issuer_mismatch',
      `${provider.id} promises iss in the callback, and it is missing. It was not used.`,
    )
  }
  if (pending.issuer === undefined || provider.issuerVaries === true) return
  if (issuer !== pending.issuer)
    throw new CallbackError(
      'issuer_mismatch',
      `The callback comes from the issuer ${quote(issuer)}, not from ${quote(pending.issuer)} (RFC 9207). It was not used.`,
    )
}

function keptParameters(provider: Provider, parameters: URLSearchParams): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const name of provider.callbackParams ?? []) {
    const value = parameters.get(name)
    if (value !== null) kept[name] = value
  }
  return kept
}

/** A bare code, from a caller who has checked the state in another way, and says so. */
export interface BareCode {
  code: string
  stateCheckedElsewhere: true
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
  options: RequestOptions = {},
): Promise<TokenSet> {
  assertSamePair(provider, client, pending)
  const resolved = await resolveEndpoints(provider, client, options)
  const { code, extra } = isBareCode(callback)
    ? { code: callback.code, extra: {} }
    : readCallback(resolved, pending, callback, options)
  const answer = await requestTokens(
    { provider: resolved, client },
    {
      name: 'authorization_code',
      secrets: [code, pending.codeVerifier],
      build: ({ library, server, client: us, authentication, options: callOptions }) =>
        library.authorizationCodeGrantRequest(
          server,
          us,
          authentication,
          library.validateAuthResponse(
            { issuer: server.issuer },
            us,
            new URLSearchParams({ code }),
            library.skipStateCheck,
          ),
          pending.redirectUri,
          pending.codeVerifier ?? library.nopkce,
          { ...callOptions, additionalParameters: { ...resolved.tokenParams } },
        ),
    },
    options,
  )
  await validateIdToken(resolved, client, answer, pending, options)
  return tokenSetFrom(answer, pending, extra, options)
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

/**
 * Checks the id_token's claims when the issuer is known: iss, aud, azp, exp, iat, nonce (OpenID Connect Core
 * section 3.1.3.7; its signature is vouched for by TLS to the token endpoint, rule 6).
 */
async function validateIdToken(
  provider: Provider,
  client: Client,
  answer: TokenAnswer,
  pending: PendingAuthorization,
  options: RequestOptions,
): Promise<void> {
  if (answer.idToken === undefined || provider.issuer === undefined) return
  const library = await protocolLibrary()
  const body = { access_token: answer.accessToken, token_type: 'bearer', id_token: answer.idToken }
  const expectation = pending.nonce === undefined ? {} : { expectedNonce: pending.nonce }
  const us = {
    client_id: client.clientId,
    [library.clockSkew]: clockSkewSeconds(options),
    [library.clockTolerance]: 30,
  }
  try {
    await library.processAuthorizationCodeResponse(
      issuerRules(provider, answer.idToken),
      us,
      Response.json(body),
      expectation,
    )
  } catch (cause) {
    throw new InvalidResponseError(
      'id_token_invalid',
      `${provider.id} sent an id_token that is not for this sign-in (issuer, audience, time or nonce). Nothing was kept; start again.`,
      { cause: nameOnly(cause) },
    )
  }
}

/** The library compares with its own clock; an injected one is a skew to it. */
function clockSkewSeconds(options: RequestOptions): number {
  return options.now === undefined ? 0 : Math.round((options.now() - Date.now()) / 1000)
}

/** The library's error carries claims and tokens in its `cause`; only its words go on. */
function nameOnly(error: unknown): Error {
  return new Error(error instanceof Error ? error.message : 'invalid')
}

/**
 * Where the issuer differs by tenant, the tenant that the id_token names takes the template's place: the `tid`
 * rule of Microsoft's documentation. Everything else of the issuer must still be equal.
 */
function issuerRules(provider: Provider, idToken: string): oauth4webapi.AuthorizationServer {
  const server = serverMetadata(provider)
  const tenant = provider.issuerVaries === true ? unverifiedClaims(idToken)['tid'] : undefined
  if (typeof tenant !== 'string' || !/^[\w-]{1,64}$/.test(tenant)) return server
  return { ...server, issuer: server.issuer.replace(/\/(common|organizations|consumers)\//, `/${tenant}/`) }
}

function unverifiedClaims(idToken: string): Record<string, unknown> {
  try {
    const payload = (idToken.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')
    const claims: unknown = JSON.parse(atob(payload))
    return typeof claims === 'object' && claims !== null ? { ...claims } : {}
  } catch {
    return {}
  }
}

function tokenSetFrom(
  answer: TokenAnswer,
  pending: PendingAuthorization,
  callbackExtra: Record<string, string>,
  options: RequestOptions,
): TokenSet {
  const now = (options.now ?? Date.now)()
  return new TokenSet({
    accessToken: answer.accessToken,
    refreshToken: answer.refreshToken,
    idToken: answer.idToken,
    expiresAt: typeof answer.expiresAt === 'number' ? new Date(answer.expiresAt) : null,
    receivedAt: new Date(now),
    scopes: answer.scopes ?? pending.scopes,
    extra: { ...callbackExtra, ...answer.extra },
    raw: answer.raw,
  })
}
