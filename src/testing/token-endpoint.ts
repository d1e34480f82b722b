// The token, revocation and introspection endpoints. RFC 6749 sections 4.1.3, 5 and 6; RFC 7009; RFC 7662.

import { readAssertion } from './assertion.ts'
import { grantTypesOf, type RegisteredClient, type ServerBehaviour } from './behaviour.ts'
import type { Clients } from './clients.ts'
import type { Devices } from './device-grant.ts'
import { clientCredentials, jwtBearer, password, type TokenRequest, tokenExchange } from './direct-grants.ts'
import {
  type Exchange,
  type Fault,
  isFault,
  json,
  NO_STORE,
  type Reply,
  readBody,
  refusal,
} from './exchange.ts'
import type { Grants, IssuedTokens } from './grants.ts'
import { type IdTokenFacts, idToken } from './id-token.ts'
import { type KeyProofs, keyFault } from './key-proof.ts'
import type { Secrets } from './secrets.ts'
import { tokenAnswer, tokenRefusal } from './token-answer.ts'

const CLIENT_ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
/** RFC 8628 section 3.4. */
export const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code'
/** OpenID Connect CIBA section 10.1. */
export const CIBA = 'urn:openid:params:grant-type:ciba'

/** What the endpoints work on. */
export interface ServerState {
  /** Where the server is, and what it calls itself. */
  issuer(): string
  readonly secrets: Secrets
  readonly clients: Clients
  readonly grants: Grants
  readonly devices: Devices
  readonly proofs: KeyProofs
  /** Issuer and `jti` of assertions that were believed once. */
  readonly usedAssertions: Set<string>
  behaviour(): ServerBehaviour
  /** The server's clock: milliseconds since 1970. */
  clock(): number
}

/** Answers a token request. */
export async function tokenEndpoint(state: ServerState, exchange: Exchange): Promise<Reply> {
  const behaviour = state.behaviour()
  const tokens = await redeemWithKey(state, exchange, behaviour)
  if (isFault(tokens)) return state.proofs.withNonce(tokenRefusal(tokens, behaviour.tokenAnswer))
  const openid = behaviour.openid === true && tokens.scopes.includes('openid') && tokens.members === undefined
  const { accessToken, nonce } = tokens
  const facts = { user: tokens.grant.user, clientId: tokens.grant.clientId, accessToken, nonce }
  const signed = openid ? await signIdToken(state, facts) : undefined
  return state.proofs.withNonce(tokenAnswer(tokens, signed, behaviour, state.clock()))
}

/** What is bound to a key needs its proof, and what comes of a proof is bound (RFC 9449 section 5). */
async function redeemWithKey(
  state: ServerState,
  exchange: Exchange,
  behaviour: ServerBehaviour,
): Promise<IssuedTokens | Fault> {
  const { proofs, clients } = state
  const proved = proofs.check(exchange, state.issuer() + exchange.url.pathname)
  const parameters = readBody(exchange, behaviour.tokenRequestFormat ?? 'form')
  const secrets = isFault(parameters) ? [] : [parameters.get('code'), parameters.get('refresh_token')]
  const fault = keyFault(proofs, proved, secrets, behaviour)
  if (fault !== undefined) return fault
  const tokens = await redeem(state, exchange, behaviour)
  if (isFault(tokens) || isFault(proved) || proved === undefined) return tokens
  proofs.bind(tokens.accessToken, proved)
  const isPublic = clients.get(tokens.grant.clientId)?.tokenEndpointAuthMethod === 'none'
  if (isPublic) proofs.bind(tokens.refreshToken, proved)
  return { ...tokens, tokenType: 'DPoP' }
}

/** An id_token of this server's, remembered among its secrets. */
export async function signIdToken(
  state: ServerState,
  facts: Omit<IdTokenFacts, 'issuer' | 'now'>,
): Promise<string> {
  const here = { issuer: state.issuer(), now: state.clock() }
  return state.secrets.remember(await idToken({ ...facts, ...here }, state.behaviour().idToken))
}

