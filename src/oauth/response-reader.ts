// Reads what token endpoints really send: the tolerant seam in front of the certified protocol library.
// RFC 6749 sections 5.1 and 5.2, and the deviations of real providers, told apart by provider data.
// Two rules: a failure never becomes a token, and a good token is never dropped for a cosmetic fault.
import { quote } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import { type Body, readBody, shapeOf } from './answer-body.ts'
import { deviationsOf } from './answer-deviations.ts'
import {
  memberNames,
  type ReadContext,
  throwFailure,
  throwIfRefused,
  throwWithoutBody,
  tokensIn,
  unusable,
} from './answer-failure.ts'
import { scopesIn } from './answer-scopes.ts'
import type { Deviation } from './deviation.ts'
import { isObject, type JsonObject, memberAt } from './json-object.ts'
import { type Found, isPresent } from './member-names.ts'
import { withoutSecrets } from './redaction.ts'
import { codedRefusal, looseRefusal, type Refusal, speakersOf, strictRefusal } from './refusal.ts'
import { endOfToken } from './token-lifetime.ts'
import { type Find, finder, personPath, placeOfTokens, type TokenPlace } from './token-place.ts'
import { isToken } from './token-set.ts'
import { isDpop, type TokenType, tokenTypeOf, unusableType } from './token-type.ts'
import type { Answer } from './transport.ts'

export type { ReadContext } from './answer-failure.ts'
export { retryAfter } from './retry-after.ts'

/** A token answer, understood. */
export interface TokenAnswer {
  accessToken: string
  /** How the token is presented, whatever the answer calls it. */
  tokenType: TokenType
  refreshToken: string | undefined
  idToken: string | undefined
  /** Milliseconds since 1970; `null`: no end named; `undefined`: the answer says nothing about the lifetime. */
  expiresAt: number | null | undefined
  /** `undefined`: the answer says nothing about scopes. */
  scopes: string[] | undefined
  extra: JsonObject
  raw: JsonObject
  /** How the answer differed from the RFCs. Holds no secret. */
  deviations: readonly Deviation[]
}

/**
 * Understands a token answer.
 *
 * @throws {TokenEndpointError} the provider refused, whatever the HTTP status (R7, P33).
 * @throws {InvalidResponseError} `response_not_oauth`: not a token answer at all (a proxy's HTML);
 *   `response_truncated`: JSON that is cut off; `token_invalid`: the token in it cannot be used.
 */
export function readTokenAnswer(answer: Answer, context: ReadContext): TokenAnswer {
  const { provider, now } = context
  const body = readBody(answer.text)
  if (body === undefined) throwWithoutBody(answer, context, shapeOf(answer.text))
  const place = placeOfTokens(body.members, provider)
  throwIfRefused(answer, context, refusalAround(body.members, place), body.members)
  if (!isSuccess(answer)) throwFailure(answer, context, body.members, 'and no OAuth error')
  const find = finder(body.members, place, provider)
  const accessToken = accessTokenIn(body.members, place.access, find, answer, context)
  const lifetime = endOfToken(find, provider, now, {
    zeroIsNever: zeroIsNever(place, find, provider),
    tokens: place.tokens,
  })
  const granted = scopesIn(find, provider)
  const person = personIn(body, place, find, context)
  return {
    accessToken,
    tokenType: tokenTypeOf(find('token_type')?.value),
    refreshToken: presentText(find('refresh_token')?.value),
    idToken: tokenText(find('id_token')?.value),
    expiresAt: lifetime?.end,
    scopes: granted?.scopes,
    extra: { ...pick(body.members, place.tokens, provider.tokenFields ?? []), ...person },
    raw: body.members,
    deviations: deviationsOf(answer, { body, place, find, lifetime, granted }, provider, [
      ...context.secrets,
      ...tokensIn(body.members),
      accessToken,
    ]),
  }
}

/** Without a token, what says most about the failure counts; beside one, only what certainly is a failure. */
function refusalAround(body: JsonObject, { access, chain, path }: TokenPlace): Refusal | undefined {
  if (!isPresent(access?.value)) return strictRefusal(body) && looseRefusal(body)
  for (const object of chain) {
    const refusal = strictRefusal(object)
    if (refusal !== undefined) return refusal
  }
  for (const object of speakersOf(body)) {
    const refusal = codedRefusal(object)
    if (refusal !== undefined) return refusal
  }
  return path === undefined ? undefined : codedRefusal(body)
}

