// Whether an answer is a refusal, and in which words: RFC 6749 section 5.2, and how real providers say no.
// Strict signs refuse whatever else the answer holds; loose ones count only when there is no token to take.
import { isObject, type JsonObject } from './answer-body.ts'

/** What a provider refused with. */
export interface Refusal {
  /** Its error code, or `error` when it has none. */
  error: string
  description: string | undefined
}

/** Values of an error field that mean "no error", as WeChat, TikTok and others send beside a good token. */
const noError = new Set(['', '0', '200', 'ok', 'success', 'none', 'null', 'false', 'no_error'])

/** A code in one of these refuses even beside a token. */
const strictCodeFields = ['errcode', 'error_code', 'errorCode', 'err_code', 'err_no', 'ECODE', 'error_type']

/** A code in one of these refuses when there is no token. */
const codeFields = [...strictCodeFields, 'errorType', 'error_id', 'errorId', 'code', 'Code', 'status_txt']

/** Too common to mean anything unless a description stands beside them. */
const weakCodeFields = ['name', 'status', 'type', 'id']

const descriptionFields = [
  'error_description',
  'errorDescription',
  'error_message',
  'errorMessage',
  'error_msg',
  'errmsg',
  'err_msg',
  'errorSummary',
  'error_detail',
  'message',
  'Message',
  'msg',
  'detail',
  'details',
  'description',
  'reason',
  'title',
  'hint',
  'sub_msg',
  'faultstring',
]

/**
 * A refusal that counts even beside a token: `error` in any form, a list of errors, `ok: false` (Slack),
 * `success: false` (Fitbit), a numeric code that is not zero (WeChat, TikTok), an error envelope (Alipay, Apigee).
 */
export function strictRefusal(body: JsonObject): Refusal | undefined {
  const description = textOf(body, descriptionFields)
  for (const name of ['error', 'errors', 'error_response', 'fault']) {
    const refusal = fromErrorField(own(body, name))
    if (refusal !== undefined)
      return named({ ...refusal, description: refusal.description ?? description }, body)
  }
  const code = firstCode(body, strictCodeFields)
  if (code !== undefined) return { error: code, description: description ?? textOf(body, ['err']) }
  const failed = isNo(own(body, 'ok')) || isNo(own(body, 'success')) || isFailure(own(body, 'status'))
  return failed ? named({ error: 'error', description }, body) : undefined
}

/** A refusal in an answer that has no token, or no success status: whatever names a code or says why. */
export function looseRefusal(body: JsonObject): Refusal | undefined {
  const refusal = strictRefusal(body) ?? codeAndText(body)
  if (refusal !== undefined) return refusal
  for (const name of ['meta', 'data', 'status', 'detail', 'response', 'body']) {
    const inner = own(body, name)
    const inside = isObject(inner) ? (strictRefusal(inner) ?? codeAndText(inner)) : undefined
    if (inside !== undefined) return inside
  }
  return undefined
}

function codeAndText(body: JsonObject): Refusal | undefined {
  const description = textOf(body, descriptionFields)
  const error = looseCode(body, description !== undefined)
  return error === undefined && description === undefined
    ? undefined
    : { error: error ?? 'error', description }
}

/** The value of `error`, `errors` and the like: a code, a number, `true`, an object (Facebook) or a list (Fitbit). */
function fromErrorField(value: unknown): Refusal | undefined {
  if (value === true) return { error: 'error', description: undefined }
  if (Array.isArray(value))
    return value.length === 0
      ? undefined
      : (fromErrorField(value[0]) ?? { error: 'error', description: undefined })
  if (isObject(value)) return fromErrorObject(value)
  const code = errorCode(value)
  return code === undefined ? undefined : { error: code, description: undefined }
}

function fromErrorObject(value: JsonObject): Refusal | undefined {
  if (Object.keys(value).length === 0) return undefined
  const code = codeOfObject(value)
  if (code !== undefined && noError.has(code.toLowerCase())) return undefined
  return { error: code ?? 'error', description: textOf(value, descriptionFields) ?? firstTextIn(value) }
}

/** Words before numbers: `{ "type": "OAuthException", "code": 190 }` is an OAuthException. */
function codeOfObject(value: JsonObject): string | undefined {
  const names = [
    '.tag',
    'error',
    'errorType',
    'type',
    'code',
    'sub_code',
    'status',
    'errorId',
    'errorcode',
    'name',
    'id',
  ]
  const values = names.map((name) => own(value, name))
  const word = values.find((one) => typeof one === 'string' && one !== '')
  const number = values.find((one) => typeof one === 'number')
  return word === undefined ? (number === undefined ? undefined : String(number)) : String(word)
}

/** An answer that says only `error: true` or `ok: false` may name the error elsewhere. */
function named(refusal: Refusal, body: JsonObject): Refusal {
  if (refusal.error !== 'error') return refusal
  return { ...refusal, error: looseCode(body, refusal.description !== undefined) ?? 'error' }
}

function looseCode(body: JsonObject, described: boolean): string | undefined {
  const code = firstCode(body, codeFields) ?? (described ? firstCode(body, weakCodeFields) : undefined)
  return code ?? errorCode(typeof own(body, 'status') === 'number' ? body['status'] : undefined)
}

/** The first code in these fields; a word wins over a number, and a sentence is no code. */
function firstCode(body: JsonObject, names: readonly string[]): string | undefined {
  const codes = names.map((name) => errorCode(own(body, name))).filter((code) => code !== undefined)
  return (
    codes.find((code) => /^[a-z][\w.:/#-]{0,99}$/i.test(code)) ?? codes.find((code) => /^-?\d+$/.test(code))
  )
}

/** A field that holds an error code, unless it says that all is well. */
function errorCode(value: unknown): string | undefined {
  if (typeof value === 'number')
    return value === 0 || (value > 199 && value < 300) ? undefined : String(value)
  return typeof value === 'string' && !noError.has(value.trim().toLowerCase()) ? value : undefined
}

function isNo(value: unknown): boolean {
  return value === false || value === 0 || (typeof value === 'string' && /^(false|0|no)$/i.test(value.trim()))
}

function isFailure(status: unknown): boolean {
  return (
    status === false || (typeof status === 'string' && /^(error|fail|failed|failure)$/i.test(status.trim()))
  )
}

function own(body: JsonObject, name: string): unknown {
  return Object.hasOwn(body, name) ? body[name] : undefined
}

function textOf(body: JsonObject, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = own(body, name)
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