async function redeem(
  state: ServerState,
  exchange: Exchange,
  behaviour: ServerBehaviour,
): Promise<IssuedTokens | Fault> {
  const format = behaviour.tokenRequestFormat ?? 'form'
  const unproved = assertionRequest(exchange, format)
  if (unproved !== undefined && takes(behaviour, JWT_BEARER)) return jwtBearer(state, unproved, undefined)
  const request = authenticated(state, exchange, format)
  if (isFault(request)) return request
  const { client, parameters } = request
  const grant = parameters.get('grant_type')
  if (grant === undefined) return missing('grant_type')
  const isKnown = takes(behaviour, grant)
  if (!isKnown)
    return {
      error: 'unsupported_grant_type',
      description: `supported: ${grantTypesOf(behaviour).join(', ')}`,
    }
  if (client.grantTypes?.some((one) => one === grant) === false)
    return { error: 'unauthorized_client', description: 'the client is not registered for this grant' }
  return byGrant(state, { client, parameters, exchange }, grant)
}

function byGrant(
  state: ServerState,
  request: TokenRequest,
  grant: string,
): IssuedTokens | Fault | Promise<IssuedTokens | Fault> {
  const { client, parameters } = request
  switch (grant) {
    case 'authorization_code':
      if (!parameters.has('code')) return missing('code')
      return state.grants.redeemCode(client.clientId, parameters)
    case 'refresh_token': {
      const token = parameters.get('refresh_token')
      if (token === undefined) return missing('refresh_token')
      const scopes = parameters.get('scope')?.split(state.behaviour().scopeSeparator ?? ' ')
      return state.grants.refresh(client.clientId, token, scopes)
    }
    case 'client_credentials':
      return clientCredentials(state, request)
    case 'password':
      return password(state, request)
    case JWT_BEARER:
      return jwtBearer(state, parameters, client)
    case 'urn:ietf:params:oauth:grant-type:token-exchange':
      return tokenExchange(state, request)
    case CIBA: {
      const id = parameters.get('auth_req_id')
      return id === undefined ? missing('auth_req_id') : state.devices.poll(state, client.clientId, id)
    }
    case DEVICE_CODE: {
      const code = parameters.get('device_code')
      return code === undefined ? missing('device_code') : state.devices.poll(state, client.clientId, code)
    }
    default:
      return { error: 'unsupported_grant_type', description: 'it is no grant of the token endpoint' }
  }
}

function takes(behaviour: ServerBehaviour, grant: string): boolean {
  return grantTypesOf(behaviour).some((one) => one === grant)
}

/** RFC 7521 section 4.1: with an assertion as the grant, the client need not prove itself besides. */
function assertionRequest(
  exchange: Exchange,
  format: 'form' | 'json',
): ReadonlyMap<string, string> | undefined {
  const parameters = readBody(exchange, format)
  if (isFault(parameters) || parameters.get('grant_type') !== JWT_BEARER) return undefined
  const isProved = exchange.headers.authorization !== undefined || parameters.has('client_id')
  return isProved ? undefined : parameters
}

/** The request that begins a wait: the client proves itself as at the token endpoint (RFC 8628 section 3.1, CIBA section 7.1). */
export function readDeviceRequest(
  state: ServerState,
  exchange: Exchange,
  grant: typeof DEVICE_CODE | typeof CIBA,
): AuthenticatedRequest | Fault {
  if (!takes(state.behaviour(), grant))
    return { error: 'unauthorized_client', description: 'there is no such grant' }
  return authenticated(state, exchange, 'form')
}

/** A pushed authorization request: the client proves itself as at the token endpoint (RFC 9126 section 2.1). */
export function readPushedRequest(state: ServerState, exchange: Exchange): AuthenticatedRequest | Fault {
  const request = authenticated(state, exchange, 'form')
  if (isFault(request)) return request
  return request.parameters.has('request_uri')
    ? { error: 'invalid_request', description: 'request_uri must not be pushed' }
    : request
}