/** Throws what the provider refused; returns when the answer is a success. For answers without a token (revocation). */
export function throwIfNotSuccess(answer: Answer, context: ReadContext): void {
  const body = readBody(answer.text)?.members
  // A person's record may have a code and a title; an answer to a revocation has nothing to say but how it went.
  const refusalIn = context.request === 'revocation' ? codedRefusal : strictRefusal
  if (body !== undefined) throwIfRefused(answer, context, refusalIn(body), body)
  if (isSuccess(answer)) return
  if (body === undefined) throwWithoutBody(answer, context, shapeOf(answer.text))
  throwFailure(answer, context, body, 'and no OAuth error')
}

function isSuccess({ status }: Answer): boolean {
  return status >= 200 && status <= 299
}

function accessTokenIn(
  body: JsonObject,
  access: Found | undefined,
  find: Find,
  answer: Answer,
  context: ReadContext,
): string {
  const token = access?.value
  if (!isPresent(token)) {
    if (token === '') throwIfRefused(answer, context, looseRefusal(body), body)
    else throwFailure(answer, context, body, `without an access token (its members: ${memberNames(body)})`)
  }
  const type = unusableType(find('token_type')?.value, context)
  if (type !== undefined) throw unusable(reasonOf(type, body), answer, context)
  const text = typeof token === 'string' ? bareToken(token) : token
  if (isToken(text) && !isWordForNothing(text)) return text
  throw unusable('an access token that is empty or not a plain string', answer, context)
}

/** Without spaces around it, and without the scheme that a careless server puts before it. */
function bareToken(token: string): string {
  let [start, end] = [0, token.length]
  while (token[start] === ' ') start += 1
  while (end > start && token[end - 1] === ' ') end -= 1
  return token.slice(start, end).replace(/^bearer +/i, '')
}

function reasonOf(type: string, body: JsonObject): string {
  const shown = quote(withoutSecrets(type, tokensIn(body)), 40)
  return isDpop(type)
    ? `a token of type ${shown}, bound to a key, although the request proved none: set dpop: true on the client`
    : `a token of type ${shown}, which this client cannot present`
}

/** `null` turned to text by a careless server is no token; nor is one that a careful log has blackened. */
function isWordForNothing(token: string): boolean {
  return /^(?:\(?null\)?|undefined|none|nil|nan|false|true|error|invalid|\*+)$/i.test(token)
}

/**
 * A token that has ended already and cannot be renewed would be pointless. Where the answer is not the RFC's in other
 * ways either (no `token_type`: VK; `scope: null`: Mailchimp), zero means that there is no end.
 */
function zeroIsNever({ tokens }: TokenPlace, find: Find, provider: Provider): boolean {
  if (provider.quirks?.includes('expires-in-zero')) return true
  if (presentText(find('refresh_token')?.value) !== undefined) return false
  return find('token_type') === undefined || tokens['scope'] === null || find('expires_in')?.value === -1
}

/** A refresh token travels in a body, so it may hold what a header may not (RFC 6749 appendix A.17); no controls. */
function presentText(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.trim() === '') return undefined
  return /\p{Cc}/u.test(value) || isWordForNothing(value) ? undefined : value
}

function tokenText(value: unknown): string | undefined {
  return isToken(value) && !isWordForNothing(value) ? value : undefined
}

/**
 * The person's own token where there is another beside it, or where the answer says that it is the person's (Slack,
 * P36): plain JSON, because it is kept with the tokens.
 */
function personIn(
  { members }: Body,
  { tokens }: TokenPlace,
  find: Find,
  { provider, now }: ReadContext,
): JsonObject {
  const beside = memberAt(members, personPath(provider))
  const isPersons = provider.userTokenPath !== undefined && find('token_type')?.value === 'user'
  const own = isObject(beside) && isPresent(beside['access_token']) ? beside : isPersons ? tokens : undefined
  const accessToken = own?.['access_token']
  if (own === undefined || !isToken(accessToken)) return {}
  const read = finder(own, { tokens: own, path: undefined, chain: [own], access: undefined }, provider)
  const end = endOfToken(read, provider, now)?.end
  const refreshToken = presentText(own['refresh_token'])
  return {
    userToken: {
      accessToken,
      ...(refreshToken === undefined ? {} : { refreshToken }),
      expiresAt: typeof end === 'number' ? new Date(end).toISOString() : null,
      scopes: scopesIn(read, provider)?.scopes ?? [],
    },
  }
}

function pick(body: JsonObject, tokens: JsonObject, paths: readonly string[]): JsonObject {
  const found = paths.map((path) => [path, memberAt(body, path) ?? memberAt(tokens, path)] as const)
  return Object.fromEntries(found.filter(([, value]) => value !== undefined && value !== null))
}
