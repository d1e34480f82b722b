// What must survive between sending a person away and their return, as one serialisable record,
// so that any process can finish what another began.
import type { ResponseMode } from '../providers/index.ts'

/**
 * One authorization under way. Plain JSON in and out: `JSON.parse(JSON.stringify(pending))` is as good as the
 * original. It holds secrets (`codeVerifier`, `state`, `dpopKey`): seal it, and use it once.
 */
export interface PendingAuthorization {
  /** Version of this record. */
  version: 1
  /** Provider id. */
  provider: string
  /** Client id that the request was made with. */
  clientId: string
  /** At least 128 random bits, or what the caller supplied. RFC 6749 section 10.12. */
  state: string
  /** RFC 7636 section 4.1. Absent when the provider does not support PKCE. */
  codeVerifier?: string
  /** OpenID Connect, present when `openid` is among the scopes. */
  nonce?: string
  /** Exactly what was sent, and what the token request will repeat. */
  redirectUri: string
  /** The scopes that were requested. */
  scopes: readonly string[]
  /** The issuer that the callback's `iss` must equal (RFC 9207). */
  issuer?: string
  /** The response mode that was asked for: an answer in a weaker one is refused (a signed one was promised, JARM). */
  responseMode?: ResponseMode
  /** `token` for the implicit grant (legacy). Default: `code`. */
  responseType?: 'code' | 'token' | 'id_token token' | 'code id_token'
  /** OpenID Connect: an id_token must say when the person signed in, no longer ago than so many seconds. */
  maxAge?: number
  /** Private JWK that the tokens will be bound to (DPoP, RFC 9449 section 10). Secret. */
  dpopKey?: JsonWebKey
  /** Resource indicators (RFC 8707), repeated in the token request. */
  resources?: readonly string[]
  /** Who this is for; chosen by trusted code. */
  user?: string
  /** Account label that the connection will have. */
  account?: string
  /** Milliseconds since 1970. */
  createdAt: number
  /** Milliseconds since 1970; a callback after it is refused. */
  expiresAt: number
}

/** Freezes a pending authorization and keeps `inspect` (and so `console.log`) from showing its secrets; JSON still does. */
export function pendingAuthorization(record: PendingAuthorization): PendingAuthorization {
  const shown = {
    provider: record.provider,
    redirectUri: record.redirectUri,
    scopes: record.scopes,
    user: record.user,
  }
  Object.defineProperty(record, Symbol.for('nodejs.util.inspect.custom'), {
    value: () => shown,
    enumerable: false,
  })
  return Object.freeze(record)
}
