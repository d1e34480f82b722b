// An authorization request as a JWT that we signed, so that nobody between us and the provider can change it.
// RFC 9101 sections 4 to 6.
import { argumentError, ConfigurationError, quote } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import type { PendingAuthorization } from './pending-authorization.ts'
import { randomState } from './pkce.ts'
import { signJwt } from './private-key.ts'
import type { RequestOptions } from './request-options.ts'

/** A request object is no older than that when the person opens the URL, in seconds. */
const longestLifeSeconds = 3600

/** Parameters that are JSON in a URL and members of the claims in a request object. */
const jsonParameters = new Set(['claims', 'authorization_details'])

/**
 * The parameters that are sent instead: `client_id` and `request`. OpenID Connect servers also want to see
 * `response_type` and `scope` outside (Core section 6.1); they say nothing new.
 *
 * @throws {ConfigurationError} `client_missing` without a private key; `config_invalid` for one that cannot sign;
 *   `provider_invalid` without an issuer, for whom the request would be signed.
 */
export async function requestObject(
  provider: Provider,
  client: Client,
  pending: PendingAuthorization,
  parameters: URLSearchParams,
  options: Pick<RequestOptions, 'now'>,
): Promise<URLSearchParams> {
  const { privateKey } = client
  if (privateKey === undefined) throw withoutKey(provider)
  if (provider.issuer === undefined) throw withoutIssuer(provider)
  const now = Math.floor((options.now ?? Date.now)() / 1000)
  const end = Math.min(Math.floor(pending.expiresAt / 1000), now + longestLifeSeconds)
  const claims = {
    ...claimsOf(parameters),
    iss: client.clientId,
    aud: provider.issuer,
    jti: randomState(),
    iat: now,
    nbf: now - 10, // for a server whose clock is a little behind
    exp: Math.max(end, now + 60),
  }
  const request = await signJwt(privateKey, claims, { typ: 'oauth-authz-req+jwt' })
  const outside = new URLSearchParams({ client_id: pending.clientId })
  if (pending.scopes.includes('openid'))
    for (const name of ['response_type', 'scope']) outside.set(name, parameters.get(name) ?? '')
  outside.set('request', request)
  return outside
}

/** RFC 9101 section 4: numbers and JSON as such, not as text; a name that comes twice is a list. */
function claimsOf(parameters: URLSearchParams): Record<string, unknown> {
  const claims: Record<string, unknown> = {}
  for (const name of new Set(parameters.keys())) {
    const values = parameters.getAll(name).map((value) => claimOf(name, value))
    claims[name] = values.length === 1 ? values[0] : values
  }
  return claims
}

function claimOf(name: string, value: string): unknown {
  if (name === 'max_age') return Number(value)
  if (!jsonParameters.has(name)) return value
  try {
    return JSON.parse(value)
  } catch {
    throw argumentError(`The parameter ${quote(name)} must be JSON.`)
  }
}

function withoutKey({ id }: Provider): ConfigurationError {
  return new ConfigurationError(
    'client_missing',
    `Authorization requests to ${id} are to be signed (RFC 9101), and the client has no privateKey. Set it, and register its public key at ${id}.`,
  )
}

function withoutIssuer({ id }: Provider): ConfigurationError {
  return new ConfigurationError(
    'provider_invalid',
    `Authorization requests to ${id} are to be signed (RFC 9101), and nobody knows for whom. Set issuer in the provider.`,
  )
}
