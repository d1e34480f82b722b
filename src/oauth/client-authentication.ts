// How the client proves who it is at every endpoint that asks: token, revocation, introspection, PAR and the others.
// RFC 6749 section 2.3, RFC 7523 section 2.2, RFC 8705 section 2; explicit, never probed by sending a code twice.
import type * as oauth4webapi from 'oauth4webapi'
import { ConfigurationError } from '../errors.ts'
import type { Provider, TokenEndpointAuthMethod } from '../providers/index.ts'
import type { ClientKey, Registration } from './client.ts'
import { quirkValue } from './quirk.ts'
import type { RequestOptions } from './request-options.ts'

type Library = typeof oauth4webapi

/** Methods that are nothing without a secret. */
const secretMethods = new Set<TokenEndpointAuthMethod>([
  'client_secret_basic',
  'client_secret_post',
  'json_body',
  'client_secret_jwt',
  'client_assertion_secret',
  'client_secret_hash',
  'client_secret_header',
])

const jwtBearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/**
 * The method in force: the client's own choice, else the provider's, else `client_secret_basic` with a secret
 * (RFC 6749 section 2.3.1). A client without a secret signs with its private key when it has one, and is a public one
 * when it has none: `none`, unless it chose otherwise itself.
 *
 * @throws {ConfigurationError} `client_missing` when the client itself chose a method that needs a secret, and has none.
 */
export function clientAuthenticationMethod({ provider, client }: Registration): TokenEndpointAuthMethod {
  const method = client.tokenEndpointAuthMethod ?? provider.tokenEndpointAuthMethod ?? 'client_secret_basic'
  if (client.clientSecret || !secretMethods.has(method)) return method
  if (client.tokenEndpointAuthMethod === undefined)
    return client.privateKey === undefined ? 'none' : 'private_key_jwt'
  throw new ConfigurationError(
    'client_missing',
    `The client for ${provider.id} has tokenEndpointAuthMethod ${method} and no clientSecret. Set the secret, or tokenEndpointAuthMethod: "none" for a public client.`,
  )
}

/** Whether requests go to the endpoints for clients with a TLS certificate, where there are any (RFC 8705 section 5). */
export function presentsCertificate(registration: Registration): boolean {
  const { provider, client } = registration
  if (provider.mtlsEndpoints === undefined) return false
  if (provider.certificateBoundTokens === true) return true
  if (client.authenticate !== undefined) return false
  return /^(self_signed_)?tls_client_auth$/.test(clientAuthenticationMethod(registration))
}

/**
 * Adds the client's proof to a request. A client with an `authenticate` of its own sends its id, and the rest is up to
 * that function.
 *
 * @throws {ConfigurationError} `client_missing` without the key that the method needs; `provider_invalid` for a
 *   method that only `authenticate` can speak.
 */
export async function clientAuthentication(
  library: Library,
  registration: Registration,
  options: RequestOptions = {},
): Promise<oauth4webapi.ClientAuth> {
  if (registration.client.authenticate !== undefined) return library.None()
  const method = clientAuthenticationMethod(registration)
  const secret = registration.client.clientSecret ?? ''
  switch (method) {
    case 'none':
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth':
      return library.None()
    case 'client_secret_post':
    case 'json_body':
      return library.ClientSecretPost(secret)
    case 'client_secret_basic':
      return basic(secret, registration.provider)
    case 'client_secret_jwt':
      return library.ClientSecretJwt(secret, assertion(library, registration, options))
    case 'private_key_jwt':
      return privateKeyJwt(library, registration, options)
    case 'client_assertion_secret':
      return assertionSecret(secret)
    case 'client_secret_hash':
      return secretHash(secret)
    case 'client_secret_header':
      return secretHeader(secret, registration.provider)
    default:
      throw new ConfigurationError(
        'provider_invalid',
        `${registration.provider.id} authenticates clients by ${method}, which differs from provider to provider. Sign the request in the client's own authenticate function.`,
      )
  }
}