/** RFC 7009: any token that is not the client's own, or not known, is a success. */
export function revocationEndpoint(state: ServerState, exchange: Exchange): Reply {
  const { revocationFormat = 'form' } = state.behaviour()
  if (revocationFormat === 'bearer') return revokeBearer(state, exchange)
  const request = authenticated(state, exchange, revocationFormat)
  if (isFault(request)) return refusal(request)
  const token = request.parameters.get('token')
  if (token === undefined) return refusal(missing('token'))
  if (state.grants.revoke(token, request.client.clientId) === 'foreign')
    return refusal({ error: 'invalid_grant', description: 'the token was issued to another client' })
  return { status: 200, headers: NO_STORE, body: '' }
}

/** As Dropbox and Slack do it: whoever holds a live access token may end its grant. */
function revokeBearer(state: ServerState, exchange: Exchange): Reply {
  const token = /^Bearer (\S+)$/i.exec(exchange.headers.authorization ?? '')?.[1] ?? ''
  const live = state.grants.liveAccessToken(token)
  if (live === undefined)
    return refusal({ error: 'invalid_token', description: 'the token is dead', status: 401 })
  state.grants.revokeWhere(({ id }) => id === live.grant.id)
  return { status: 200, headers: NO_STORE, body: '' }
}

/** RFC 7662 section 2.2: a dead or unknown token is `{"active":false}` and nothing else. */
export function introspectionEndpoint(state: ServerState, exchange: Exchange): Reply {
  const format = state.behaviour().revocationFormat === 'json' ? 'json' : 'form'
  const request = authenticated(state, exchange, format)
  if (isFault(request)) return refusal(request)
  const token = request.parameters.get('token')
  if (token === undefined) return refusal(missing('token'))
  const access = state.grants.liveAccessToken(token)
  const live = access ?? state.grants.liveRefreshToken(token)
  if (live === undefined) return json({ active: false }, 200, NO_STORE)
  const { grant } = live
  const scopes = access?.scopes ?? grant.scopes
  const facts = { active: true, client_id: grant.clientId, sub: grant.user, scope: scopes.join(' ') }
  const end = Number.isFinite(live.expiresAt) ? { exp: Math.floor(live.expiresAt / 1000) } : {}
  return json({ ...facts, iss: state.issuer(), ...end }, 200, NO_STORE)
}

interface AuthenticatedRequest {
  client: RegisteredClient
  parameters: ReadonlyMap<string, string>
}

function authenticated(
  state: ServerState,
  exchange: Exchange,
  format: 'form' | 'json',
): AuthenticatedRequest | Fault {
  const parameters = readBody(exchange, format)
  if (isFault(parameters)) return parameters
  const assertion = parameters.get('client_assertion')
  const client =
    assertion === undefined
      ? state.clients.authenticate(exchange, parameters)
      : assertedClient(state, assertion, parameters)
  return isFault(client) ? client : { client, parameters }
}

/** RFC 7523 section 2.2: who signed it is who is asking. */
function assertedClient(
  state: ServerState,
  jwt: string,
  parameters: ReadonlyMap<string, string>,
): RegisteredClient | Fault {
  const unproved = (description: string): Fault => ({ error: 'invalid_client', description, status: 401 })
  if (parameters.get('client_assertion_type') !== CLIENT_ASSERTION)
    return unproved('the assertion type is unknown')
  const assertion = readAssertion(state, jwt)
  if (isFault(assertion)) return unproved(assertion.description ?? 'the assertion is not believed')
  const { client, subject } = assertion
  if (subject !== client.clientId) return unproved('the assertion is not about the client')
  if (client.tokenEndpointAuthMethod === 'private_key_jwt') return client
  return unproved(`the client is registered for ${client.tokenEndpointAuthMethod}, not private_key_jwt`)
}

function missing(name: string): Fault {
  return { error: 'invalid_request', description: `the parameter ${name} is missing` }
}
