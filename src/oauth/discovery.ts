// Finding a provider's endpoints from its issuer.
// OpenID Connect Discovery section 4, RFC 8414 section 3; the answers are cached for an hour.
import { ConfigurationError, InvalidResponseError, quote, ToolgrantError } from '../errors.ts'
import { hostKind, isPrivateName } from '../providers/index.ts'
import { parseBody } from './answer-body.ts'
import { sameIssuer } from './issuer.ts'
import { isTransient } from './refresh-failure.ts'
import type { RequestOptions } from './request-options.ts'
import { retryAfter } from './response-reader.ts'
import { assertSecureUrl } from './secure-url.ts'
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
  pushedAuthorizationUrl?: string
  backchannelAuthenticationUrl?: string
  registrationEndpointUrl?: string
  endSessionUrl?: string
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

/** Appended for OpenID Connect (Discovery section 4.1), between host and path for RFC 8414 (section 3.1). */
function wellKnownUrls(issuer: string): string[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/+$/, '')
  return [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
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

/** Microsoft's metadata for many tenants has `{tenantid}` where each tenant's own has its id. */
function isIssuer(named: string, asked: string): boolean {
  if (sameIssuer(named, asked)) return true
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
    pushedAuthorizationUrl: url('pushed_authorization_request_endpoint'),
    backchannelAuthenticationUrl: url('backchannel_authentication_endpoint'),
    registrationEndpointUrl: url('registration_endpoint'),
    endSessionUrl: url('end_session_endpoint'),
  }
  const named = String(found['issuer'])
  return {
    ...(named.includes('{') ? { issuer, issuerVaries: true } : { issuer: named }),
    ...defined(endpoints),
    issParameterSupported: found['authorization_response_iss_parameter_supported'] === true,
    codeChallengeMethods: texts(found['code_challenge_methods_supported']),
    authMethods: texts(found['token_endpoint_auth_methods_supported']),
  }
}

/**
 * Metadata must not point our secrets at a machine of our own network (SSRF, RFC 9728 section 7.7 in spirit): an
 * endpoint is public, or on the issuer's own host, or in a network or on loopback like its issuer.
 */
function assertEndpoint(name: string, value: string, issuer: string, options: RequestOptions): void {
  if (!URL.canParse(value)) throw failed(`The issuer's ${name} is not a URL.`)
  const { hostname, username, password } = new URL(value)
  if (username !== '' || password !== '') throw failed(`The issuer's ${name} holds a user name or password.`)
  assertSecureUrl(value, options)
  const kind = hostKind(hostname)
  const home = new URL(issuer).hostname
  const isOutside = kind === 'public' && (!isPrivateName(hostname) || isPrivateName(home))
  if (isOutside || hostname === home || options.allowInsecureRequests === true) return
  if (kind === 'loopback' && hostKind(home) === 'loopback') return
  throw failed(`The issuer's ${name} points at ${quote(hostname)}, a private address.`)
}

function texts(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : undefined
}

function defined<T extends Record<string, string | undefined>>(record: T): { [K in keyof T]?: string } {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: string
  }
}
