// Reads what token endpoints really send: the tolerant seam in front of the certified protocol library.
// RFC 6749 sections 5.1 and 5.2, and the deviations of real providers, told apart by provider data.
// Two rules: a failure never becomes a token, and a good token is never dropped for a cosmetic fault.
import { InvalidResponseError, quote, TokenEndpointError } from '../errors.ts'
import { type Provider, splitScopes } from '../providers/index.ts'
import { isToken } from './token-set.ts'
import type { Answer } from './transport.ts'

type JsonObject = Record<string, unknown>

/** What the reader needs to know about the request that was answered. */
export interface ReadContext {
  provider: Provider
  /** `authorization_code`, `refresh_token`, …, for messages. */
  request: string
  /** What the request carried; removed from any text of the provider's before it enters an error. */
  secrets: readonly string[]
  /** Milliseconds since 1970. */
  now: number
}

/** A token answer, understood. */
export interface TokenAnswer {
  accessToken: string
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
 * @throws {InvalidResponseError} `response_not_oauth`: not a token answer at all (a proxy's HTML, cut JSON);
 *   `token_invalid`: the token in it cannot be used.
 */
export function readTokenAnswer(answer: Answer, context: ReadContext): TokenAnswer {
  const body = parseBody(answer.text)
  if (body === undefined) throw notOAuth(answer, context, shapeOf(answer.text))
  const tokens = tokenObject(body, context.provider)
  throwIfRefused(answer, body, tokens, context)
  const accessToken = field(tokens, 'access_token', context.provider)
  if (accessToken === undefined || accessToken === null)
    throw notOAuth(answer, context, `without an access token (its members: ${memberNames(body)})`)
  if (!isToken(accessToken))
    throw unusable('an access token that is empty or not a plain string', answer, context)
  assertBearer(field(tokens, 'token_type', context.provider), answer, context)
  return {
    accessToken,
    refreshToken: optionalToken(field(tokens, 'refresh_token', context.provider)),
    idToken: optionalToken(field(tokens, 'id_token', context.provider)),
    expiresAt: expiry(tokens, context),
    scopes: scopes(field(tokens, 'scope', context.provider), context.provider),
    extra: pick(body, tokens, context.provider.tokenFields ?? []),
    raw: body,
  }
}

/** Throws what the provider refused; returns when the answer is a success. For answers without a token (revocation). */
export function throwIfNotSuccess(answer: Answer, context: ReadContext): void {
  const body = parseBody(answer.text)
  if (body !== undefined) throwIfRefused(answer, body, body, context)
  if (answer.status < 200 || answer.status > 299) throw notOAuth(answer, context, shapeOf(answer.text))
}

/** JSON or form-encoded, whatever the content type says (R8). `undefined`: neither. */
export function parseBody(text: string): JsonObject | undefined {
  const trimmed = text.replace(/^\ufeff/, '').trim()
  if (trimmed.startsWith('{')) return parseJson(trimmed)
  if (!/^[\w.%+[\]-]+=/.test(trimmed) || /[<>\n]/.test(trimmed)) return undefined
  const fields: JsonObject = Object.create(null)
  for (const [name, value] of new URLSearchParams(trimmed)) fields[name] = value
  return fields
}

function parseJson(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value at a dotted path. Own members only, so that a path from data cannot reach a prototype. */
function at(object: JsonObject, path: string): unknown {
  if (Object.hasOwn(object, path)) return object[path]
  let value: unknown = object
  for (const key of path.split('.')) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined
    value = value[key]
  }
  return value
}

function tokenObject(body: JsonObject, provider: Provider): JsonObject {
  if (provider.tokenResponsePath === undefined) return body
  const nested = at(body, provider.tokenResponsePath)
  return isObject(nested) ? nested : body
}

/** A standard field by the provider's alias, its own name, or its camelCase spelling. */
function field(tokens: JsonObject, name: string, provider: Provider): unknown {
  const alias = provider.tokenResponseAliases?.[name]
  const aliased = alias === undefined ? undefined : at(tokens, alias)
  if (aliased !== undefined) return aliased
  if (Object.hasOwn(tokens, name)) return tokens[name]
  const camel = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
  return Object.hasOwn(tokens, camel) ? tokens[camel] : undefined
}

function throwIfRefused(answer: Answer, body: JsonObject, tokens: JsonObject, context: ReadContext): void {
  const refusal = refusalOf(body) ?? (tokens === body ? undefined : refusalOf(tokens))
  if (refusal === undefined) {
    if (answer.status >= 200 && answer.status <= 299) return
    throw notOAuth(answer, context, 'and no OAuth error')
  }
  const retryAfterSeconds = retryAfter(answer.headers, context.now)
  throw new TokenEndpointError({
    provider: context.provider.id,
    status: answer.status,
    error: withoutSecrets(refusal.error, context.secrets),
    request: context.request,
    ...(refusal.description === undefined
      ? {}
      : { errorDescription: withoutSecrets(refusal.description, context.secrets) }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  })
}

interface Refusal {
  error: string
  description: string | undefined
}

/** The error in a body: RFC 6749 section 5.2, `ok: false` (Slack), an error object (Facebook), a list (Fitbit). */
function refusalOf(body: JsonObject): Refusal | undefined {
  const description = firstText(
    body['error_description'],
    body['error_message'],
    body['errorDescription'],
    body['message'],
  )
  const { error } = body
  if (typeof error === 'string' && error !== '') return { error, description }
  if (isObject(error)) {
    const inner = firstText(error['type'], error['code'], error['status'], error['name']) ?? 'error'
    return { error: inner, description: firstText(error['message'], error['description']) ?? description }
  }
  if (Array.isArray(body['errors']) && isObject(body['errors'][0])) {
    const [first] = body['errors']
    const inner = firstText(first['errorType'], first['code'], first['title']) ?? 'error'
    return { error: inner, description: firstText(first['message'], first['detail']) ?? description }
  }
  if (body['ok'] === false || body['success'] === false) return { error: 'error', description }
  return undefined
}

function firstText(...values: unknown[]): string | undefined {
  for (const value of values) {
    if (typeof value === 'string' && value !== '') return value
    if (typeof value === 'number') return String(value)
  }
  return undefined
}

/** A provider may quote our own request back at us. */
function withoutSecrets(text: string, secrets: readonly string[]): string {
  let clean = text
  for (const secret of secrets) {
    if (secret === '') continue
    clean = clean.replaceAll(secret, '[redacted]').replaceAll(encodeURIComponent(secret), '[redacted]')
  }
  return clean
}

/** Seconds to wait, from `Retry-After` as a number or a date (RFC 9110 section 10.2.3). */
export function retryAfter(headers: Headers, now: number): number | undefined {
  const text = headers.get('retry-after')?.trim()
  if (text === undefined || text === '') return undefined
  if (/^\d{1,9}$/.test(text)) return Number(text)
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000))
}

/**
 * A token type we do not understand must not be used (RFC 6749 section 7.1). Many providers send none, any
 * case, or a word of their own for a bearer token; `mac`, `dpop` and the like are schemes of their own.
 */
function assertBearer(type: unknown, answer: Answer, context: ReadContext): void {
  if (type === undefined || type === null || typeof type !== 'string') return
  if (/^(mac|dpop|pop|hmac|n_a|saml.*|urn:.*)$/i.test(type.trim()))
    throw unusable(`a token of type ${quote(type, 40)}, which this client cannot present`, answer, context)
}

function optionalToken(value: unknown): string | undefined {
  return isToken(value) ? value : undefined
}

function scopes(value: unknown, provider: Provider): string[] | undefined {
  if (Array.isArray(value)) return value.filter((scope) => typeof scope === 'string' && scope !== '')
  if (typeof value !== 'string' || value.trim() === '') return undefined
  return splitScopes(provider, value)
}

function pick(body: JsonObject, tokens: JsonObject, paths: readonly string[]): JsonObject {
  const picked: JsonObject = {}
  for (const path of paths) {
    const value = at(body, path) ?? at(tokens, path)
    if (value !== undefined && value !== null) picked[path] = value
  }
  return picked
}

/** When the access token ends, from whichever field the provider uses (R8, P34). */
function expiry(tokens: JsonObject, { provider, now }: ReadContext): number | null | undefined {
  const lifetime = field(tokens, 'expires_in', provider)
  const fromLifetime = lifetimeEnd(lifetime, provider, now)
  if (fromLifetime !== undefined) return fromLifetime
  for (const name of ['expires_at', 'expires_on', 'expires', '.expires', 'expiry']) {
    const end = instant(field(tokens, name, provider), now)
    if (end !== undefined) return end
  }
  if (provider.assumedLifetimeSeconds !== undefined) return now + provider.assumedLifetimeSeconds * 1000
  return undefined
}

function lifetimeEnd(value: unknown, provider: Provider, now: number): number | null | undefined {
  const unit = provider.expiresInUnit ?? 'seconds'
  if (unit === 'iso8601') return typeof value === 'string' ? instant(value, now) : undefined
  const number = numberOf(value)
  if (number === undefined) return undefined
  if (number === 0 && provider.quirks?.includes('expires-in-zero')) return null
  if (unit === 'epoch-seconds') return number * 1000
  return clampInstant(now + (unit === 'milliseconds' ? number : number * 1000))
}

/** A number above 10^9 is an instant (10^12: milliseconds), below it a lifetime in seconds; text may be a date. */
function instant(value: unknown, now: number): number | undefined {
  const number = numberOf(value)
  if (number !== undefined)
    return clampInstant(number > 1e11 ? number : number > 1e9 ? number * 1000 : now + number * 1000)
  if (typeof value !== 'string') return undefined
  const parsed = Date.parse(value)
  return Number.isNaN(parsed) ? undefined : parsed
}

function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (typeof value !== 'string' || !/^\s*-?\d+(\.\d+)?\s*$/.test(value)) return undefined
  return Number(value)
}

