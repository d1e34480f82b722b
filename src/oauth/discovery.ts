// Finding a provider's endpoints from its issuer.
// OpenID Connect Discovery section 4, RFC 8414 section 3; the answers are cached for an hour.
import { ConfigurationError, quote, ToolgrantError } from '../errors.ts'
import { hostKind, type Provider, resolveVariables } from '../providers/index.ts'
import type { Client } from './client.ts'
import type { RequestOptions } from './request-options.ts'
import { protocolLibrary } from './token-endpoint.ts'
import { assertSecureUrl, exchange } from './transport.ts'
import { waitFor } from './wait.ts'

/** What an issuer says about itself: the members of RFC 8414 section 2 that are used, in our words. */
export interface IssuerMetadata {
  issuer: string
  authorizationUrl?: string
  tokenUrl?: string
  revocationUrl?: string
  introspectionUrl?: string
  userinfoUrl?: string
  deviceAuthorizationUrl?: string
  jwksUrl?: string
  /** RFC 9207: the issuer promises `iss` in callbacks. */
  issParameterSupported: boolean
  /** RFC 8414 `code_challenge_methods_supported`; `undefined` when it does not say. */
  codeChallengeMethods: readonly string[] | undefined
  /** RFC 8414 `token_endpoint_auth_methods_supported`; `undefined` means `client_secret_basic`. */
  authMethods: readonly string[] | undefined
}

const cacheMs = 60 * 60_000
const cacheLimit = 500
const cache = new Map<string, { until: number; metadata: Promise<IssuerMetadata> }>()

/**
 * Reads an issuer's metadata: OpenID Connect first, then RFC 8414. The issuer in it must equal the one asked for,
 * and its endpoints must be https and, unless the issuer is loopback itself, not on a loopback or private address.
 *
 * @throws {ConfigurationError} `discovery_failed`, with the cause; `insecure_url`.
 */
export async function discover(issuer: string, options: RequestOptions = {}): Promise<IssuerMetadata> {
  assertSecureUrl(issuer, options)
  const now = (options.now ?? Date.now)()
  const known = cache.get(issuer)
  if (options.fetch !== undefined) return readMetadata(issuer, options)
  if (known !== undefined && known.until > now) return waitFor(known.metadata, options.signal)
  const metadata = readMetadata(issuer, { ...options, signal: undefined })
  if (cache.size >= cacheLimit) cache.clear()
  cache.set(issuer, { until: now + cacheMs, metadata })
  metadata.catch(() => cache.delete(issuer))
  return waitFor(metadata, options.signal)
}

async function readMetadata(issuer: string, options: RequestOptions): Promise<IssuerMetadata> {
  const failures: unknown[] = []
  for (const algorithm of ['oidc', 'oauth2'] as const) {
    try {
      return toMetadata(await fetchMetadata(issuer, algorithm, options), issuer, options)
    } catch (error) {
      options.signal?.throwIfAborted()
      failures.push(error)
    }
  }
  const reason = failures.map((failure) =>
    failure instanceof ToolgrantError ? failure.message : 'not valid metadata',
  )
  throw new ConfigurationError(
    'discovery_failed',
    `The endpoints of the issuer ${quote(issuer)} could not be discovered (${reason[0]}). Check the issuer, or give authorizationUrl and tokenUrl.`,
    { cause: failures[0] },
  )
}

async function fetchMetadata(
  issuer: string,
  algorithm: 'oidc' | 'oauth2',
  options: RequestOptions,
): Promise<Record<string, unknown>> {
  const library = await protocolLibrary()
  const issuerUrl = new URL(issuer)
  const send = async (url: string, init: { headers: Record<string, string> }) => {
    const request = {
      who: issuerUrl.host,
      what: 'discovery',
      url,
      method: 'GET',
      headers: init.headers,
    } as const
    const { status, text } = await exchange(request, options)
    return new Response(text, { status, headers: { 'content-type': 'application/json' } })
  }
  const response = await library.discoveryRequest(issuerUrl, {
    algorithm,
    [library.customFetch]: send,
    [library.allowInsecureRequests]: true, // `exchange` holds the rule, with loopback exempt
  })
  return { ...(await library.processDiscoveryResponse(issuerUrl, response)) }
}

function toMetadata(found: Record<string, unknown>, issuer: string, options: RequestOptions): IssuerMetadata {
  const url = (name: string) => {
    const value = found[name]
    if (typeof value !== 'string') return undefined
    assertEndpoint(name, value, issuer, options)
    return value
  }
  const endpoints = {
    authorizationUrl: url('authorization_endpoint'),
    tokenUrl: url('token_endpoint'),
    revocationUrl: url('revocation_endpoint'),
    introspectionUrl: url('introspection_endpoint'),
    userinfoUrl: url('userinfo_endpoint'),
    deviceAuthorizationUrl: url('device_authorization_endpoint'),
    jwksUrl: url('jwks_uri'),
  }
  return {
    issuer,
    ...defined(endpoints),
    issParameterSupported: found['authorization_response_iss_parameter_supported'] === true,
    codeChallengeMethods: texts(found['code_challenge_methods_supported']),
    authMethods: texts(found['token_endpoint_auth_methods_supported']),
  }
}

/** Metadata must not point our secrets at a machine of our own network (SSRF, RFC 9700 section 4.9 in spirit). */
function assertEndpoint(name: string, value: string, issuer: string, options: RequestOptions): void {
  if (!URL.canParse(value))
    throw new ConfigurationError('discovery_failed', `The issuer's ${name} is not a URL.`)
  assertSecureUrl(value, options)
  const host = new URL(value).hostname
  if (hostKind(new URL(issuer).hostname) === 'loopback' || options.allowInsecureRequests === true) return
  if (hostKind(host) !== 'public')
    throw new ConfigurationError(
      'discovery_failed',
      `The issuer's ${name} points at ${quote(host)}, a private address.`,
    )
}

function texts(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : undefined
}

function defined<T extends Record<string, string | undefined>>(record: T): { [K in keyof T]?: string } {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: string
  }
}

/**
 * A provider ready for requests: its `{variables}` filled from the client's, and endpoints it does not name
 * discovered from its issuer. What the provider row says wins over what the issuer says.
 *
 * @throws {ConfigurationError} a variable without a value; `discovery_failed`.
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
    issParameterSupported: filled.issParameterSupported ?? found.issParameterSupported,
  }
}

/** S256 wherever the issuer does not rule it out; a server that does not know PKCE ignores it (RFC 9700 section 2.1.1). */
function pkceFrom(methods: readonly string[] | undefined): Pick<Provider, 'pkce'> {
  const plainOnly = methods?.includes('plain') === true && !methods.includes('S256')
  return plainOnly ? { pkce: 'plain-only' } : {}
}

function authMethodFrom(methods: readonly string[] | undefined): Pick<Provider, 'tokenEndpointAuthMethod'> {
  if (methods === undefined || methods.includes('client_secret_basic')) return {}
  if (methods.includes('client_secret_post')) return { tokenEndpointAuthMethod: 'client_secret_post' }
  return {}
}

/** Whether this provider has a revocation endpoint, by its row or its issuer's metadata (RFC 7009). */
export async function canRevoke(
  provider: Provider,
  client?: Pick<Client, 'variables'>,
  options: RequestOptions = {},
): Promise<boolean> {
  return (await resolveEndpoints(provider, client, options)).revocationUrl !== undefined
}
