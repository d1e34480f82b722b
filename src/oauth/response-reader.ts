// Reads what token endpoints really send: the tolerant seam in front of the certified protocol library.
// RFC 6749 sections 5.1 and 5.2, and the deviations of real providers, told apart by provider data.
// Two rules: a failure never becomes a token, and a good token is never dropped for a cosmetic fault.
import { InvalidResponseError, quote, TokenEndpointError } from '../errors.ts'
import { type Provider, splitScopes } from '../providers/index.ts'
import { excerptOf, isObject, type JsonObject, memberAt, parseBody, shapeOf } from './answer-body.ts'
import { withoutSecrets } from './redaction.ts'
import { looseRefusal, type Refusal, strictRefusal } from './refusal.ts'
import { endOfToken } from './token-lifetime.ts'
import { isToken } from './token-set.ts'
import type { Answer } from './transport.ts'

/** What the reader needs to know about the request that was answered. */
export interface ReadContext {
  provider: Provider
  /** `authorization_code`, `refresh_token`, …, for messages. */
  request: string
  /** What the request carried; removed from any text of the provider's before it enters an error. */
  secrets: readonly string[]
  /** Milliseconds since 1970. */
  now: number
  /** The request proved that we hold a key: the token may be bound to it (DPoP, RFC 9449 section 5). */
  expectsDpop?: boolean | undefined
}

/** A token answer, understood. */
export interface TokenAnswer {
  accessToken: string
  /** `DPoP`: bound to the key of the request. `Bearer`: everything else that we can present. */
  tokenType: 'Bearer' | 'DPoP'
  refreshToken: string | undefined
  idToken: string | undefined
  /** Milliseconds since 1970; `null`: no end named; `undefined`: the answer says nothing about the lifetime. */
  expiresAt: number | null | undefined
  /** `undefined`: the answer says nothing about scopes. */
  scopes: string[] | undefined
  extra: JsonObject
  raw: JsonObject
}

/**
 * Understands a token answer.
 *
 * @throws {TokenEndpointError} the provider refused, whatever the HTTP status (R7, P33).
 * @throws {InvalidResponseError} `response_not_oauth`: not a token answer at all (a proxy's HTML);
 *   `response_truncated`: JSON that is cut off; `token_invalid`: the token in it cannot be used.
 */
export function readTokenAnswer(answer: Answer, context: ReadContext): TokenAnswer {
  const { provider } = context
  const body = parseBody(answer.text)
  if (body === undefined) throw notOAuth(answer, context, shapeOf(answer.text))
  const tokens = tokenObject(body, provider)
  throwIfRefused(answer, context, strictRefusal(body) ?? strictRefusal(tokens))
  if (!isSuccess(answer)) throwFailure(answer, context, body, 'and no OAuth error')
  const read = (name: string) => field(tokens, name, provider)
  return {
    accessToken: accessTokenIn(body, tokens, answer, context),
    tokenType: isDpop(read('token_type')) ? 'DPoP' : 'Bearer',
    refreshToken: presentText(read('refresh_token')),
    idToken: tokenText(read('id_token')),
    expiresAt: endOfToken(read, provider, context.now),
    scopes: scopesIn(tokens, provider),
    extra: pick(body, tokens, provider.tokenFields ?? []),
    raw: body,
  }
}

/** Throws what the provider refused; returns when the answer is a success. For answers without a token (revocation). */
export function throwIfNotSuccess(answer: Answer, context: ReadContext): void {
  const body = parseBody(answer.text)
  if (body !== undefined) throwIfRefused(answer, context, strictRefusal(body))
  if (isSuccess(answer)) return
  if (body === undefined) throw notOAuth(answer, context, shapeOf(answer.text))
  throwFailure(answer, context, body, 'and no OAuth error')
}

function isSuccess({ status }: Answer): boolean {
  return status >= 200 && status <= 299
}

/**
 * Where the tokens are: at the provider's `tokenResponsePath`, else at the top; when neither has an access token,
 * at its `userTokenPath`.
 */
function tokenObject(body: JsonObject, provider: Provider): JsonObject {
  const nested = provider.tokenResponsePath === undefined ? body : memberAt(body, provider.tokenResponsePath)
  const tokens = isObject(nested) ? nested : body
  if (provider.userTokenPath === undefined || isPresent(field(tokens, 'access_token', provider)))
    return tokens
  const own = memberAt(body, provider.userTokenPath)
  return isObject(own) && isPresent(field(own, 'access_token', provider)) ? own : tokens
}

function accessTokenIn(body: JsonObject, tokens: JsonObject, answer: Answer, context: ReadContext): string {
  const token = field(tokens, 'access_token', context.provider)
  if (!isPresent(token)) {
    if (token === '') throwIfRefused(answer, context, looseRefusal(body))
    else throwFailure(answer, context, body, `without an access token (its members: ${memberNames(body)})`)
  }
  const type = unusableType(field(tokens, 'token_type', context.provider))
  if (type !== undefined && !(context.expectsDpop === true && isDpop(type))) {
    const shown = quote(withoutSecrets(type, tokensIn(body)), 40)
    if (isDpop(type))
      throw unusable(
        `a token of type ${shown}, bound to a key, although the request proved none: set dpop: true on the client`,
        answer,
        context,
      )
    throw unusable(`a token of type ${shown}, which this client cannot present`, answer, context)
  }
  if (isToken(token) && !isWordForNothing(token)) return token
  throw unusable('an access token that is empty or not a plain string', answer, context)
}

/** `null` turned to text by a careless server is no token. */
function isWordForNothing(token: string): boolean {
  return /^(null|undefined|none|nil|nan|false|true)$/i.test(token)
}

