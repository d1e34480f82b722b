// What every grant has in common: one token request, an answer that was understood, and a token set made of it.
// RFC 6749 sections 4 and 5.1.
import { InvalidResponseError, ScopeMismatchError } from '../errors.ts'
import { joinScopes, type Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import type { Deviation } from './deviation.ts'
import { generateDpopKey, usesDpop } from './dpop-key.ts'
import type { EndpointOptions, RequestOptions } from './request-options.ts'
import type { TokenAnswer } from './response-reader.ts'
import type { LibraryCall } from './token-endpoint.ts'
import { type Renewal, TokenSet } from './token-set.ts'

/** One token request of a grant, and what its answer is held against. */
export interface Grant {
  /** The grant type as RFC 6749 and the registry spell it, for messages and hooks. */
  name: string
  /** Values the request carries that must not come back in an error. */
  secrets: readonly (string | undefined)[]
  /** Builds the request with the protocol library. */
  build: (call: LibraryCall) => Promise<Response>
  /** What was asked for; what the answer grants when it does not say (RFC 6749 section 5.1). */
  scopes: readonly string[]
  /** Facts from elsewhere (callback, the token set before), under those of the answer. */
  extra?: Readonly<Record<string, unknown>> | undefined
  /** The tokens that are being renewed: what the answer leaves out stays. */
  previous?: TokenSet | undefined
  /** How to repeat this grant (R14). */
  renewal?: Renewal | undefined
  /** Private JWK that the tokens are bound to (DPoP). Default: that of the tokens before, else a new one if one is wanted. */
  dpopKey?: JsonWebKey | undefined
  /** Checks the id_token of the answer and says which to keep. Default: as it came. */
  idToken?: ((idToken: string | undefined, accessToken: string) => Promise<KeptIdToken>) | undefined
}

/** The id_token to keep, and what was different about the one that came. */
export interface KeptIdToken {
  idToken: string | undefined
  deviations?: readonly Deviation[]
}

/**
 * Sends one token request and makes a token set of the answer. The one way in which tokens come into being.
 *
 * @param provider with its endpoints resolved.
 * @throws {ScopeMismatchError} the client demands exactly the scopes it asked for; the tokens are in the error.
 * @throws {TokenEndpointError} refused; {@link InvalidResponseError} {@link NetworkError} {@link TimeoutError}.
 */
export async function grantTokens(
  provider: Provider,
  client: Client,
  grant: Grant,
  options: EndpointOptions,
): Promise<TokenSet> {
  const { requestTokens } = await import('./token-endpoint.ts')
  const known = grant.dpopKey ?? grant.previous?.dpopKey
  const dpopKey = known ?? (usesDpop(provider, client) ? await generateDpopKey() : undefined)
  const proved = dpopKey === undefined ? grant : { ...grant, dpopKey }
  const answer = await requestTokens({ provider, client }, proved, options)
  return tokensFrom(provider, client, answer, proved, options)
}

/**
 * Makes a token set of an answer, however it came: the implicit grant has no request.
 *
 * @throws {ScopeMismatchError} as {@link grantTokens}, and what `grant.idToken` throws.
 * @throws {InvalidResponseError} `token_invalid`: not bound to our key, where the provider row says that tokens are.
 */
export async function tokensFrom(
  provider: Provider,
  client: Client,
  answer: TokenAnswer,
  grant: Omit<Grant, 'secrets' | 'build'>,
  options: RequestOptions,
): Promise<TokenSet> {
  const tokenType = typeFrom(provider, answer, grant)
  const unbound = unboundDeviation(provider, tokenType, grant)
  const { idToken: came, accessToken } = answer
  const kept = grant.idToken === undefined ? { idToken: came } : await grant.idToken(came, accessToken)
  const extra = await extraOf(client, answer, grant, options)
  const deviations = [...answer.deviations, ...(kept.deviations ?? []), ...unbound]
  const understood = { ...answer, idToken: kept.idToken, tokenType, deviations }
  const tokens = tokenSetFrom(understood, { ...grant, extra }, options)
  if (client.scopes === 'strict') assertScopes(provider, tokens)
  return tokens
}

function tokenSetFrom(
  answer: Omit<TokenAnswer, 'tokenType'> & { tokenType: string },
  grant: Omit<Grant, 'secrets' | 'build'>,
  options: Pick<RequestOptions, 'now'>,
): TokenSet {
  const { previous } = grant
  return new TokenSet({
    accessToken: answer.accessToken,
    refreshToken: answer.refreshToken ?? previous?.refreshToken,
    idToken: answer.idToken,
    expiresAt: typeof answer.expiresAt === 'number' ? new Date(answer.expiresAt) : null,
    receivedAt: new Date((options.now ?? Date.now)()),
    scopes: answer.scopes ?? grant.scopes,
    requestedScopes: grant.scopes,
    extra: grant.extra,
    raw: answer.raw,
    tokenType: answer.tokenType,
    deviations: answer.deviations,
    dpopKey: grant.dpopKey ?? previous?.dpopKey,
    renewal: grant.renewal ?? previous?.renewal,
  })
}

/** Facts of before, of elsewhere, of the answer, and of the client's own follow-up calls (P35), each over those before. */
async function extraOf(
  client: Client,
  answer: TokenAnswer,
  { previous, extra }: Pick<Grant, 'previous' | 'extra'>,
  options: RequestOptions,
): Promise<Readonly<Record<string, unknown>>> {
  const known = { ...previous?.extra, ...extra, ...grantedDetails(answer), ...answer.extra }
  if (client.hooks?.tokens === undefined) return known
  const { followUpFacts } = await import('./token-facts.ts')
  const context = { answer, extra: known, renewed: previous !== undefined }
  return { ...known, ...(await followUpFacts(client, context, options)) }
}

/** What was granted in detail (RFC 9396 section 7), for any grant; not what was asked for. */
function grantedDetails({ raw }: TokenAnswer): Readonly<Record<string, unknown>> {
  const details = raw['authorization_details']
  return Array.isArray(details) ? { authorization_details: details } : {}
}

type Binding = Pick<Grant, 'dpopKey' | 'previous' | 'name'>

/** An answer that names no type: bound as the tokens before were, or as the row says. */
function typeFrom(
  provider: Provider,
  { tokenType, deviations }: TokenAnswer,
  { dpopKey, previous }: Binding,
): string {
  const isSilent = deviations.some(({ code, member }) => code === 'missing' && member === 'token_type')
  if (!isSilent || (dpopKey ?? previous?.dpopKey) === undefined) return tokenType
  return previous?.tokenType ?? (provider.dpop === 'required' ? 'DPoP' : tokenType)
}

/**
 * A server may answer a proof with a bearer token (RFC 9449 section 5), which is a deviation from what was asked for. Who
 * counts on the binding must not use it; but a renewal is kept in any case, because the old refresh token is spent by now.
 */
function unboundDeviation(
  provider: Provider,
  tokenType: string,
  { dpopKey, previous, name }: Binding,
): Deviation[] {
  if ((dpopKey ?? previous?.dpopKey) === undefined || tokenType !== 'Bearer') return []
  if (previous === undefined && provider.dpop === 'required')
    throw new InvalidResponseError(
      'token_invalid',
      `${provider.id} answered the ${name} request with a token that is not bound to our key, although its row says dpop: "required". The token was not used. Set dpop: "supported" if it is good without.`,
    )
  return [{ code: 'token_type', member: 'token_type', found: 'Bearer' }]
}

/** R9: nothing is lost, the tokens are in the error. */
function assertScopes(provider: Provider, tokens: TokenSet): void {
  const { missingScopes: missing, addedScopes: added } = tokens
  if (missing.length === 0 && added.length === 0) return
  const parts = [
    ...(missing.length === 0 ? [] : [`did not grant ${joinScopes(provider, missing)}`]),
    ...(added.length === 0 ? [] : [`granted ${joinScopes(provider, added)} besides`]),
  ]
  throw new ScopeMismatchError(
    `${provider.id} ${parts.join(' and ')}, and the client demands the scopes it asked for (scopes: "strict"). The tokens are in this error's tokens: keep them, revoke them, or ask again.`,
    { missing, added, tokens },
  )
}
