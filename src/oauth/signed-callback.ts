// An answer that the provider signed: its parameters are claims of a JWT, read only when the JWT is to be believed.
// JWT Secured Authorization Response Mode for OAuth 2.0 (JARM) sections 2.1 and 2.4.
import { CallbackError, InvalidResponseError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import { assertInTime, assertState } from './callback.ts'
import type { Client } from './client.ts'
import { resolveEndpoints } from './endpoints.ts'
import type { PendingAuthorization } from './pending-authorization.ts'
import type { RequestOptions } from './request-options.ts'
import { parseJwt, verifyJwt } from './signed-jwt.ts'

/** Claims that are about the JWT, not parameters of the answer. `iss` is both (RFC 9207 section 2.4). */
const claimsOfTheJwt = new Set(['aud', 'exp', 'iat', 'nbf', 'jti'])

/**
 * The parameters in a signed answer. The state is looked at first, before any request: a forged answer costs none.
 * Then signature, issuer, audience (our client id) and end.
 *
 * @throws {CallbackError} `state_missing`, `state_mismatch`, `authorization_expired`; `jwt_invalid`.
 * @throws {ConfigurationError} the provider has no issuer or no keys to check it with.
 * @throws {NetworkError} TimeoutError, InvalidResponseError: the keys cannot be had.
 */
export async function signedParameters(
  provider: Provider,
  client: Client,
  pending: PendingAuthorization,
  response: string,
  options: RequestOptions,
): Promise<URLSearchParams> {
  const unverified = parseJwt(response)
  if (typeof unverified === 'string') throw notBelieved(provider, unverified)
  assertState(parametersIn(unverified.claims), pending)
  assertInTime(pending, options)
  const resolved = await resolveEndpoints(provider, client, options)
  const expected = {
    what: 'a signed answer (JARM)',
    audience: pending.clientId,
    required: ['exp', 'iss', 'aud'],
    patienceMs: 0, // who knows the state may make us ask for newer keys
  }
  try {
    const sender = { ...options, fetch: options.fetch ?? client.fetch }
    const { claims } = await verifyJwt(resolved, response, expected, sender)
    return parametersIn(claims)
  } catch (error) {
    if (!(error instanceof InvalidResponseError) || error.code !== 'jwt_invalid') throw error
    throw new CallbackError('jwt_invalid', error.message, { cause: error })
  }
}

function parametersIn(claims: Readonly<Record<string, unknown>>): URLSearchParams {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(claims))
    if (!claimsOfTheJwt.has(name) && (typeof value === 'string' || typeof value === 'number'))
      parameters.set(name, String(value))
  return parameters
}

function notBelieved({ id }: Provider, problem: string): CallbackError {
  return new CallbackError(
    'jwt_invalid',
    `The signed answer (JARM) that came back from ${id} must not be believed: ${problem}. It was not used: start again.`,
  )
}
