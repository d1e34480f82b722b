// What an API says about itself: which authorization servers it trusts, and with which scopes.
// RFC 9728 sections 2, 3 and 5.1.
import { ConfigurationError, quote, ToolgrantError } from '../errors.ts'
import { isObject, parseBody } from './answer-body.ts'
import { parseChallenges } from './challenge.ts'
import { sameIssuer } from './issuer.ts'
import { assertMetadataUrl } from './metadata-url.ts'
import { isTransient } from './refresh-failure.ts'
import type { RequestOptions } from './request-options.ts'
import { assertNoUserInfo, assertSecureUrl } from './secure-url.ts'
import { exchange } from './transport.ts'

/** Options of `discoverProtectedResource`. */
export interface ProtectedResourceOptions extends RequestOptions {
  /** The `WWW-Authenticate` of a 401: its `resource_metadata` is asked instead of the well-known places (section 5.1). */
  challenge?: string | null | undefined
  /** The same, where the URL is known already (`error.resourceMetadata`). */
  metadataUrl?: string | undefined
}

/** What an API says about itself. Its own words: nobody has vouched for them but the host that it is on. */
export interface ProtectedResource {
  /** The resource that tokens are to be for (`resource`, RFC 8707). */
  resource: string
  /** Issuers whose tokens it takes: choose one, and discover it. */
  authorizationServers: readonly string[]
  /** Scopes that it knows; absent when it does not say. */
  scopes?: readonly string[]
  /** For people. Untrusted text. */
  name?: string
  documentationUrl?: string
  /** It takes tokens that are bound to a key only (DPoP). */
  dpopRequired?: boolean
  /** It takes tokens that are bound to a TLS certificate (RFC 8705). */
  certificateBoundTokens?: boolean
  /** RFC 9396 `type`s that it understands. */
  authorizationDetailsTypes?: readonly string[]
}

/** One place to look, and which resource what is found there may speak for. */
interface Place {
  url: string
  speaksFor: (resource: string) => boolean
}

/** Behind `discoverProtectedResource` of endpoints.ts, which documents it. */
export async function readProtectedResource(
  called: string,
  options: ProtectedResourceOptions,
): Promise<ProtectedResource> {
  assertSecureUrl(called, options)
  assertNoUserInfo('The URL of the API', called)
  const failures: unknown[] = []
  for (const place of placesFor(called, options)) {
    try {
      return await readAt(place, called, options)
    } catch (error) {
      options.signal?.throwIfAborted()
      failures.push(error)
    }
  }
  const passing = failures.find(isTransient)
  if (passing !== undefined && failures.every(isTransient)) throw passing
  const reasons = failures.map((failure) =>
    failure instanceof ToolgrantError ? failure.message : 'It is unreadable.',
  )
  throw new ConfigurationError(
    'discovery_failed',
    `What ${quote(called)} says about itself could not be read (RFC 9728). ${[...new Set(reasons)].join(' ')}`,
    { cause: failures[0] },
  )
}

/** What a challenge names, else between host and path (section 3.1), else at the host (as MCP servers do). */
function placesFor(called: string, { challenge, metadataUrl }: ProtectedResourceOptions): Place[] {
  const named = metadataUrl ?? metadataIn(challenge)
  if (named !== undefined) return [{ url: named, speaksFor: (resource) => isAtOrBelow(called, resource) }]
  const { origin, pathname, search } = new URL(called)
  const path = pathname === '/' ? '' : pathname
  const wellKnown = `${origin}/.well-known/oauth-protected-resource`
  const own: Place = {
    url: `${wellKnown}${path}${search}`,
    speaksFor: (resource) => sameIssuer(resource, `${origin}${pathname}${search}`),
  }
  const host: Place = { url: wellKnown, speaksFor: (resource) => sameIssuer(resource, origin) }
  return own.url === host.url ? [host] : [own, host]
}

function metadataIn(challenge: string | null | undefined): string | undefined {
  const named = parseChallenges(challenge ?? null).map(({ parameters }) => parameters['resource_metadata'])
  return named.find((url) => url !== undefined)
}

/**
 * Whether a URL that was called belongs to a resource: the same, or below its path. Section 3.3 asks for the very
 * URL, which would tie every path of an API to a document of its own.
 */
function isAtOrBelow(called: string, resource: string): boolean {
  if (!URL.canParse(resource)) return false
  const [from, to] = [new URL(called), new URL(resource)]
  if (from.origin !== to.origin || (to.search !== '' && to.search !== from.search)) return false
  const path = to.pathname.replace(/\/*$/, '/')
  return `${from.pathname}/`.startsWith(path)
}

async function readAt(
  { url, speaksFor }: Place,
  called: string,
  options: RequestOptions,
): Promise<ProtectedResource> {
  assertMetadataUrl('Its resource_metadata', url, called, options)
  const headers = { accept: 'application/json' }
  const who = new URL(called).host
  const answer = await exchange({ who, what: 'resource metadata', url, method: 'GET', headers }, options)
  const found = answer.status === 200 ? parseBody(answer.text) : undefined
  if (!isObject(found)) throw failed(`${quote(url)} answers HTTP ${answer.status}, without metadata.`)
  const { resource } = found
  if (typeof resource !== 'string' || resource.includes('#') || !speaksFor(resource))
    throw failed(
      `${quote(url)} speaks for ${typeof resource === 'string' ? quote(resource) : 'no resource'} (RFC 9728 section 3.3).`,
    )
  return toResource(found, resource, options)
}

function toResource(
  found: Record<string, unknown>,
  resource: string,
  options: RequestOptions,
): ProtectedResource {
  const authorizationServers = texts(found['authorization_servers']) ?? []
  for (const issuer of authorizationServers)
    assertMetadataUrl('One of its authorization_servers', issuer, resource, options)
  const lists = {
    scopes: texts(found['scopes_supported']),
    authorizationDetailsTypes: texts(found['authorization_details_types_supported']),
  }
  const words = { name: found['resource_name'], documentationUrl: pageIn(found['resource_documentation']) }
  return {
    resource,
    authorizationServers,
    ...Object.fromEntries(Object.entries(lists).filter(([, list]) => list !== undefined)),
    ...Object.fromEntries(Object.entries(words).filter(([, text]) => typeof text === 'string')),
    ...(found['dpop_bound_access_tokens_required'] === true ? { dpopRequired: true } : {}),
    ...(found['tls_client_certificate_bound_access_tokens'] === true ? { certificateBoundTokens: true } : {}),
  }
}

/** A page that people may be sent to; any other scheme (`javascript:`) is left out. */
function pageIn(value: unknown): string | undefined {
  return typeof value === 'string' && /^https?:\/\//i.test(value) && URL.canParse(value) ? value : undefined
}

function texts(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : undefined
}

function failed(message: string): ConfigurationError {
  return new ConfigurationError('discovery_failed', message)
}
