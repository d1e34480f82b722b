// A provider's endpoints: what its row says, and what its issuer says where the row is silent.
// RFC 8414 section 2. The reading of metadata is loaded when an issuer is asked.
import { type Provider, resolveVariables, type TokenEndpointAuthMethod } from '../providers/index.ts'
import type { Client } from './client.ts'
import type { IssuerMetadata } from './discovery.ts'
import type { RequestOptions } from './request-options.ts'

/**
 * Reads an issuer's metadata: OpenID Connect first, then RFC 8414. The issuer in it must equal the one asked for,
 * and its endpoints must be https and not on a loopback or private address, unless the issuer itself is there.
 * An answer is shared by all who ask for an hour; a failure is not kept.
 *
 * @throws {ConfigurationError} `discovery_failed`, with the cause; `insecure_url`.
 * @throws {NetworkError} TimeoutError, InvalidResponseError (5xx, 429): nobody could say; try again later.
 */
export async function discover(issuer: string, options: RequestOptions = {}): Promise<IssuerMetadata> {
  const discovery = await import('./discovery.ts')
  return discovery.discover(issuer, options)
}

/**
 * A provider ready for requests: its `{variables}` filled from the client's, and endpoints it does not name
 * discovered from its issuer. What the provider row says wins over what the issuer says, except for the spelling
 * of the issuer itself.
 *
 * @throws {ConfigurationError} a variable without a value; `discovery_failed`.
 * @throws what {@link discover} throws.
 */
export async function resolveEndpoints(
  provider: Provider,
  client?: Pick<Client, 'variables'>,
  options: RequestOptions = {},
): Promise<Provider> {
  const filled = resolveVariables(provider, client?.variables)
  const complete = filled.tokenUrl !== undefined && filled.authorizationUrl !== undefined
  if (complete || filled.issuer === undefined) return filled
  const { codeChallengeMethods, authMethods, ...found } = await discover(filled.issuer, options)
  return {
    ...found,
    ...pkceFrom(codeChallengeMethods),
    ...authMethodFrom(authMethods),
    ...filled,
    issuer: found.issuer,
    issParameterSupported: filled.issParameterSupported ?? found.issParameterSupported,
  }
}

/** S256 wherever the issuer does not rule it out; a server that does not know PKCE ignores it (RFC 9700 section 2.1.1). */
function pkceFrom(methods: readonly string[] | undefined): Pick<Provider, 'pkce'> {
  const plainOnly = methods?.includes('plain') === true && !methods.includes('S256')
  return plainOnly ? { pkce: 'plain-only' } : {}
}

/** The first of the issuer's methods in our order of liking; saying nothing means Basic (RFC 8414 section 2). */
function authMethodFrom(methods: readonly string[] | undefined): Pick<Provider, 'tokenEndpointAuthMethod'> {
  const liked: TokenEndpointAuthMethod[] = [
    'client_secret_basic',
    'client_secret_post',
    'none',
    'client_secret_jwt',
    'private_key_jwt',
    'tls_client_auth',
    'self_signed_tls_client_auth',
  ]
  const method = liked.find((one) => methods?.includes(one))
  return method === undefined || method === 'client_secret_basic' ? {} : { tokenEndpointAuthMethod: method }
}

/** Whether this provider has a revocation endpoint, by its row or its issuer's metadata (RFC 7009). */
export async function canRevoke(
  provider: Provider,
  client?: Pick<Client, 'variables'>,
  options: RequestOptions = {},
): Promise<boolean> {
  return (await resolveEndpoints(provider, client, options)).revocationUrl !== undefined
}
