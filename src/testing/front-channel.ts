// What the authorization endpoint itself hands out: a code, an access token (the implicit grant), an id_token.
// RFC 6749 section 4.2, OAuth 2.0 Multiple Response Type Encoding Practices, OpenID Connect Core sections 3.2 and 3.3.
import type { AuthorizationRequest } from './authorization-endpoint.ts'
import { grantTypesOf, type RegisteredClient, type ServerBehaviour } from './behaviour.ts'
import type { Fault } from './exchange.ts'
import { type ServerState, signIdToken } from './token-endpoint.ts'

/** The response types in force. Those with a token need the grant `implicit`, those with an id_token OpenID Connect. */
export function responseTypesOf(behaviour: ServerBehaviour): string[] {
  const grants = grantTypesOf(behaviour)
  const code = grants.includes('authorization_code')
  const implicit = grants.includes('implicit')
  const openid = behaviour.openid === true
  return [
    ...(code ? ['code'] : []),
    ...(implicit ? ['token'] : []),
    ...(implicit && openid ? ['id_token', 'id_token token'] : []),
    ...(implicit && openid && code ? ['code id_token'] : []),
  ]
}

/** What is wrong with the response type or mode of a request, or nothing. The order of the words does not count. */
export function responseTypeProblem(
  params: Readonly<Record<string, string>>,
  behaviour: ServerBehaviour,
  client: RegisteredClient | undefined,
): Fault | undefined {
  const asked = params['response_type']
  if (asked === undefined) return { error: 'invalid_request', description: 'response_type is missing' }
  const words = sorted(asked)
  const supported = responseTypesOf(behaviour)
  if (!supported.some((one) => sorted(one) === words))
    return { error: 'unsupported_response_type', description: `supported: ${supported.join(', ')}` }
  const grant = words === 'code' ? 'authorization_code' : 'implicit'
  if (client?.grantTypes?.includes(grant) === false)
    return { error: 'unauthorized_client', description: `the client is not registered for ${grant}` }
  return modeProblem(params) ?? nonceProblem(params)
}

/** Multiple Response Types section 5: what holds a token never travels in a query. */
function modeProblem(params: Readonly<Record<string, string>>): Fault | undefined {
  const mode = params['response_mode']
  if (mode === undefined || mode === 'fragment') return undefined
  if (mode === 'query' && params['response_type'] === 'code') return undefined
  return {
    error: 'invalid_request',
    description: 'the response_mode is not supported for this response_type',
  }
}

/** OpenID Connect Core section 3.2.2.1. */
function nonceProblem(params: Readonly<Record<string, string>>): Fault | undefined {
  const signed = params['response_type']?.split(' ').includes('id_token')
  return signed === true && params['nonce'] === undefined
    ? { error: 'invalid_request', description: 'nonce is required with an id_token' }
    : undefined
}

/** How the answer travels: a token only ever in the fragment, errors in the same way (RFC 6749 section 4.2.2.1). */
export function responseModeOf(params: Readonly<Record<string, string>>): 'query' | 'fragment' {
  const mode = params['response_mode']
  const front = /token/.test(params['response_type'] ?? '')
  return front || mode === 'fragment' ? 'fragment' : 'query'
}

/** Everything that the response type names. Never a refresh token (RFC 6749 section 4.2.2). */
export async function issueFrontChannel(
  state: ServerState,
  request: AuthorizationRequest,
  user: string,
  scopes: readonly string[],
): Promise<Record<string, string>> {
  const words = (request.params['response_type'] ?? '').split(' ')
  const { clientId, nonce } = request
  const code = words.includes('code')
    ? state.grants.issueCode({ ...request, user, requestedScopes: request.scopes, scopes })
    : undefined
  state.proofs.bind(code, request.params['dpop_jkt'])
  const tokens = words.includes('token') ? issueImplicit(state, request, user, scopes) : undefined
  const accessToken = tokens?.['access_token']
  const signed = words.includes('id_token')
    ? await signIdToken(state, { user, clientId, nonce, accessToken, code })
    : undefined
  return {
    ...(code === undefined ? {} : { code }),
    ...tokens,
    ...(signed === undefined ? {} : { id_token: signed }),
  }
}

/** RFC 6749 section 4.2.2: `scope` when it differs from what was asked for. */
function issueImplicit(
  state: ServerState,
  request: AuthorizationRequest,
  user: string,
  scopes: readonly string[],
): Record<string, string> {
  const tokens = state.grants.issueTokens(request.clientId, user, scopes, { renewable: false })
  const { lifetimeSeconds } = tokens
  return {
    access_token: tokens.accessToken,
    token_type: 'Bearer',
    ...(lifetimeSeconds === null ? {} : { expires_in: String(lifetimeSeconds) }),
    ...(scopes.join(' ') === request.scopes.join(' ') ? {} : { scope: scopes.join(' ') }),
  }
}

function sorted(responseType: string): string {
  return responseType.split(' ').sort().join(' ')
}
