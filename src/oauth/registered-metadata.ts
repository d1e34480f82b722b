// What a client says about itself when it registers, in our words and in those of the wire.
// RFC 7591 section 2, OpenID Connect Registration section 2, RFC 9449 section 5.2.
import { argumentError, quote } from '../errors.ts'
import { hostKind, type TokenEndpointAuthMethod } from '../providers/index.ts'

/** What a client says about itself. Every member is optional; a server may refuse or change what it likes. */
export interface ClientMetadata {
  /** Where people are sent back to. Loopback (`http://127.0.0.1/callback`) and private schemes make a native client. */
  redirectUris?: readonly string[] | undefined
  /** The name that people are shown. */
  clientName?: string | undefined
  /** Scopes that the client may ask for. Default: what the server gives. */
  scopes?: readonly string[] | undefined
  /** Default: `authorization_code` and `refresh_token` with redirect URIs, else what the server gives. */
  grantTypes?: readonly string[] | undefined
  /** Default: `code` with the grant type `authorization_code`, else none. */
  responseTypes?: readonly string[] | undefined
  /** Default: `none` for a native client, which can keep no secret, else `client_secret_basic`. */
  tokenEndpointAuthMethod?: TokenEndpointAuthMethod | undefined
  /** Default: `native` when every redirect URI is one that only a program on the person's machine can answer. */
  applicationType?: 'web' | 'native' | undefined
  /** The client's home page, logo, terms and privacy policy. */
  clientUri?: string | undefined
  logoUri?: string | undefined
  tosUri?: string | undefined
  policyUri?: string | undefined
  /** How to reach who is responsible. */
  contacts?: readonly string[] | undefined
  /** Our public keys (`private_key_jwt`, request objects), or where they are. One of both. */
  jwks?: { readonly keys: readonly JsonWebKey[] } | undefined
  jwksUri?: string | undefined
  softwareId?: string | undefined
  softwareVersion?: string | undefined
  /** A JWT by somebody whom the server trusts (RFC 7591 section 2.3). Secret where it is good for more than one client. */
  softwareStatement?: string | undefined
  /** Where people may be sent after they signed out (RP-Initiated Logout section 3.1). */
  postLogoutRedirectUris?: readonly string[] | undefined
  /** Asks that all tokens are bound to a key (DPoP). */
  dpopBound?: boolean | undefined
  /** Asks for id_tokens that are signed so. */
  idTokenSigningAlg?: string | undefined
  /** Further members by their names on the wire. They never replace the ones above. */
  more?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Client metadata as it is sent, defaults filled in.
 *
 * @throws {TypeError} `invalid_argument`: redirect URIs that no server should take, keys that are not public.
 */
export function wireMetadata(metadata: ClientMetadata): Record<string, unknown> {
  const { redirectUris } = metadata
  for (const uri of redirectUris ?? []) assertRedirectUri(uri)
  assertPublicKeys(metadata)
  const native = metadata.applicationType ?? applicationTypeFor(redirectUris)
  const grantTypes =
    metadata.grantTypes ?? (redirectUris?.length ? ['authorization_code', 'refresh_token'] : undefined)
  const members = {
    ...metadata.more,
    redirect_uris: redirectUris,
    client_name: metadata.clientName,
    scope: metadata.scopes?.join(' '),
    grant_types: grantTypes,
    response_types: metadata.responseTypes ?? responseTypesFor(grantTypes),
    token_endpoint_auth_method:
      metadata.tokenEndpointAuthMethod ?? (native === 'native' ? 'none' : undefined),
    application_type: native,
    client_uri: metadata.clientUri,
    logo_uri: metadata.logoUri,
    tos_uri: metadata.tosUri,
    policy_uri: metadata.policyUri,
    contacts: metadata.contacts,
    jwks: metadata.jwks,
    jwks_uri: metadata.jwksUri,
    software_id: metadata.softwareId,
    software_version: metadata.softwareVersion,
    software_statement: metadata.softwareStatement,
    post_logout_redirect_uris: metadata.postLogoutRedirectUris,
    dpop_bound_access_tokens: metadata.dpopBound,
    id_token_signed_response_alg: metadata.idTokenSigningAlg,
  }
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}

/** A server that reads nothing takes `code`; without the code grant there must be none (RFC 7591 section 2.1). */
function responseTypesFor(grantTypes: readonly string[] | undefined): readonly string[] | undefined {
  if (grantTypes === undefined) return undefined
  return grantTypes.includes('authorization_code') ? ['code'] : []
}

/** Nothing is said where there is nothing to go by. */
function applicationTypeFor(uris: readonly string[] = []): 'native' | undefined {
  return uris.length > 0 && uris.every(isNative) ? 'native' : undefined
}

/** RFC 8252 section 7: loopback, and schemes of the program's own. */
function isNative(uri: string): boolean {
  const { protocol, hostname } = new URL(uri)
  return protocol === 'http:' ? hostKind(hostname) === 'loopback' : protocol !== 'https:'
}

/** RFC 6749 section 3.1.2 (absolute, no fragment), RFC 9700 section 4.1 (no patterns), RFC 8252 section 7.1 (own schemes have a dot). */
function assertRedirectUri(uri: string): void {
  const wrong = (why: string) => argumentError(`The redirect URI ${quote(uri)} ${why}.`)
  if (!URL.canParse(uri)) throw wrong('is not an absolute URL')
  const { protocol, hostname, username, password } = new URL(uri)
  if (uri.includes('#')) throw wrong('has a fragment (RFC 6749 section 3.1.2)')
  if (uri.includes('*')) throw wrong('has a pattern in it: each is compared exactly (RFC 9700 section 4.1)')
  if (username !== '' || password !== '') throw wrong('holds a user name or password')
  if (protocol === 'http:' && hostKind(hostname) !== 'loopback')
    throw wrong('must be https: http is for loopback only')
  if (protocol !== 'http:' && protocol !== 'https:' && !protocol.includes('.'))
    throw wrong('has a scheme that others may claim: use one like com.example.app (RFC 8252 section 7.1)')
}

function assertPublicKeys({ jwks, jwksUri }: ClientMetadata): void {
  if (jwks !== undefined && jwksUri !== undefined)
    throw argumentError('Give jwks or jwksUri, not both (RFC 7591 section 2).')
  for (const key of jwks?.keys ?? [])
    if (key.d !== undefined || key.k !== undefined || key.kty === 'oct')
      throw argumentError(
        'jwks holds a private key: give the public half only (kty, n and e, or crv, x and y).',
      )
}
