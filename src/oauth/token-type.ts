// How a token is presented, from what the answer calls its type.
// RFC 6749 section 7.1, RFC 6750, RFC 9449 section 5, RFC 8693 section 2.2.1.
import type { ReadContext } from './answer-failure.ts'

/** `DPoP`: bound to the key of the request. `N_A`: no access token (token exchange). `Bearer`: everything else. */
export type TokenType = 'Bearer' | 'DPoP' | 'N_A'

/** The grant type in whose answers a token may be none to present. */
const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'

/**
 * A token type we do not understand must not be used (RFC 6749 section 7.1). Many providers send none, any
 * case, or a word of their own for a bearer token; `mac`, `dpop` and the like are schemes of their own.
 */
export function unusableType(type: unknown, { request, expectsDpop }: ReadContext): string | undefined {
  if (typeof type !== 'string') return undefined
  if (isDpop(type)) return expectsDpop === true ? undefined : type
  if (request === exchange && isNotApplicable(type)) return undefined
  if (/^urn:ietf:params:oauth:token-type:(?:access_token|jwt)$/i.test(type.trim())) return undefined
  return /^(mac|pop|hmac|hok|n_a|saml.*|urn:.*)$/i.test(type.trim()) ? type : undefined
}

/** How a token of a usable type is presented. */
export function tokenTypeOf(type: unknown): TokenType {
  if (isDpop(type)) return 'DPoP'
  return isNotApplicable(type) ? 'N_A' : 'Bearer'
}

/** RFC 9449 section 5. */
export function isDpop(type: unknown): boolean {
  return typeof type === 'string' && /^dpop$/i.test(type.trim())
}

function isNotApplicable(type: unknown): boolean {
  return typeof type === 'string' && /^n_a$/i.test(type.trim())
}
