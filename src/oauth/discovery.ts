// Finding a provider's endpoints from its issuer.
// OpenID Connect Discovery section 4, RFC 8414 section 3; the answers are cached for an hour.
import { ConfigurationError, InvalidResponseError, quote, ToolgrantError } from '../errors.ts'
import type { MtlsEndpoint, Provider } from '../providers/index.ts'
import { isObject, parseBody } from './answer-body.ts'
import { sameIssuer } from './issuer.ts'
import { assertMetadataUrl } from './metadata-url.ts'
import { isTransient } from './refresh-failure.ts'
import type { RequestOptions } from './request-options.ts'
import { retryAfter } from './response-reader.ts'
import { assertNoUserInfo, assertSecureUrl } from './secure-url.ts'
import { type Answer, exchange } from './transport.ts'
import { waitFor } from './wait.ts'

/** What an issuer says about itself: the members of RFC 8414 section 2 that are used, in our words. */
export interface IssuerMetadata {
  /** As the issuer writes it, which is how tokens and callbacks name it. */
  issuer: string
  authorizationUrl?: string
  tokenUrl?: string
  revocationUrl?: string
  introspectionUrl?: string
  userinfoUrl?: string
  deviceAuthorizationUrl?: string
  jwksUrl?: string
  /** Microsoft's metadata for many tenants: tokens name the tenant's own issuer. */
  issuerVaries?: boolean
  /** RFC 9126. */
  pushedAuthorizationUrl?: string
  /** RFC 9126 section 5: no other authorization requests are taken. */
  pushedAuthorizationRequired?: boolean
  /** OpenID Connect CIBA section 4. */
  backchannelAuthenticationUrl?: string
  /** RFC 7591. */
  registrationEndpointUrl?: string
  /** OpenID Connect RP-Initiated Logout section 2.1. */
  endSessionUrl?: string
  /** RFC 8705 section 5: what clients with a TLS certificate use instead. */
  mtlsEndpoints?: NonNullable<Provider['mtlsEndpoints']>
  /** RFC 9101 section 10.5: signed authorization requests are demanded, or understood. */
  requestObject?: NonNullable<Provider['requestObject']>
  /** OpenID Connect Discovery section 3: how id_tokens may be signed. */
  idTokenSigningAlgs?: readonly string[]
  /** RFC 8414 `grant_types_supported`; absent when it does not say. */
  grantTypes?: readonly string[]
  /** RFC 8414 `response_modes_supported`; absent when it does not say. The signed ones (`jwt`, …) are JARM's. */
  responseModes?: readonly string[]
  /** RFC 8414 `scopes_supported`; an issuer need not name all. */
  scopes?: readonly string[]
  /** RFC 9396 section 10: the `type`s of authorization details that are understood. */
  authorizationDetailsTypes?: readonly string[]
  /** RFC 9728 section 4: resources that tokens can be got for; an issuer need not name all. */
  protectedResources?: readonly string[]
  /** RFC 9449 section 5.1: how DPoP proofs may be signed; absent where there is no DPoP. */
  dpopAlgs?: readonly string[]
  /** The https URL of a client's own metadata will do as its client id (OAuth Client ID Metadata Document). */
  clientIdMetadataDocumentSupported?: boolean
  /** RFC 9207: the issuer promises `iss` in callbacks. */
  issParameterSupported: boolean
  /** RFC 8414 `code_challenge_methods_supported`; `undefined` when it does not say. */
  codeChallengeMethods: readonly string[] | undefined
  /** RFC 8414 `token_endpoint_auth_methods_supported`; `undefined` means `client_secret_basic`. */
  authMethods: readonly string[] | undefined
}

const cacheMs = 60 * 60_000
const cacheLimit = 500

interface CacheEntry {
  until: number
  metadata: Promise<IssuerMetadata>
}

/** One cache per `fetch`: what one proxy says about an issuer is nothing to another. */
const caches = new WeakMap<typeof fetch, Map<string, CacheEntry>>()

