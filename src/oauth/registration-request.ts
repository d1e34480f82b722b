// Registering a client, and reading, changing and ending its registration.
// RFC 7591 section 3, RFC 7592 section 2. What comes back is checked before anything is kept of it.
import { argumentError, ConfigurationError, InvalidResponseError, TokenEndpointError } from '../errors.ts'
import { type Provider, type TokenEndpointAuthMethod, tokenEndpointAuthMethods } from '../providers/index.ts'
import { type JsonObject, parseBody } from './answer-body.ts'
import { resolveEndpoints } from './endpoints.ts'
import { assertMetadataUrl } from './metadata-url.ts'
import { type ClientMetadata, wireMetadata } from './registered-metadata.ts'
import type { ClientRegistration, RegistrationOptions } from './registration.ts'
import type { RequestOptions } from './request-options.ts'
import { throwIfNotSuccess } from './response-reader.ts'
import { isToken } from './token-set.ts'
import { type Answer, exchange } from './transport.ts'

/** One request about a registration. */
interface RegistrationCall {
  name: 'registration' | 'client management'
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  url: string
  token: string | undefined
  /** What a careless answer may quote besides. */
  secret?: string | undefined
  body?: Readonly<Record<string, unknown>> | undefined
}

/** Behind `registerClient` of registration.ts, which documents it. */
export async function registrationRequest(
  provider: Provider,
  metadata: ClientMetadata,
  options: RegistrationOptions,
): Promise<ClientRegistration> {
  const resolved = await resolveEndpoints(provider, undefined, options, ['registrationEndpointUrl'])
  const { registrationEndpointUrl: url } = resolved
  if (url === undefined)
    throw new ConfigurationError(
      'provider_invalid',
      `${provider.id} has no registration endpoint: register the client by hand, or set registrationEndpointUrl in the provider.`,
    )
  const body = wireMetadata(metadata)
  const call = { name: 'registration', method: 'POST', url, token: options.initialAccessToken, body } as const
  const answer = await send(resolved, call, options)
  return toRegistration(resolved, url, answer, body, undefined, options)
}

/** Behind `readRegistration` and `updateRegistration` of registration.ts, which documents them. */
export async function managementRequest(
  method: 'GET' | 'PUT',
  provider: Provider,
  registration: ClientRegistration,
  changes: ClientMetadata | undefined,
  options: RequestOptions,
): Promise<ClientRegistration> {
  const { url, token } = managementOf(provider, registration)
  const { clientSecret: secret } = registration
  const body = changes === undefined ? undefined : wholeOf(registration, changes)
  const answer = await send(
    provider,
    { name: 'client management', method, url, token, secret, body },
    options,
  )
  return toRegistration(provider, url, answer, body ?? {}, registration, options)
}

/** Behind `deleteRegistration` of registration.ts, which documents it. */
export async function deletionRequest(
  provider: Provider,
  registration: ClientRegistration,
  options: RequestOptions,
): Promise<void> {
  const { url, token } = managementOf(provider, registration)
  const { clientSecret: secret } = registration
  await send(provider, { name: 'client management', method: 'DELETE', url, token, secret }, options)
}

function managementOf(
  provider: Provider,
  { provider: owner, managementUrl: url, managementToken: token }: ClientRegistration,
): { url: string; token: string } {
  if (owner !== provider.id)
    throw argumentError(`This registration belongs to ${owner}, and was handed ${provider.id}.`)
  if (url !== undefined && token !== undefined) return { url, token }
  throw argumentError(
    `${provider.id} gave no way to manage this registration (registration_client_uri): do it on the provider's own pages.`,
  )
}

const setByServer = [
  'registration_access_token',
  'registration_client_uri',
  'client_secret_expires_at',
  'client_id_issued_at',
]

/** RFC 7592 section 2.2: the whole, without what only the server sets. */
function wholeOf(registration: ClientRegistration, changes: ClientMetadata): Record<string, unknown> {
  const { clientId, clientSecret, metadata } = registration
  const known = Object.entries(metadata).filter(([name]) => !setByServer.includes(name))
  return {
    ...Object.fromEntries(known),
    ...wireMetadata(changes),
    client_id: clientId,
    ...(clientSecret === undefined ? {} : { client_secret: clientSecret }),
  }
}

async function send(provider: Provider, call: RegistrationCall, options: RequestOptions): Promise<Answer> {
  const { name, method, url, token, body } = call
  const headers = {
    accept: 'application/json',
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  }
  const text = body === undefined ? {} : { body: JSON.stringify(body) }
  const answer = await exchange({ who: provider.id, what: name, url, method, headers, ...text }, options)
  const sent = [token, call.secret, body?.['client_secret'], body?.['software_statement']]
  const secrets = sent.filter((secret): secret is string => typeof secret === 'string')
  const now = (options.now ?? Date.now)()
  if (answer.status === 401 && parseBody(answer.text)?.['error'] === undefined)
    throw new TokenEndpointError({
      provider: provider.id,
      status: 401,
      error: 'invalid_token',
      request: name,
    })
  throwIfNotSuccess(answer, { provider, request: name, secrets, now })
  return answer
}

