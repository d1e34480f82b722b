// Token exchange: one token for another, for other eyes, with fewer rights, or in somebody's name.
// RFC 8693 sections 2.1 to 2.2.2.
import { argumentError } from '../errors.ts'
import { joinScopes, type Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import { resolveEndpoints } from './endpoints.ts'
import { grantTokens } from './grant.ts'
import { type EndpointOptions, parametersOf } from './request-options.ts'
import { withResources } from './resource-indicators.ts'
import type { LibraryCall } from './token-endpoint.ts'
import type { TokenSet } from './token-set.ts'

/** The grant type of RFC 8693 section 2.1. */
const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** What kind of token it is (RFC 8693 section 3): one of the registered kinds by its last word, or any URI. */
export type ExchangeTokenType =
  | 'access_token'
  | 'refresh_token'
  | 'id_token'
  | 'jwt'
  | 'saml1'
  | 'saml2'
  | (string & {})

/** What is traded for what. */
export interface TokenExchange {
  /** The token of who the new one is about. Secret. */
  subjectToken: string
  /** Default `access_token`. */
  subjectTokenType?: ExchangeTokenType | undefined
  /** The token of who will act (delegation, RFC 8693 section 1.1). Secret. */
  actorToken?: string | undefined
  /** Default `access_token`, when there is an actor token. */
  actorTokenType?: ExchangeTokenType | undefined
  /** Default: the server's choice. */
  requestedTokenType?: ExchangeTokenType | undefined
  /** Who will read the new token, by the names the server knows them by. */
  audience?: string | readonly string[] | undefined
}

/** Options of `tokenExchangeGrant`. */
export interface TokenExchangeOptions extends EndpointOptions {
  /** Default: not sent. */
  scopes?: readonly string[] | undefined
  /** Where the new token will be used (RFC 8707). Default: the provider's `resources`. */
  resources?: readonly string[] | undefined
}

/** Behind `tokenExchangeGrant` of grants.ts, which documents it. */
export async function requestByTokenExchange(
  provider: Provider,
  client: Client,
  exchange: TokenExchange,
  options: TokenExchangeOptions,
): Promise<TokenSet> {
  assertExchange(exchange)
  const resolved = await resolveEndpoints(provider, client, options)
  const parameters = exchangeParameters(resolved, exchange, options)
  const tokens = await grantTokens(
    resolved,
    client,
    {
      name: grantType,
      secrets: [exchange.subjectToken, exchange.actorToken],
      scopes: options.scopes ?? [],
      build: ({ library, server, client: us, authentication, options: call }: LibraryCall) =>
        library.genericTokenEndpointRequest(server, us, authentication, grantType, parameters, call),
    },
    options,
  )
  return withIssuedType(tokens)
}

function exchangeParameters(
  provider: Provider,
  exchange: TokenExchange,
  options: TokenExchangeOptions,
): URLSearchParams {
  const { subjectToken, subjectTokenType = 'access_token', actorToken, requestedTokenType } = exchange
  const { scopes = [] } = options
  const parameters = parametersOf(provider.tokenParams, options.extraParams)
  if (scopes.length > 0) parameters.set(provider.scopeParam ?? 'scope', joinScopes(provider, scopes))
  withResources(parameters, options.resources ?? provider.resources ?? [])
  const audiences = [exchange.audience ?? []].flat()
  if (audiences.length > 0) parameters.delete('audience')
  for (const audience of audiences) parameters.append('audience', audience)
  parameters.set('subject_token', subjectToken)
  parameters.set('subject_token_type', typeUri(subjectTokenType))
  if (actorToken !== undefined) {
    parameters.set('actor_token', actorToken)
    parameters.set('actor_token_type', typeUri(exchange.actorTokenType ?? 'access_token'))
  }
  if (requestedTokenType !== undefined) parameters.set('requested_token_type', typeUri(requestedTokenType))
  return parameters
}

/** RFC 8693 section 3: the registered kinds; anything else stands for itself. */
function typeUri(type: ExchangeTokenType): string {
  return type.includes(':') ? type : `urn:ietf:params:oauth:token-type:${type}`
}

/** RFC 8693 section 2.1: an actor's type goes with an actor, and no token is empty. */
function assertExchange({ subjectToken, actorToken, actorTokenType }: TokenExchange): void {
  for (const token of [subjectToken, actorToken ?? 'none'])
    if (typeof token !== 'string' || token === '')
      throw argumentError(
        'tokenExchangeGrant needs a subjectToken (and an actorToken, if any) that is a non-empty text.',
      )
  if (actorToken === undefined && actorTokenType !== undefined)
    throw argumentError('tokenExchangeGrant got an actorTokenType without an actorToken.')
}

/** RFC 8693 section 2.2.1: `issued_token_type` says what came; what is no access token has the type `N_A`. */
function withIssuedType(tokens: TokenSet): TokenSet {
  const { issued_token_type: issued } = tokens.raw
  return typeof issued === 'string'
    ? tokens.with({ extra: { ...tokens.extra, issued_token_type: issued } })
    : tokens
}