/** `Date` ends at 8.64e15 ms; a lifetime of 10^20 s must not become an invalid date. */
function clampInstant(milliseconds: number): number {
  return Math.min(milliseconds, 8.64e15)
}

/** Names only, and only those that look like names: a body may hold anything. */
function memberNames(body: JsonObject): string {
  const names = Object.keys(body).filter((name) => /^[a-z][\w.-]{0,30}$/i.test(name))
  return names.length === 0 ? 'none' : names.slice(0, 12).join(', ')
}

function shapeOf(text: string): string {
  if (text.trim() === '') return 'with an empty body'
  if (/^\s*</.test(text)) return 'with an HTML or XML page'
  if (/^\s*[{[]/.test(text)) return 'with JSON that is cut off or malformed'
  return 'with something that is neither JSON nor form-encoded'
}

function notOAuth(answer: Answer, context: ReadContext, shape: string): InvalidResponseError {
  const retryAfterSeconds = retryAfter(answer.headers, context.now)
  const advice =
    answer.status >= 500 || answer.status === 429 ? 'Try again later.' : "Check the provider's URLs."
  return new InvalidResponseError(
    'response_not_oauth',
    `${context.provider.id} answered the ${context.request} request with HTTP ${answer.status} ${shape}. ${advice}`,
    { status: answer.status, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) },
  )
}

function unusable(what: string, answer: Answer, { provider, request }: ReadContext): InvalidResponseError {
  const message = `${provider.id} answered the ${request} request with ${what}. Check tokenResponsePath and tokenResponseAliases of the provider.`
  return new InvalidResponseError('token_invalid', message, { status: answer.status })
}
