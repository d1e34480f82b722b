// Whether an answer is a refusal, and in which words: RFC 6749 section 5.2, and how real providers say no.
// Strict signs refuse whatever else the answer holds; loose ones count only when there is no token to take.
import { isObject, type JsonObject } from './json-object.ts'
import { memberValue } from './member-names.ts'
import {
  codeFields,
  descriptionFields,
  errorFields,
  errorPlaces,
  noError,
  objectCodeFields,
  strictCodeFields,
  weakCodeFields,
} from './refusal-names.ts'

/** What a provider refused with. */
export interface Refusal {
  /** Its error code, or `error` when it has none. */
  error: string
  description: string | undefined
}

/**
 * A refusal that counts even beside a token: `error` in any form, a list of errors, `ok: false` (Slack),
 * `success: false` (Fitbit), a numeric code that is not zero (WeChat, TikTok), an error envelope (Alipay, Apigee).
 */
export function strictRefusal(body: JsonObject): Refusal | undefined {
  const description = textOf(body, descriptionFields)
  for (const name of errorFields) {
    const refusal = fromErrorField(memberValue(body, name), description)
    if (refusal !== undefined) return named(codeBeside(refusal, body), body)
  }
  const code = firstCode(body, strictCodeFields)
  if (code !== undefined) return { error: code, description: description ?? textOf(body, ['err']) }
  const failed =
    isNo(memberValue(body, 'ok')) ||
    isNo(memberValue(body, 'success')) ||
    isFailure(memberValue(body, 'status'))
  return failed ? named({ error: 'error', description }, body) : undefined
}

/**
 * `{ "errcode": "M_UNKNOWN_TOKEN", "error": "Unrecognised token" }` (Matrix), `{ "error": 401, "errorCode": "NOT_ALLOWED" }`
 * (MongoDB Atlas): where `error` is a sentence or the status, the word beside it is the code.
 */
function codeBeside(refusal: Refusal, body: JsonObject): Refusal {
  const { error, description } = refusal
  const isStatus = /^[45]\d\d$/.test(error)
  const code = isStatus || /\s/.test(error.trim()) ? firstCode(body, strictCodeFields) : undefined
  if (code === undefined || !/^[a-z]/i.test(code)) return refusal
  return { error: code, description: description ?? (isStatus ? undefined : error) }
}

/** A refusal in an answer that has no token, or no success status: whatever names a code or says why. */
export function looseRefusal(body: JsonObject): Refusal | undefined {
  return tellingMore(strictRefusal(body) ?? codeAndText(body) ?? onlyWords(body), body)
}

/** `{ "errors": [{ "code": 0, "message": "…" }] }` (Roblox): the code says that all is well, and it is not. */
function onlyWords(body: JsonObject): Refusal | undefined {
  const first = errorFields.flatMap((name) => memberValue(body, name)).find(isObject)
  const description = first && textOf(first, descriptionFields)
  return description === undefined ? undefined : { error: 'error', description }
}

/**
 * `{ "message": "error", "data": { "error_code": 10007 } }` (Douyin), `{ "success": false, "status": 400, "data": {
 * "error": "…" } }` (Imgur): the envelope says only that there is an error, what is in it says which.
 */
function tellingMore(refusal: Refusal | undefined, body: JsonObject): Refusal | undefined {
  if (refusal !== undefined && !isWordForError(refusal)) return refusal
  for (const inner of innerObjects(body)) {
    const inside = strictRefusal(inner) ?? codeAndText(inner)
    if (inside !== undefined) return inside
  }
  return refusal
}

function isWordForError({ error, description }: Refusal): boolean {
  const saysNothing = /^(?:error|fail|failed|failure)$/i.test(description ?? 'error')
  return saysNothing && (error === 'error' || /^[45]\d\d$/.test(error))
}

/** Members of an answer that speak for all of it: an error in one of them is an error, whatever stands beside it. */
export function speakersOf(body: JsonObject): JsonObject[] {
  return ['meta', 'status', 'header', 'base_resp', 'error_info']
    .map((name) => memberValue(body, name))
    .filter(isObject)
}

/** What may hold the error: members of well-known names, and envelopes (`alipay_system_oauth_token_response`). */
function innerObjects(body: JsonObject): JsonObject[] {
  const envelopes = Object.keys(body).filter((name) => /_response$/.test(name))
  const found = [
    ...errorPlaces.map((name) => memberValue(body, name)),
    ...envelopes.map((name) => body[name]),
  ]
  return found.filter(isObject)
}

/**
 * A refusal where no token is expected at the top: in an answer to a revocation, or around a nested token. A code above
 * 299 in a success is one, as it is from those who answer everything with 200; a message alone is not.
 */
export function codedRefusal(body: JsonObject): Refusal | undefined {
  const strict = strictRefusal(body)
  if (strict !== undefined) return tellingMore(strict, body)
  const codes = ['code', 'status', 'status_code'].map((name) => numberIn(body, name) ?? 0)
  const description = textOf(body, descriptionFields)
  const isFailed = codes.some((code) => code > 299) && !saysWell.test(description ?? 'ok')
  return isFailed ? codeAndText(body) : undefined
}

/** `{ "code": 10000, "msg": "Success" }`: whose codes of success begin elsewhere say so in words. */
const saysWell = /^(?:ok\b|succe|done|token (?:revoked|issued)|成功|操作成功|请求成功)/i

