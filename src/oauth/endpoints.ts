// A provider's endpoints: what its row says, and what its issuer says where the row is silent.
// RFC 8414 section 2. The reading of metadata is loaded when an issuer is asked.
import { ConfigurationError } from '../errors.ts'
import { type Provider, resolveVariables, type TokenEndpointAuthMethod } from '../providers/index.ts'
import type { Client } from './client.ts'
import type { IssuerMetadata } from './discovery.ts'
import type { ProtectedResource, ProtectedResourceOptions } from './protected-resource.ts'
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
 * What an API says about itself (RFC 9728): the authorization servers that it trusts, and its scopes. The resource in
 * it must be the one that was called. Sends no token.
 *
 * @param resource the URL of the API: as it calls itself, or any below that with a `challenge`.
 * @throws {ConfigurationError} `discovery_failed`, with the cause: it says nothing, or speaks for another, or points
 *   into a private network; `insecure_url`.
 * @throws {NetworkError} {@link TimeoutError}: nobody could say; try again later.
 */
export async function discoverProtectedResource(
  resource: string,
  options: ProtectedResourceOptions = {},
): Promise<ProtectedResource> {
  const { readProtectedResource } = await import('./protected-resource.ts')
  return readProtectedResource(resource, options)
}

/**
 * A provider ready for requests: its `{variables}` filled from the client's, and endpoints it does not name
 * discovered from its issuer. What the provider row says wins over what the issuer says, except for the spelling
 * of the issuer itself.
 *
 * A row that names both endpoints is complete: its issuer is asked only for members in `needs` that the row lacks,
 * and nothing else is taken from the answer.
 *
 * @param needs members that a feature cannot do without. Those that nobody knows stay `undefined`.
 * @throws {ConfigurationError} a variable without a value; `discovery_failed`, unless the row was complete.
 * @throws what {@link discover} throws.
 */
export async function resolveEndpoints(
  provider: Provider,
  client?: Pick<Client, 'variables' | 'fetch' | 'clientSecret' | 'privateKey'>,
  options: RequestOptions = {},
  needs: readonly (keyof Provider)[] = [],
): Promise<Provider> {
  if (discovered.has(provider)) return provider
  const filled = resolveVariables(provider, client?.variables)
  const complete = filled.tokenUrl !== undefined && filled.authorizationUrl !== undefined
  const missing = needs.filter((member) => filled[member] === undefined)
  if ((complete && missing.length === 0) || filled.issuer === undefined) return filled
  const sender = { ...options, fetch: options.fetch ?? client?.fetch }
  if (complete) return { ...filled, ...(await published(filled.issuer, missing, sender)) }
  const found = await discover(filled.issuer, sender)
  const resolved = {
    ...providerFacts(found),
    ...pkceFrom(found.codeChallengeMethods),
    ...authMethodFrom(found.authMethods, client),
    ...filled,
    issuer: found.issuer,
    issParameterSupported: filled.issParameterSupported ?? found.issParameterSupported,
  }
  discovered.add(resolved)
  return resolved
}

/** What came of a discovery: its issuer has said all that it says, and is not asked again by another `fetch`. */
const discovered = new WeakSet<Provider>()

/** Some members of what an issuer publishes; none when it publishes nothing, which is no mistake of a complete row. */
async function published(
  issuer: string,
  members: readonly (keyof Provider)[],
  options: RequestOptions,
): Promise<Partial<Provider>> {
  try {
    const facts = Object.entries(providerFacts(await discover(issuer, options)))
    return Object.fromEntries(facts.filter(([member]) => members.some((one) => one === member)))
  } catch (error) {
    if (error instanceof ConfigurationError && error.code === 'discovery_failed') return {}
    throw error
  }
}

/** What metadata says of a provider, in the words of a provider row. */
function providerFacts(found: IssuerMetadata): Partial<Provider> {
  const {
    codeChallengeMethods: _challenges,
    authMethods: _methods,
    scopes: _scopes,
    responseModes: _modes,
    authorizationDetailsTypes: _details,
    protectedResources: _resources,
    dpopAlgs,
    clientIdMetadataDocumentSupported: _documents,
    ...facts
  } = found
  return { ...facts, ...(dpopAlgs === undefined ? {} : { dpop: 'supported' }) }
}

/** S256 wherever the issuer does not rule it out; a server that does not know PKCE ignores it (RFC 9700 section 2.1.1). */
function pkceFrom(methods: readonly string[] | undefined): Pick<Provider, 'pkce'> {
  const plainOnly = methods?.includes('plain') === true && !methods.includes('S256')
  return plainOnly ? { pkce: 'plain-only' } : {}
}

/** What a client with a secret can do, in our order of liking; one whose only proof is a key begins with that. */
const methodsByLiking: readonly TokenEndpointAuthMethod[] = [
  'client_secret_basic',
  'client_secret_post',
  'none',
  'client_secret_jwt',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
]

/** The first of the issuer's methods that we like; saying nothing means Basic (RFC 8414 section 2). */
function authMethodFrom(
  methods: readonly string[] | undefined,
  client: Pick<Client, 'clientSecret' | 'privateKey'> = {},
): Pick<Provider, 'tokenEndpointAuthMethod'> {
  const keyOnly = client.privateKey !== undefined && !client.clientSecret
  const liked = keyOnly ? (['private_key_jwt', ...methodsByLiking] as const) : methodsByLiking
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
