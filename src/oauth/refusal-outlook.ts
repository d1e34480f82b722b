// What a refusal means where its code does not say: the grant is dead, or it passes. Read from the provider's sentence.
// RFC 6749 section 5.2 has `invalid_grant` for the one and RFC 9110 section 15.6 a status for the other; many have neither.
import { isObject, type JsonObject } from './json-object.ts'
import { memberValue } from './member-names.ts'
import type { Refusal } from './refusal.ts'

/** `dead`: only a person's consent helps. `passing`: the same request may succeed later. */
export type Outlook = 'dead' | 'passing'

/** "Try again later" and its kin. A bare "try again" is what people are told of everything. */
const passing = [
  /\b(?:try|retry) (?:again )?(?:later|after|in a )|retry your request|temporar(?:y|ily)\b/,
  /too many (?:requests|attempts)|rate[ _-]?limit|rate exceeded|throttl|already being processed|busy\b|overloaded/,
  /(?:service|server) (?:is )?(?:currently )?unavailable|internal (?:server )?error|under maintenance|系统繁忙/,
]

const bad = 'invalid|expired|revoked|unknown|inactive|incorrect|malformed|unrecogni[sz]ed'
const gone =
  'invalid|expired|revoked|not found|not valid|not active|not exist|inactive|unknown|already|been used|no longer|无效|过期|失效'

/** A refresh token that the provider does not take, in words. */
const deadToken = [
  new RegExp(`\\brefresh[ _-]?token\\b[^.]{0,60}?(?:${gone})`),
  new RegExp(`\\b(?:${bad})\\b[^.]{0,40}\\brefresh[ _-]?token`),
  /^value passed for the token was invalid/, // X
  /\bsession (?:has (?:been )?|is )?(?:expired|invalidated)/, // Facebook
  /^(?:invalid token|token expired)\b/, // Zoom, Firebase
]

/** The grant itself, in words (Basecamp), those of RFC 6749 section 5.2 among them. */
const deadGrant =
  /\b(?:authorization|grant|consent) (?:has |is |was )?(?:been )?(?:expired|revoked|withdrawn)|\bgrant is invalid\b/

/** An authorization code or device code that the provider does not take, in words. */
const deadCode = [
  new RegExp(`\\b(?:auth)?code\\b[^.]{0,60}?(?:${gone})`),
  new RegExp(`\\b(?:${bad}|wrong|used)\\b[^.]{0,30}\\b(?:auth)?code\\b`),
]

/** Codes that are about us and not about the grant, whatever the sentence beside them says. */
const aboutUs =
  /^(?:invalid_client|unauthorized_client|invalid_scope|unsupported_grant_type|redirect_uri_mismatch|(?:bad|invalid)_redirect_uri)$/i

/** Words for what is ours to mend: a sentence with these may name a refresh token that is in order. */
const ours = [
  /\bclient (?:id|secret|credentials|authentication)\b|\bgrant type\b|\bscopes?\b|\bmalformed request\b/,
  /\bmissing\b|\bis required\b|\bnot (?:provided|supplied)\b|\b(?:unknown|unrecogni[sz]ed) parameter\b/,
]

/** Codes that are no authorization code. */
const otherCode = /\bcode (?:verifier|challenge)\b|\b(?:error|status|country|language|currency) code\b/g

/** What a refusal's own words say of it; `undefined`: no more than its code and status. */
export function outlookOf(refusal: Refusal, body: JsonObject, request: string): Outlook | undefined {
  const said = `${refusal.description ?? ''} ${refusal.error}`.slice(0, 500)
  const words = said.replaceAll('_', ' ').replace(/(?<=[a-z])(?=[A-Z])/g, ' ') // `RefreshTokenInvalid` (Zitadel)
  const text = words.toLowerCase().trim()
  if (saysTransient(body) || passing.some((pattern) => pattern.test(text))) return 'passing'
  if (aboutUs.test(refusal.error) || ours.some((pattern) => pattern.test(text))) return undefined
  const patterns = [deadGrant, ...(request === 'refresh_token' ? deadToken : deadCode)]
  const told = text.replace(otherCode, '')
  return namesGrant(body, request) || patterns.some((pattern) => pattern.test(told)) ? 'dead' : undefined
}

/** Facebook: `{ "error": { "is_transient": true } }`. */
function saysTransient(body: JsonObject): boolean {
  const error = memberValue(body, 'error')
  return isObject(error) && memberValue(error, 'is_transient') === true
}

/** Strava: `{ "errors": [{ "resource": "RefreshToken", "code": "invalid" }] }`. */
function namesGrant(body: JsonObject, request: string): boolean {
  const errors = memberValue(body, 'errors')
  if (!Array.isArray(errors)) return false
  const resource = request === 'refresh_token' ? 'RefreshToken' : 'AuthorizationCode'
  return errors.some((one) => isObject(one) && one['resource'] === resource && one['code'] === 'invalid')
}