/**
 * Reads an issuer's metadata: OpenID Connect first, then RFC 8414. The issuer in it must equal the one asked for,
 * and its endpoints must be https and not on a loopback or private address, unless the issuer itself is there.
 * An answer is shared by all who ask for an hour; a failure is not kept.
 *
 * @throws {ConfigurationError} `discovery_failed`, with the cause; `insecure_url`.
 * @throws {NetworkError} TimeoutError, InvalidResponseError (5xx, 429): nobody could say; try again later.
 */
export async function discover(issuer: string, options: RequestOptions = {}): Promise<IssuerMetadata> {
  assertSecureUrl(issuer, options)
  assertNoUserInfo('The issuer', issuer)
  const now = (options.now ?? Date.now)()
  const cache = cacheOf(options.fetch ?? globalThis.fetch)
  const key = `${options.allowInsecureRequests === true} ${issuer}`
  const known = cache.get(key)
  if (known !== undefined && known.until > now) return waitFor(known.metadata, options.signal)
  const entry = { until: now + cacheMs, metadata: readMetadata(issuer, { ...options, signal: undefined }) }
  if (cache.size >= cacheLimit) cache.clear()
  cache.set(key, entry)
  entry.metadata.catch(() => cache.get(key) === entry && cache.delete(key))
  return waitFor(entry.metadata, options.signal)
}

function cacheOf(send: typeof fetch): Map<string, CacheEntry> {
  const cache = caches.get(send) ?? new Map<string, CacheEntry>()
  caches.set(send, cache)
  return cache
}

async function readMetadata(issuer: string, options: RequestOptions): Promise<IssuerMetadata> {
  const failures: unknown[] = []
  for (const url of wellKnownUrls(issuer)) {
    try {
      return toMetadata(await fetchMetadata(issuer, url, options), issuer, options)
    } catch (error) {
      failures.push(error)
    }
  }
  const passing = failures.find(isTransient)
  if (passing !== undefined) throw passing
  const reasons = failures.map((failure) =>
    failure instanceof ToolgrantError ? failure.message : 'unreadable',
  )
  throw new ConfigurationError(
    'discovery_failed',
    `The endpoints of the issuer ${quote(issuer)} could not be discovered. Check the issuer, or give authorizationUrl and tokenUrl. ${[...new Set(reasons)].join(' ')}`,
    { cause: failures[0] },
  )
}

/**
 * Appended for OpenID Connect (Discovery section 4.1), between host and path for RFC 8414 (section 3.1), and there for
 * OpenID Connect too (section 5).
 */
function wellKnownUrls(issuer: string): string[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/+$/, '')
  return [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
    ...(path === '' ? [] : [`${origin}/.well-known/openid-configuration${path}`]),
  ]
}

async function fetchMetadata(
  issuer: string,
  url: string,
  options: RequestOptions,
): Promise<Record<string, unknown>> {
  const { host } = new URL(issuer)
  const headers = { accept: 'application/json' }
  const answer = await exchange({ who: host, what: 'discovery', url, method: 'GET', headers }, options)
  const found = parseBody(answer.text)
  if (answer.status !== 200 || found === undefined) throw notMetadata(url, answer)
  if (typeof found['issuer'] === 'string' && isIssuer(found['issuer'], issuer)) return found
  const named = typeof found['issuer'] === 'string' ? quote(found['issuer']) : 'no issuer'
  throw failed(`${quote(url)} speaks for ${named} (RFC 8414 section 3.3).`)
}

/** A slash at the end leads to the same documents. Microsoft's metadata for many tenants has `{tenantid}` where each tenant's own has its id. */
function isIssuer(named: string, asked: string): boolean {
  const bare = (issuer: string) => issuer.replace(/\/+$/, '')
  if (sameIssuer(bare(named), bare(asked))) return true
  const [before = '', after, ...more] = named.split('{tenantid}')
  if (after === undefined || more.length > 0 || !/^https:\/\/[^/]+\/$/.test(before)) return false
  return asked.startsWith(before) && asked.endsWith(after) && asked.length > before.length + after.length
}

function notMetadata(url: string, { status, headers }: Answer): ToolgrantError {
  if (status < 500 && status !== 429) return failed(`${quote(url)} answers HTTP ${status}, without metadata.`)
  const retryAfterSeconds = retryAfter(headers, Date.now())
  return new InvalidResponseError(
    'response_not_oauth',
    `${quote(url)} answers HTTP ${status} to the discovery request. Try again later.`,
    { status, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) },
  )
}

