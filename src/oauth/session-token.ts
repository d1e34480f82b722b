// Session tokens in the place of OAuth: a name and an app password for an access and a refresh token, both JWTs.
// No RFC: what the provider row says (`sessionToken`); as at https://docs.bsky.app/docs/api/com-atproto-server-create-session
// The ends are read off the tokens (RFC 7519 section 4.1.4).
import { ConfigurationError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import { definedMembers } from './client-credentials.ts'
import { resolveEndpoints } from './endpoints.ts'
import { grantTokens } from './grant.ts'
import { assertPerson, type UserPassword } from './password.ts'
import { type EndpointOptions, parametersOf } from './request-options.ts'
import type { LibraryCall } from './token-endpoint.ts'
import type { TokenSet } from './token-set.ts'

/** Options of `sessionTokenGrant`. */
export interface SessionTokenOptions extends EndpointOptions {
  /**
   * Keeps name and app password with the tokens (sealed, in a vault), so that a session whose refresh token has ended
   * is begun again without a person. Default `false`.
   */
  repeat?: boolean | undefined
}

/** Behind `sessionTokenGrant` of grants.ts, which documents it. */
export async function requestBySessionToken(
  provider: Provider,
  client: Client,
  person: UserPassword,
  options: SessionTokenOptions,
): Promise<TokenSet> {
  assertPerson(person, 'sessionTokenGrant')
  const { sessionToken: names } = provider
  if (names === undefined)
    throw new ConfigurationError(
      'provider_invalid',
      `${provider.id} has no session tokens: its row needs sessionToken, such as { username: "identifier", password: "password" }.`,
    )
  const resolved = await resolveEndpoints(provider, client, options)
  const parameters = parametersOf(resolved.tokenParams, options.extraParams)
  parameters.set(names.username, person.username)
  parameters.set(names.password, person.password)
  const { username, password } = person
  const kept = definedMembers({ username, password, extraParams: options.extraParams })
  const tokens = await grantTokens(
    resolved,
    client,
    {
      name: 'session_token',
      secrets: [password],
      scopes: [],
      renewal: options.repeat === true ? { grant: 'session_token', parameters: kept } : undefined,
      build: (call) => send(call, parameters),
    },
    options,
  )
  return withOwnEnd(tokens)
}

/** An empty POST to `refreshUrl` that the refresh token authorises. */
export async function refreshSessionToken(
  provider: Provider,
  client: Client,
  tokens: TokenSet,
  refreshToken: string,
  options: EndpointOptions,
): Promise<TokenSet> {
  const { refreshUrl } = provider
  if (refreshUrl === undefined)
    throw new ConfigurationError(
      'provider_invalid',
      `${provider.id} refreshes sessions and has no refreshUrl. Set it in the provider.`,
    )
  const fresh = await grantTokens(
    // No body at all: `query` sends the parameters, of which there are none as a rule, in the URL.
    { ...provider, tokenUrl: refreshUrl, tokenRequestFormat: 'query' },
    client,
    {
      name: 'refresh_token',
      secrets: [refreshToken, tokens.accessToken],
      scopes: tokens.scopes,
      previous: tokens,
      build: (call) =>
        send(call, parametersOf(provider.refreshParams, options.extraParams), `Bearer ${refreshToken}`),
    },
    options,
  )
  return withOwnEnd(fresh)
}

/** Sends as the library would, without a grant type and without the client's proof: there is no client. */
function send(
  { library, server, options }: LibraryCall,
  parameters: URLSearchParams,
  authorization?: string,
): Promise<Response> {
  const { headers, [library.customFetch]: transmit } = options as LibraryCall['options'] & {
    [library.customFetch]: (
      url: string,
      init: { body: URLSearchParams; headers: Record<string, string> },
    ) => Promise<Response>
  }
  const sent = new Headers(headers)
  sent.set('accept', 'application/json')
  sent.set('content-type', 'application/x-www-form-urlencoded')
  if (authorization !== undefined) sent.set('authorization', authorization)
  return transmit(server.token_endpoint ?? '', { body: parameters, headers: Object.fromEntries(sent) })
}

/** The answer names no lifetime; the access token does, in its own `exp`. */
function withOwnEnd(tokens: TokenSet): TokenSet {
  if (tokens.expiresAt !== null) return tokens
  const seconds = expiryOf(tokens.accessToken)
  return seconds === undefined ? tokens : tokens.with({ expiresAt: new Date(seconds * 1000) })
}

/** `exp` of a JWT that is not ours to check: only a hint when to renew it. */
function expiryOf(jwt: string): number | undefined {
  const [, payload = ''] = jwt.split('.')
  try {
    const claims: unknown = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')))
    const exp = typeof claims === 'object' && claims !== null && 'exp' in claims ? claims.exp : undefined
    return typeof exp === 'number' && exp > 0 && exp < 1e11 ? exp : undefined
  } catch {
    return undefined
  }
}