async function privateKeyJwt(
  library: Library,
  registration: Registration,
  options: RequestOptions,
): Promise<oauth4webapi.ClientAuth> {
  const { provider, client } = registration
  if (client.privateKey === undefined)
    throw new ConfigurationError(
      'client_missing',
      `The client for ${provider.id} authenticates by private_key_jwt and has no privateKey. Set it; its public key is registered with the provider.`,
    )
  const { key, kid, alg, header } = await signing(client.privateKey)
  const modify = assertion(library, registration, options, { ...header, alg })
  return library.PrivateKeyJwt(kid === undefined ? key : { key, kid }, modify)
}

async function signing(privateKey: ClientKey) {
  const { signingKey } = await import('./private-key.ts')
  return signingKey(privateKey)
}

/** What differs from the library's own assertion: whom it is for, our clock, and our key's own header. */
function assertion(
  library: Library,
  { provider }: Registration,
  { now }: RequestOptions,
  ownHeader: Readonly<Record<string, unknown>> = {},
): oauth4webapi.ModifyAssertionOptions {
  const skewSeconds = now === undefined ? 0 : Math.round((now() - Date.now()) / 1000)
  return {
    [library.modifyAssertion]: (header, payload) => {
      Object.assign(header, ownHeader)
      payload['aud'] = assertionAudience(provider)
      for (const name of ['iat', 'nbf', 'exp']) payload[name] = Number(payload[name]) + skewSeconds
    },
  }
}

/**
 * Whom a client assertion is for: the issuer, where it is known (draft-ietf-oauth-rfc7523bis section 2), else the
 * token endpoint (RFC 7523 section 3). The quirk `assertion-audience:<value>` says what a provider wants instead;
 * `token-endpoint` stands for its URL.
 */
export function assertionAudience(provider: Provider): string {
  const { issuer, issuerVaries, tokenUrl } = provider
  const wanted = quirkValue(provider, 'assertion-audience')
  if (wanted !== undefined && wanted !== 'token-endpoint') return wanted
  // Its own metadata may say that an issuer varies, and name another server's endpoint as the audience.
  const varies = issuerVaries === true && hostOf(tokenUrl) === hostOf(issuer)
  const known = wanted === undefined && !varies ? issuer : undefined
  return known ?? tokenUrl ?? issuer ?? provider.id
}

function hostOf(url: string | undefined): string | undefined {
  return url === undefined || !URL.canParse(url) ? undefined : new URL(url).host
}

/**
 * HTTP Basic with id and secret form-encoded first (RFC 6749 section 2.3.1, appendix B). Written here because
 * the library also encodes `-`, `.` and `_`, which form encoding leaves alone and many servers do not decode.
 */
function basic(secret: string, provider: Provider): oauth4webapi.ClientAuth {
  const encode =
    provider.quirks?.includes('basic-auth-unencoded') === true ? (text: string) => text : formEncode
  const secretFirst = provider.quirks?.includes('basic-secret-as-username') === true
  return (_server, client, _body, headers) => {
    const pair = secretFirst ? [secret, ''] : [client.client_id, secret]
    headers.set('authorization', `Basic ${btoa(latin1(pair.map(encode).join(':')))}`)
  }
}

/** The secret in place of a signed assertion (Azure DevOps before Entra). */
function assertionSecret(secret: string): oauth4webapi.ClientAuth {
  return (_server, client, body) => {
    body.set('client_id', client.client_id)
    body.set('client_assertion_type', jwtBearer)
    body.set('client_assertion', secret)
  }
}

/** SHA-256 over secret and code, or secret and refresh token, joined by a bar, in hexadecimal (Smartsheet). */
function secretHash(secret: string): oauth4webapi.ClientAuth {
  return async (_server, client, body) => {
    const grant = body.get('code') ?? body.get('refresh_token') ?? body.get('token') ?? ''
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`${secret}|${grant}`))
    const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
    body.set('client_id', client.client_id)
    body.set('hash', hex)
  }
}

/** The secret in a header of the provider's own (Zalo: `secret_key`); the quirk `client-secret-in-header:<name>` names another. */
function secretHeader(secret: string, provider: Provider): oauth4webapi.ClientAuth {
  return (_server, client, body, headers) => {
    body.set('client_id', client.client_id)
    headers.set(quirkValue(provider, 'client-secret-in-header') ?? 'secret_key', secret)
  }
}

function formEncode(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}

/** `btoa` takes bytes: the UTF-8 of a text as one character a byte. */
function latin1(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text))
}