function failed(message: string): ConfigurationError {
  return new ConfigurationError('discovery_failed', message)
}

function toMetadata(found: Record<string, unknown>, issuer: string, options: RequestOptions): IssuerMetadata {
  const named = String(found['issuer'])
  const aliases = isObject(found['mtls_endpoint_aliases']) ? found['mtls_endpoint_aliases'] : {}
  const mtlsEndpoints = urlsIn(aliases, mtlsNames, issuer, options)
  return {
    ...(named.includes('{') ? { issuer, issuerVaries: true } : { issuer: named }),
    ...urlsIn(found, urlNames, issuer, options),
    ...(Object.keys(mtlsEndpoints).length === 0 ? {} : { mtlsEndpoints }),
    ...(found['require_pushed_authorization_requests'] === true ? { pushedAuthorizationRequired: true } : {}),
    ...requestObjects(found),
    ...listsIn(found),
    ...(found['client_id_metadata_document_supported'] === true
      ? { clientIdMetadataDocumentSupported: true }
      : {}),
    issParameterSupported: found['authorization_response_iss_parameter_supported'] === true,
    codeChallengeMethods: texts(found['code_challenge_methods_supported']),
    authMethods: texts(found['token_endpoint_auth_methods_supported']),
  }
}

/** Our names of the endpoints that a TLS certificate may have aliases for, and the names in metadata. */
const mtlsNames = {
  tokenUrl: 'token_endpoint',
  revocationUrl: 'revocation_endpoint',
  introspectionUrl: 'introspection_endpoint',
  userinfoUrl: 'userinfo_endpoint',
  deviceAuthorizationUrl: 'device_authorization_endpoint',
  pushedAuthorizationUrl: 'pushed_authorization_request_endpoint',
  backchannelAuthenticationUrl: 'backchannel_authentication_endpoint',
  registrationEndpointUrl: 'registration_endpoint',
} as const satisfies Record<MtlsEndpoint, string>

const urlNames = {
  ...mtlsNames,
  authorizationUrl: 'authorization_endpoint',
  jwksUrl: 'jwks_uri',
  endSessionUrl: 'end_session_endpoint',
} as const

/** The URLs of metadata by our names, each of them one that may be used. */
function urlsIn<Name extends string>(
  found: Record<string, unknown>,
  names: Readonly<Record<Name, string>>,
  issuer: string,
  options: RequestOptions,
): { [K in Name]?: string } {
  const urls: { [K in Name]?: string } = {}
  for (const name of Object.keys(names) as Name[]) {
    const value = found[names[name]]
    if (typeof value !== 'string' || value === '') continue
    assertMetadataUrl(`The issuer's ${names[name]}`, value, issuer, options)
    urls[name] = value
  }
  return urls
}

/** RFC 9101 section 10.5; OpenID Connect Discovery has `request_parameter_supported`. */
function requestObjects(found: Record<string, unknown>): Pick<IssuerMetadata, 'requestObject'> {
  if (found['require_signed_request_object'] === true) return { requestObject: 'required' }
  const signed = texts(found['request_object_signing_alg_values_supported'])?.some((alg) => alg !== 'none')
  return signed === true && found['request_parameter_supported'] !== false
    ? { requestObject: 'supported' }
    : {}
}

/** Lists by our names; one that is missing is left out. */
function listsIn(found: Record<string, unknown>) {
  const lists = {
    idTokenSigningAlgs: texts(found['id_token_signing_alg_values_supported']),
    grantTypes: texts(found['grant_types_supported']),
    responseModes: texts(found['response_modes_supported']),
    scopes: texts(found['scopes_supported']),
    authorizationDetailsTypes: texts(found['authorization_details_types_supported']),
    protectedResources: texts(found['protected_resources']),
    dpopAlgs: texts(found['dpop_signing_alg_values_supported']),
  }
  return Object.fromEntries(
    Object.entries(lists).filter(([, list]) => list !== undefined && list.length > 0),
  ) as { [Name in keyof typeof lists]?: readonly string[] }
}

function texts(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : undefined
}