function codeAndText(body: JsonObject): Refusal | undefined {
  const description = textOf(body, descriptionFields)
  const error = looseCode(body, description !== undefined)
  return error === undefined && description === undefined
    ? undefined
    : wordsFirst({ error: error ?? 'error', description })
}

/** `{ "status": 400, "message": "authorization_pending" }` (Twitch): the message is the code. */
function wordsFirst(refusal: Refusal): Refusal {
  const { error, description = '' } = refusal
  const isWord = /^[a-z]+(?:_[a-z]+)+$/.test(description)
  return isWord && (error === 'error' || /^\d+$/.test(error)) ? { ...refusal, error: description } : refusal
}

/** The value of `error`, `errors` and the like: a code, a number, `true`, an object (Facebook) or a list (Fitbit). */
function fromErrorField(value: unknown, description: string | undefined): Refusal | undefined {
  if (value === true) return { error: 'error', description }
  if (Array.isArray(value)) {
    for (const one of value) {
      const refusal = fromErrorField(one, description)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }
  if (isObject(value)) return fromErrorObject(value, description)
  const code = errorCode(value)
  return code === undefined ? undefined : { error: code, description }
}

/** @param beside the description that stands beside the object, where it has none itself. */
function fromErrorObject(value: JsonObject, beside: string | undefined): Refusal | undefined {
  const said = Object.values(value).filter((one) => !isNothing(one))
  if (said.length === 0) return undefined
  const inner = ['detail', 'details', 'error', 'errors', 'extensions']
    .map((name) => memberValue(value, name))
    .flatMap((one) => (Array.isArray(one) ? one.slice(0, 1) : [one]))
    .find(isObject)
  const code = codeOfObject(value) ?? (inner === undefined ? undefined : codeOfObject(inner))
  if (code !== undefined && noError.has(code.toLowerCase())) return undefined
  const description = textOf(value, descriptionFields) ?? (inner && textOf(inner, descriptionFields))
  return { error: code ?? 'error', description: description ?? beside ?? firstTextIn(value) }
}

function isNothing(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isNothing)
  return value === null || (typeof value === 'string' && value.trim() === '')
}

/** Words before numbers: `{ "type": "OAuthException", "code": 190 }` is an OAuthException. */
function codeOfObject(value: JsonObject): string | undefined {
  const values = objectCodeFields.map((name) => memberValue(value, name))
  const word = values.find((one) => typeof one === 'string' && one !== '')
  const number = values.find((one) => typeof one === 'number')
  const found = word ?? number
  return found === undefined ? textOf(value, ['sub_code', 'reason_code']) : String(found)
}

/** An answer that says only `error: true` or `ok: false` may name the error elsewhere. */
function named(refusal: Refusal, body: JsonObject): Refusal {
  if (refusal.error !== 'error') return refusal
  return wordsFirst({ ...refusal, error: looseCode(body, refusal.description !== undefined) ?? 'error' })
}

function looseCode(body: JsonObject, described: boolean): string | undefined {
  const weak = firstCode(body, weakCodeFields)
  // `{ "status": "invalid_grant" }`, `{ "__type": "….oidc#InvalidGrantException", "message": null }` (AWS)
  const counts = described || /^[a-z]+(?:_[a-z]+)+$|\wException$/.test(weak ?? '')
  const code = firstCode(body, codeFields) ?? (counts ? weak : undefined)
  return code ?? errorCode(numberIn(body, 'status') ?? numberIn(body, 'status_code'))
}

function numberIn(body: JsonObject, name: string): number | undefined {
  const value = memberValue(body, name)
  return typeof value === 'number' ? value : undefined
}

/** The first code in these fields; a word wins over a number, and a sentence is no code. */
function firstCode(body: JsonObject, names: readonly string[]): string | undefined {
  const codes = names.map((name) => errorCode(memberValue(body, name))).filter((code) => code !== undefined)
  return (
    codes.find((code) => /^[a-z_][\w.:/#-]{0,99}$/i.test(code)) ??
    codes.find((code) => /^\S{1,100}$/.test(code))
  )
}

/** RFC 9110 section 15.3, as far as an answer with a body has them. Pinterest has an error 283. */
const successes = new Set([200, 201, 202, 203, 204])

/** A field that holds an error code, unless it says that all is well. */
function errorCode(value: unknown): string | undefined {
  if (typeof value === 'number') return value === 0 || successes.has(value) ? undefined : String(value)
  if (typeof value !== 'string' || noError.has(value.trim().toLowerCase())) return undefined
  return /^true$/i.test(value.trim()) ? 'error' : value
}

function isNo(value: unknown): boolean {
  return value === false || value === 0 || (typeof value === 'string' && /^(false|0|no)$/i.test(value.trim()))
}

function isFailure(status: unknown): boolean {
  return (
    status === false || (typeof status === 'string' && /^(error|fail|failed|failure)$/i.test(status.trim()))
  )
}

/** The first of these that says something; `{ "message": { "lang": "en", "value": "…" } }` is how OData 2 says it. */
function textOf(body: JsonObject, names: readonly string[]): string | undefined {
  for (const name of names) {
    const member = memberValue(body, name)
    const value = isObject(member) ? memberValue(member, 'value') : member
    if (typeof value === 'string' && value.trim() !== '') return value
  }
  return undefined
}

/** `{ "base": ["is invalid"] }` (Rails). */
function firstTextIn(value: JsonObject): string | undefined {
  const texts = Object.values(value).flat()
  const text = texts.find((one) => typeof one === 'string' && /\s/.test(one))
  return typeof text === 'string' ? text : undefined
}