/** A standard field by the provider's alias, its own name, or its camelCase spelling. */
function field(tokens: JsonObject, name: string, provider: Provider): unknown {
  const alias = provider.tokenResponseAliases?.[name]
  const aliased = alias === undefined ? undefined : memberAt(tokens, alias)
  if (isPresent(aliased)) return aliased
  if (Object.hasOwn(tokens, name) && tokens[name] !== null) return tokens[name]
  const camel = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
  return Object.hasOwn(tokens, camel) ? tokens[camel] : undefined
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null && value !== ''
}

function throwIfRefused(answer: Answer, context: ReadContext, refusal: Refusal | undefined): void {
  if (refusal === undefined) return
  const clean = (text: string) =>
    withoutSecrets(text, [...context.secrets, ...tokensIn(parseBody(answer.text))])
  const retryAfterSeconds = retryAfter(answer.headers, context.now)
  throw new TokenEndpointError({
    provider: context.provider.id,
    status: answer.status,
    error: clean(refusal.error).slice(0, 200),
    request: context.request,
    ...(refusal.description === undefined
      ? {}
      : { errorDescription: clean(refusal.description).slice(0, 1000) }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  })
}

/** A failure that names no error where the RFC wants it: whatever else it says, else that it is no OAuth answer. */
function throwFailure(answer: Answer, context: ReadContext, body: JsonObject, shape: string): never {
  throwIfRefused(answer, context, looseRefusal(body))
  throw notOAuth(answer, context, shape)
}

/** Tokens that the answer itself holds, wherever they are: its other texts may quote them. */
function tokensIn(value: unknown, depth = 0): string[] {
  if (typeof value !== 'object' || value === null || depth > 5) return []
  return Object.entries(value).flatMap(([name, member]) =>
    typeof member === 'string' && /token$/i.test(name) ? [member] : tokensIn(member, depth + 1),
  )
}

/** Seconds to wait, from `Retry-After` as a number or a date (RFC 9110 section 10.2.3). */
export function retryAfter(headers: Headers, now: number): number | undefined {
  const text = headers.get('retry-after')?.trim() ?? ''
  if (/^\d{1,9}(\.\d+)?$/.test(text)) return Math.ceil(Number(text))
  if (!/^[a-z]{3,9},? \d/i.test(text)) return undefined
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000))
}

/**
 * A token type we do not understand must not be used (RFC 6749 section 7.1). Many providers send none, any
 * case, or a word of their own for a bearer token; `mac`, `dpop` and the like are schemes of their own.
 */
function unusableType(type: unknown): string | undefined {
  if (typeof type !== 'string') return undefined
  return /^(mac|dpop|pop|hmac|hok|n_a|saml.*|urn:.*)$/i.test(type.trim()) ? type : undefined
}

/** RFC 9449 section 5. */
function isDpop(type: unknown): boolean {
  return typeof type === 'string' && /^dpop$/i.test(type.trim())
}

/** A refresh token travels in a body, so it may hold what a header may not (RFC 6749 appendix A.17); no controls. */
function presentText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && !/\p{Cc}/u.test(value) && !isWordForNothing(value)
    ? value
    : undefined
}

function tokenText(value: unknown): string | undefined {
  return isToken(value) ? value : undefined
}

/** `scope` as text or list (`scopes`: Bitbucket, Qiita). Empty or absent says nothing: then it is what was asked for. */
function scopesIn(tokens: JsonObject, provider: Provider): string[] | undefined {
  for (const name of ['scope', provider.scopeParam ?? 'scope', 'scopes', 'granted_scopes']) {
    const value = field(tokens, name, provider)
    const texts = (Array.isArray(value) ? value : [value]).filter((scope) => typeof scope === 'string')
    const scopes = new Set(texts.flatMap((text) => splitScopes(provider, text)))
    if (scopes.size > 0) return [...scopes]
  }
  return undefined
}

function pick(body: JsonObject, tokens: JsonObject, paths: readonly string[]): JsonObject {
  const found = paths.map((path) => [path, memberAt(body, path) ?? memberAt(tokens, path)] as const)
  return Object.fromEntries(found.filter(([, value]) => value !== undefined && value !== null))
}

/** Names only, and only those that look like names: a body may hold anything. */
function memberNames(body: JsonObject): string {
  const names = Object.keys(body).filter((name) => name.length < 32 && /^[a-z]+(?:[_.-][a-z]+)*$/i.test(name))
  return names.length === 0 ? 'none' : names.slice(0, 12).join(', ')
}

function notOAuth(answer: Answer, context: ReadContext, shape: string): InvalidResponseError {
  const { status, headers, text } = answer
  const retryAfterSeconds = retryAfter(headers, context.now)
  const code = shape.endsWith('cut off') && isSuccess(answer) ? 'response_truncated' : 'response_not_oauth'
  const message = `${context.provider.id} answered the ${context.request} request with HTTP ${status} ${shape}. ${adviceFor(status)}`
  return new InvalidResponseError(code, message, {
    status,
    excerpt: excerptOf(text, (words) => withoutSecrets(words, context.secrets)),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  })
}

function adviceFor(status: number): string {
  if (status >= 500 || status === 429 || status === 408) return 'Try again later.'
  if (status === 401) return "Check the client id and secret, and the provider's tokenEndpointAuthMethod."
  return "Check the provider's URLs."
}

function unusable(what: string, answer: Answer, { provider, request }: ReadContext): InvalidResponseError {
  const message = `${provider.id} answered the ${request} request with ${what}. Check tokenResponsePath and tokenResponseAliases of the provider.`
  return new InvalidResponseError('token_invalid', message, { status: answer.status })
}