function toRegistration(
  provider: Provider,
  endpoint: string,
  answer: Answer,
  asked: Readonly<Record<string, unknown>>,
  before: ClientRegistration | undefined,
  options: RequestOptions,
): ClientRegistration {
  const found = parseBody(answer.text) ?? {}
  const { client_id: clientId } = found
  if (!isToken(clientId) || (before !== undefined && before.clientId !== clientId))
    throw unusable(provider, answer, before === undefined ? 'a client_id' : 'the client_id of this client')
  const { client_secret: _secret, registration_access_token: _token, ...metadata } = found
  const registration: ClientRegistration = {
    version: 1,
    provider: provider.id,
    clientId,
    ...secretIn(provider, answer, found, before),
    ...factsIn(provider, answer, found, asked),
    ...managementIn(provider, answer, found, endpoint, before, options),
    changed: Object.keys(asked).filter((name) => isChanged(name, asked[name], found[name])),
    metadata: Object.freeze(metadata),
  }
  return hidden(registration)
}

function secretIn(
  provider: Provider,
  answer: Answer,
  found: JsonObject,
  before: ClientRegistration | undefined,
): Pick<ClientRegistration, 'clientSecret' | 'clientSecretExpiresAt'> {
  const { client_secret: sent, client_secret_expires_at: end } = found
  const clientSecret = sent ?? before?.clientSecret
  if (clientSecret === undefined) return {}
  if (typeof clientSecret !== 'string' || clientSecret === '')
    throw unusable(provider, answer, 'a client_secret that is text')
  // 0: it does not end (RFC 7591 section 3.2.1).
  const ends = typeof end === 'number' && end > 0
  return { clientSecret, ...(ends ? { clientSecretExpiresAt: end * 1000 } : {}) }
}

function factsIn(
  provider: Provider,
  answer: Answer,
  found: JsonObject,
  asked: Readonly<Record<string, unknown>>,
): Pick<ClientRegistration, 'tokenEndpointAuthMethod' | 'redirectUris' | 'idTokenSigningAlg' | 'dpopBound'> {
  const { token_endpoint_auth_method: method, redirect_uris: uris, id_token_signed_response_alg: alg } = found
  if (method !== undefined && !isMethod(method))
    throw unusable(provider, answer, 'a token_endpoint_auth_method that this version speaks')
  if (uris !== undefined && !(Array.isArray(uris) && uris.every((uri) => typeof uri === 'string')))
    throw unusable(provider, answer, 'redirect_uris that are a list of texts')
  const redirectUris = agreedUris(uris ?? [], asked['redirect_uris'])
  return {
    ...(method === undefined ? {} : { tokenEndpointAuthMethod: method }),
    ...(redirectUris.length === 0 ? {} : { redirectUris: Object.freeze(redirectUris) }),
    ...(typeof alg === 'string' && alg !== 'none' ? { idTokenSigningAlg: alg } : {}),
    ...(found['dpop_bound_access_tokens'] === true ? { dpopBound: true } : {}),
  }
}

/**
 * A server may change what it registers (RFC 7591 section 3.2.1), but people are sent back to us: to a URI that we asked
 * for, never to one that only the server names. That it names others is in `changed`.
 */
function agreedUris(found: readonly string[], asked: unknown): string[] {
  if (!Array.isArray(asked) || asked.length === 0) return [...found]
  const href = (uri: unknown) => (URL.canParse(String(uri)) ? new URL(String(uri)).href : uri)
  const ours = new Set(asked.map(href))
  return found.filter((uri) => ours.has(href(uri)))
}

/** The token goes to that URL: it must be as safe as the endpoint that named it. */
function managementIn(
  provider: Provider,
  answer: Answer,
  found: JsonObject,
  endpoint: string,
  before: ClientRegistration | undefined,
  options: RequestOptions,
): Pick<ClientRegistration, 'managementUrl' | 'managementToken'> {
  const managementUrl = found['registration_client_uri'] ?? before?.managementUrl
  const managementToken = found['registration_access_token'] ?? before?.managementToken
  if (managementUrl === undefined || managementToken === undefined) return {}
  if (typeof managementUrl !== 'string' || !isToken(managementToken))
    throw unusable(provider, answer, 'a registration_client_uri and registration_access_token that are texts')
  assertMetadataUrl(`The registration_client_uri of ${provider.id}`, managementUrl, endpoint, options)
  return { managementUrl, managementToken }
}

function isMethod(method: unknown): method is TokenEndpointAuthMethod {
  return tokenEndpointAuthMethods.some((known) => known === method)
}

/** A server need not repeat what it does not keep, such as a statement; the order of a list says nothing. */
function isChanged(name: string, asked: unknown, found: unknown): boolean {
  if (name === 'client_secret' || found === undefined) return false
  const sorted = (value: unknown) =>
    name === 'scope' ? String(value).split(' ').sort() : Array.isArray(value) ? [...value].sort() : value
  return JSON.stringify(sorted(asked)) !== JSON.stringify(sorted(found))
}

function unusable(provider: Provider, { status }: Answer, what: string): InvalidResponseError {
  return new InvalidResponseError(
    'response_not_oauth',
    `${provider.id} answered the registration request without ${what} (RFC 7591 section 3.2.1). Register the client by hand.`,
    { status },
  )
}

/** Keeps `inspect` (and so `console.log`) from showing the secrets; JSON still does. */
function hidden(registration: ClientRegistration): ClientRegistration {
  const { clientSecret, managementToken, ...rest } = registration
  const shown = {
    ...rest,
    ...(clientSecret === undefined ? {} : { clientSecret: '[redacted]' }),
    ...(managementToken === undefined ? {} : { managementToken: '[redacted]' }),
  }
  const inspect = { value: () => shown, enumerable: false }
  return Object.freeze(Object.defineProperty(registration, Symbol.for('nodejs.util.inspect.custom'), inspect))
}
