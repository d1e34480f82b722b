// The JWT bearer grant: a signed statement about who we act for, traded for an access token.
// RFC 7523 sections 2.1 and 3, RFC 7521 section 4.1.
import { argumentError, ConfigurationError } from '../errors.ts'
import { joinScopes, type Provider } from '../providers/index.ts'
import { type Client, hideClientSecret } from './client.ts'
import { clientAuthenticationMethod } from './client-authentication.ts'
import { definedMembers } from './client-credentials.ts'
import { resolveEndpoints } from './endpoints.ts'
import { grantTokens } from './grant.ts'
import { type EndpointOptions, parametersOf } from './request-options.ts'
import { withResources } from './resource-indicators.ts'
import type { LibraryCall } from './token-endpoint.ts'
import type { Renewal, TokenSet } from './token-set.ts'

/** The grant type of RFC 7523 section 2.1. */
const grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

/** A statement to be made and signed here, or one that is ready. */
export type JwtBearerAssertion = JwtBearerClaims | { assertion: string }

/** What the statement says (RFC 7523 section 3). */
export interface JwtBearerClaims {
  /** `iss`. Default: the client id. */
  issuer?: string | undefined
  /** `sub`: who we act for. Default: the issuer, as for a service that acts for itself. */
  subject?: string | undefined
  /** `aud`. Default: the provider's `tokenUrl`. */
  audience?: string | readonly string[] | undefined
  /** Seconds until `exp`. Default 300; many servers take at most 3600. */
  lifetimeSeconds?: number | undefined
  /** Seconds by which `nbf` and `iat` lie before now, for a server whose clock is behind. Default 10. */
  leewaySeconds?: number | undefined
  /** Further claims; they cannot replace `exp`, `iat`, `nbf` and `jti`. */
  claims?: Readonly<Record<string, unknown>> | undefined
  /** Where the scopes go: a `parameter` of the request (RFC 7521 section 4.1, the default) or a `claim` (Google). */
  scopesIn?: 'parameter' | 'claim' | undefined
}

/** Options of `jwtBearerGrant`. */
export interface JwtBearerOptions extends EndpointOptions {
  /** Default: the provider's `defaultScopes`. */
  scopes?: readonly string[] | undefined
  /** Which APIs the token is for (RFC 8707). Default: the provider's `resources`. */
  resources?: readonly string[] | undefined
}

/** Behind `jwtBearerGrant` of grants.ts, which documents it. */
export async function requestByJwtBearer(
  provider: Provider,
  client: Client,
  assertion: JwtBearerAssertion,
  options: JwtBearerOptions,
): Promise<TokenSet> {
  const resolved = await resolveEndpoints(provider, client, options)
  const scopes = options.scopes ?? resolved.defaultScopes ?? []
  const inClaim = 'scopesIn' in assertion && assertion.scopesIn === 'claim'
  const jwt = await assertionText(resolved, client, assertion, inClaim ? scopes : [], options)
  const parameters = parametersOf(resolved.tokenParams, options.extraParams)
  if (scopes.length > 0 && !inClaim)
    parameters.set(resolved.scopeParam ?? 'scope', joinScopes(resolved, scopes))
  withResources(parameters, options.resources ?? resolved.resources ?? [])
  parameters.set('assertion', jwt)
  const proves = provesClient(resolved, client)
  return grantTokens(
    resolved,
    client,
    {
      name: grantType,
      secrets: [jwt],
      scopes,
      renewal: 'assertion' in assertion ? undefined : renewalOf(assertion, options),
      build: ({ library, server, client: us, authentication, options: call }: LibraryCall) =>
        library.genericTokenEndpointRequest(
          server,
          us,
          // RFC 7521 section 4.1: without client authentication the assertion alone says who asks.
          proves ? authentication : () => {},
          grantType,
          parameters,
          call,
        ),
    },
    options,
  )
}

/** A key alone is for the statement: that it signs client assertions as well has to be said by client or provider row. */
function provesClient(provider: Provider, client: Client): boolean {
  if (client.authenticate !== undefined) return true
  const method = clientAuthenticationMethod({ provider, client })
  const isChosen = client.tokenEndpointAuthMethod === method || provider.tokenEndpointAuthMethod === method
  return method !== 'none' && (method !== 'private_key_jwt' || isChosen)
}

async function assertionText(
  provider: Provider,
  client: Client,
  assertion: JwtBearerAssertion,
  claimedScopes: readonly string[],
  { now = Date.now }: JwtBearerOptions,
): Promise<string> {
  if ('assertion' in assertion) {
    if (/^[\w-]+\.[\w-]+\.[\w-]+$/.test(assertion.assertion)) return assertion.assertion
    throw argumentError('jwtBearerGrant got an assertion that is no signed JWT (three parts of base64url).')
  }
  const { privateKey } = client
  if (privateKey === undefined)
    throw new ConfigurationError(
      'client_missing',
      `The client for ${provider.id} has no privateKey to sign with. Set it, or give jwtBearerGrant a ready { assertion }.`,
    )
  const claims = claimsOf(provider, client, assertion, Math.floor(now() / 1000))
  const scope = claimedScopes.length === 0 ? {} : { scope: claimedScopes.join(' ') }
  const { signJwt } = await import('./private-key.ts')
  return signJwt(privateKey, { ...scope, ...claims }, { typ: 'JWT' })
}

function claimsOf(provider: Provider, client: Client, given: JwtBearerClaims, now: number) {
  const { issuer = client.clientId, subject = issuer, audience = provider.tokenUrl } = given
  const { lifetimeSeconds = 300, leewaySeconds = 10, claims } = given
  if (!(lifetimeSeconds > 0) || !(leewaySeconds >= 0))
    throw argumentError('jwtBearerGrant: lifetimeSeconds must be above 0 and leewaySeconds not below.')
  const before = now - Math.round(leewaySeconds)
  return {
    iss: issuer,
    sub: subject,
    aud: audience,
    ...claims,
    iat: before,
    nbf: before,
    exp: now + Math.round(lifetimeSeconds),
    jti: globalThis.crypto.randomUUID(),
  }
}

/** What was stated, so that the same can be stated again; the key stays with the client. */
function renewalOf(assertion: JwtBearerClaims, options: JwtBearerOptions): Renewal {
  const { scopes, resources, extraParams } = options
  return {
    grant: grantType,
    parameters: definedMembers({
      assertion: definedMembers({ ...assertion }),
      scopes,
      resources,
      extraParams,
    }),
  }
}

/** Behind `serviceKeyClient` of grants.ts, which documents it. */
export function clientOfServiceKey(key: string | Readonly<Record<string, unknown>>): Client {
  const { client_email: email, private_key: pem, private_key_id: kid } = membersOf(key)
  if (typeof email !== 'string' || typeof pem !== 'string')
    throw argumentError(
      'serviceKeyClient needs the JSON of a service key, with client_email and private_key.',
    )
  return hideClientSecret({
    clientId: email,
    tokenEndpointAuthMethod: 'none',
    privateKey: { key: pem, alg: 'RS256', ...(typeof kid === 'string' ? { kid } : {}) },
  })
}

function membersOf(key: string | Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  if (typeof key !== 'string') return key
  try {
    const members: unknown = JSON.parse(key)
    return typeof members === 'object' && members !== null ? { ...members } : {}
  } catch {
    return {}
  }
}
