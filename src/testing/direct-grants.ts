// Grants whose whole proof is in the token request: client credentials, password, JWT bearer, token exchange.
// RFC 6749 sections 4.3 and 4.4, RFC 7523 section 2.1, RFC 8693 section 2.
import { readAssertion } from './assertion.ts'
import type { RegisteredClient } from './behaviour.ts'
import { type Exchange, type Fault, isFault } from './exchange.ts'
import type { IssuedTokens } from './grants.ts'
import { type ServerState, signIdToken } from './token-endpoint.ts'

/** A token request that has been read. */
export interface TokenRequest {
  exchange: Exchange
  /** Who sent it, where the client proved that. */
  client: RegisteredClient
  parameters: ReadonlyMap<string, string>
}

type Outcome = IssuedTokens | Fault

/** RFC 6749 section 4.4: for confidential clients only, and without a refresh token. */
export function clientCredentials(state: ServerState, { client, parameters }: TokenRequest): Outcome {
  if (client.tokenEndpointAuthMethod === 'none')
    return { error: 'unauthorized_client', description: 'a public client has no credentials' }
  const scopes = scopesIn(state, parameters)
  if (isFault(scopes)) return scopes
  if (scopes.includes('openid'))
    return { error: 'invalid_scope', description: 'there is no person to sign in' }
  return state.grants.issueTokens(client.clientId, client.clientId, scopes, { renewable: false })
}

/** RFC 6749 section 4.3. */
export function password(state: ServerState, { client, parameters }: TokenRequest): Outcome {
  const [user, given] = [parameters.get('username'), parameters.get('password')]
  if (user === undefined || given === undefined) return missing(user === undefined ? 'username' : 'password')
  const { passwords = {} } = state.behaviour()
  if (!Object.hasOwn(passwords, user) || passwords[user] !== given)
    return { error: 'invalid_grant', description: 'the name or the password is wrong' }
  const scopes = scopesIn(state, parameters)
  return isFault(scopes) ? scopes : state.grants.issueTokens(client.clientId, user, scopes)
}

/** RFC 7523 section 2.1. Who asks is who signed, unless the client proved itself besides: then they must be the same. */
export function jwtBearer(
  state: ServerState,
  parameters: ReadonlyMap<string, string>,
  client: RegisteredClient | undefined,
): Outcome {
  const jwt = parameters.get('assertion')
  if (jwt === undefined) return missing('assertion')
  const assertion = readAssertion(state, jwt)
  if (isFault(assertion)) return assertion
  if (client !== undefined && client.clientId !== assertion.client.clientId)
    return { error: 'invalid_grant', description: 'the assertion is another client’s' }
  if (assertion.client.grantTypes?.includes('urn:ietf:params:oauth:grant-type:jwt-bearer') === false)
    return { error: 'unauthorized_client', description: 'the client is not registered for this grant' }
  const scopes = scopesIn(state, parameters)
  if (isFault(scopes)) return scopes
  return state.grants.issueTokens(assertion.client.clientId, assertion.subject, scopes, { renewable: false })
}

const KIND = 'urn:ietf:params:oauth:token-type:'

/** RFC 8693 sections 2.1 and 2.2.1: live tokens of this server in, never more rights out than the subject had. */
export async function tokenExchange(state: ServerState, request: TokenRequest): Promise<Outcome> {
  const { client, parameters, exchange } = request
  const subject = heldToken(state, parameters, 'subject')
  if (subject === undefined) return missing('subject_token')
  if (isFault(subject)) return subject
  const actor = heldToken(state, parameters, 'actor')
  if (isFault(actor)) return actor
  const target = targetFault(state, new URLSearchParams(exchange.body))
  if (target !== undefined) return target
  const asked = scopesIn(state, parameters)
  if (isFault(asked)) return asked
  if (asked.some((scope) => !subject.scopes.includes(scope)))
    return { error: 'invalid_scope', description: 'the subject token has fewer scopes' }
  const scopes = asked.length === 0 ? subject.scopes : asked
  const kind = parameters.get('requested_token_type') ?? `${KIND}access_token`
  const facts = { user: subject.user, actor: actor?.user, clientId: client.clientId }
  if (kind === `${KIND}id_token`) return idTokenInstead(state, facts, scopes)
  if (kind !== `${KIND}access_token`) return invalid('the requested_token_type is not supported')
  const tokens = state.grants.issueTokens(facts.clientId, facts.user, scopes, {
    renewable: false,
    actor: facts.actor,
  })
  return { ...tokens, members: { issued_token_type: kind } }
}

/** RFC 8693 section 2.2.1: what is no access token has the token type `N_A`. */
async function idTokenInstead(
  state: ServerState,
  facts: { user: string; actor: string | undefined; clientId: string },
  scopes: readonly string[],
): Promise<IssuedTokens> {
  const { user, actor, clientId } = facts
  const tokens = state.grants.issueTokens(clientId, user, scopes, { renewable: false, actor })
  const members = {
    access_token: await signIdToken(state, { user, clientId, nonce: undefined }),
    issued_token_type: `${KIND}id_token`,
    token_type: 'N_A',
  }
  return { ...tokens, members }
}

function heldToken(
  state: ServerState,
  parameters: ReadonlyMap<string, string>,
  whose: 'subject' | 'actor',
): { user: string; scopes: readonly string[] } | Fault | undefined {
  const [text, kind] = [parameters.get(`${whose}_token`), parameters.get(`${whose}_token_type`)]
  if (text === undefined) return kind === undefined ? undefined : invalid(`there is no ${whose}_token`)
  if (kind === undefined) return missing(`${whose}_token_type`)
  if (kind !== `${KIND}access_token`) return invalid(`the ${whose}_token_type is not supported`)
  const live = state.grants.liveAccessToken(text)
  return live === undefined
    ? invalid(`the ${whose}_token is not valid`)
    : { user: live.grant.user, scopes: live.scopes }
}

/** RFC 8693 section 2.2.2 and RFC 8707 section 2. */
function targetFault(state: ServerState, search: URLSearchParams): Fault | undefined {
  const { audiences } = state.behaviour()
  const named = [...search.getAll('audience'), ...search.getAll('resource')]
  return audiences === undefined || named.every((one) => audiences.includes(one))
    ? undefined
    : { error: 'invalid_target', description: 'tokens for that audience are not issued here' }
}

function scopesIn(state: ServerState, parameters: ReadonlyMap<string, string>): string[] | Fault {
  const { scopeSeparator = ' ', scopes: known } = state.behaviour()
  const scopes = (parameters.get('scope') ?? '').split(scopeSeparator).filter((scope) => scope !== '')
  return scopes.some((scope) => known?.includes(scope) === false)
    ? { error: 'invalid_scope', description: 'a scope is unknown' }
    : scopes
}

function missing(name: string): Fault {
  return invalid(`the parameter ${name} is missing`)
}

function invalid(description: string): Fault {
  return { error: 'invalid_request', description }
}
