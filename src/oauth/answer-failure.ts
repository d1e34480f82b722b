// The errors that a bad answer becomes: refused, not OAuth at all, or a token that cannot be used.
// RFC 6749 section 5.2; what a provider says back is searched for secrets before anybody sees it.
import { InvalidResponseError, TokenEndpointError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import { excerptOf } from './answer-body.ts'
import type { JsonObject } from './json-object.ts'
import { withoutSecrets } from './redaction.ts'
import { looseRefusal, type Refusal } from './refusal.ts'
import { outlookOf } from './refusal-outlook.ts'
import { retryAfter } from './retry-after.ts'
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

/** Throws what was refused, if anything was. */
export function throwIfRefused(
  answer: Answer,
  context: ReadContext,
  refusal: Refusal | undefined,
  body: JsonObject = {},
): void {
  if (refusal === undefined) return
  const clean = (text: string) => withoutSecrets(text, [...context.secrets, ...tokensIn(body)])
  const retryAfterSeconds = retryAfter(answer.headers, context.now, body)
  const outlook = outlookOf(refusal, body, context.request)
  throw new TokenEndpointError({
    provider: context.provider.id,
    status: answer.status,
    error: clean(refusal.error).slice(0, 200),
    request: context.request,
    ...(refusal.description === undefined
      ? {}
      : { errorDescription: clean(refusal.description).slice(0, 1000) }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    ...(outlook === undefined ? {} : { outlook }),
  })
}

/** A failure that names no error where the RFC wants it: whatever else it says, else that it is no OAuth answer. */
export function throwFailure(answer: Answer, context: ReadContext, body: JsonObject, shape: string): never {
  throwIfRefused(answer, context, looseRefusal(body) ?? headerRefusal(answer.headers), body)
  throw notOAuth(answer, context, shape)
}

/** A failure without a record in its body: what a header or a few plain words say, else what it looks like. */
export function throwWithoutBody(answer: Answer, context: ReadContext, shape: string): never {
  throwIfRefused(answer, context, headerRefusal(answer.headers) ?? plainRefusal(answer))
  throw notOAuth(answer, context, shape)
}

/** RFC 6750 section 3: `WWW-Authenticate: Bearer error="invalid_token", error_description="…"`; Pocket's own two headers. */
function headerRefusal(headers: Headers): Refusal | undefined {
  const challenge = headers.get('www-authenticate') ?? ''
  const parameter = (name: string) => new RegExp(`\\b${name}="([^"\\\\]{1,300})"`).exec(challenge)?.[1]
  const error = parameter('error') ?? headers.get('x-error-code')?.slice(0, 100)
  const description = parameter('error_description') ?? headers.get('x-error')?.slice(0, 300)
  return error === undefined ? undefined : { error, description }
}

/** Words of somebody who says no. */
const saysNo =
  /\b(?:wrong|invalid|expired|denied|error|fail(?:ed|ure)?|unauthori[sz]ed|forbidden|bad|missing|unknown|unsupported|revoked|refused|limit|too many)\b/i

/** A short line that says no (Deezer: `wrong code`). A gateway's words for its own trouble are no refusal. */
function plainRefusal({ status, text }: Answer): Refusal | undefined {
  const line = text.trim().replace(/^"([^"\\]*)"$/, '$1')
  if (status >= 500 || !/^\w[\w ,.;:!'()/-]{2,119}$/.test(line)) return undefined
  const isCode = /^[a-z]+(?:_[a-z]+)+$/.test(line)
  if (!isCode && !saysNo.test(line)) return undefined
  return isCode ? { error: line, description: undefined } : { error: 'error', description: line }
}

/** Tokens that the answer itself holds, wherever they are: its other texts may quote them. */
export function tokensIn(value: unknown, depth = 0): string[] {
  if (typeof value !== 'object' || value === null || depth > 5) return []
  return Object.entries(value).flatMap(([name, member]) =>
    typeof member === 'string' && /token$/i.test(name) ? [member] : tokensIn(member, depth + 1),
  )
}

/** An answer that is none. */
export function notOAuth(answer: Answer, context: ReadContext, shape: string): InvalidResponseError {
  const { status, headers, text } = answer
  const retryAfterSeconds = retryAfter(headers, context.now)
  const code =
    shape.endsWith('cut off') && status >= 200 && status <= 299 ? 'response_truncated' : 'response_not_oauth'
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

/** A token that must not be used. */
export function unusable(
  what: string,
  answer: Answer,
  { provider, request }: ReadContext,
): InvalidResponseError {
  const message = `${provider.id} answered the ${request} request with ${what}. Check tokenResponsePath and tokenResponseAliases of the provider.`
  return new InvalidResponseError('token_invalid', message, { status: answer.status })
}

/** Names only, and only those that look like names: a body may hold anything. */
export function memberNames(body: JsonObject): string {
  const names = Object.keys(body).filter((name) => name.length < 32 && /^[a-z]+(?:[_.-][a-z]+)*$/i.test(name))
  return names.length === 0 ? 'none' : names.slice(0, 12).join(', ')
}
