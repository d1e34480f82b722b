// A token response made usable: absolute expiry, granted scopes, camelCase, the raw answer kept.
// RFC 6749 section 5.1. Secrets live in private fields: `inspect`, `JSON.stringify` and a spread do not show them.
import { argumentError } from '../errors.ts'
import type { Deviation } from './deviation.ts'

/** The members of a {@link TokenSet}, with the secrets in the clear: what `new TokenSet` takes. */
export interface TokenSetFields {
  accessToken: string
  /** Absent when the provider issued none. */
  refreshToken?: string | undefined
  /** OpenID Connect. */
  idToken?: string | undefined
  /** Default: `Bearer`. */
  tokenType?: string | undefined
  /** `null`: the provider named no end ("does not expire"). */
  expiresAt?: Date | null | undefined
  /** When the answer arrived. Default: now. */
  receivedAt?: Date | undefined
  /** The scopes granted: what the answer said, or what was requested when it said nothing (RFC 6749 section 5.1). */
  scopes?: readonly string[] | undefined
  /** Further facts that the provider row asks to keep: workspace id, instance URL, callback parameters. */
  extra?: Readonly<Record<string, unknown>> | undefined
  /** The whole answer, as the provider sent it. Holds the secrets. */
  raw?: Readonly<Record<string, unknown>> | undefined
  /** Private JWK that the access token is bound to (DPoP, RFC 9449). */
  dpopKey?: JsonWebKey | undefined
  /** How to get another one where there is no refresh token: the grant is repeated (R14). */
  renewal?: Renewal | undefined
  /** How the answer differed from the RFCs. Not kept by {@link TokenSet.serialize}. */
  deviations?: readonly Deviation[] | undefined
  /** What was asked for, to tell `missing` and `added` scopes. Default: nothing is known to differ. */
  requestedScopes?: readonly string[] | undefined
}

/** A grant that can be repeated without a person, and with what. Never holds a client's secret. */
export interface Renewal {
  grant: 'client_credentials' | 'urn:ietf:params:oauth:grant-type:jwt-bearer' | 'session_token' | 'password'
  /** The request's own members, as that grant's function takes them. May hold secrets (an app password). */
  parameters: Readonly<Record<string, unknown>>
}

/** A {@link TokenSet} as plain JSON, secrets included: what {@link TokenSet.serialize} writes. */
interface SerializedTokenSet {
  v: 1
  a: string
  r?: string
  i?: string
  t: string
  /** Milliseconds since 1970, `null` when it does not expire. */
  e: number | null
  n: number
  s: readonly string[]
  x?: Readonly<Record<string, unknown>>
  w?: Readonly<Record<string, unknown>>
  k?: JsonWebKey
  g?: Renewal
  /** Scopes asked for, where they differ from those granted. */
  q?: readonly string[]
}

const none = Object.freeze([])

/** A usable, immutable set of tokens. */
export class TokenSet {
  readonly #accessToken: string
  readonly #refreshToken: string | undefined
  readonly #idToken: string | undefined
  readonly #extra: Readonly<Record<string, unknown>>
  readonly #raw: Readonly<Record<string, unknown>> | undefined
  readonly #dpopKey: JsonWebKey | undefined
  readonly #renewal: Renewal | undefined
  /** How the token is used; almost always `Bearer` (RFC 6750). */
  readonly tokenType: string
  /** When the access token ends; `null` when the provider named no end. */
  readonly expiresAt: Date | null
  /** When the answer arrived. */
  readonly receivedAt: Date
  /** The scopes granted. */
  readonly scopes: readonly string[]
  /** Scopes that were asked for and not granted (R9). */
  readonly missingScopes: readonly string[]
  /** Scopes that were granted and not asked for (R9). */
  readonly addedScopes: readonly string[]
  /** How the answer differed from the RFCs, as data. Empty for a set that was stored and read back. */
  readonly deviations: readonly Deviation[]

  /** @throws {TypeError} `invalid_argument` when the access token is empty or has characters no header can carry, or a date is none. */
  constructor(fields: TokenSetFields) {
    if (!isToken(fields.accessToken))
      throw argumentError(
        'TokenSet needs an accessToken: a non-empty string without spaces or control characters.',
      )
    this.#accessToken = fields.accessToken
    this.#refreshToken = fields.refreshToken
    this.#idToken = fields.idToken
    this.#extra = fields.extra ?? {}
    this.#raw = fields.raw
    this.#dpopKey = fields.dpopKey
    this.#renewal = fields.renewal
    this.tokenType = fields.tokenType ?? 'Bearer'
    this.expiresAt = fields.expiresAt == null ? null : checkedDate(fields.expiresAt, 'expiresAt')
    this.receivedAt = checkedDate(fields.receivedAt ?? new Date(), 'receivedAt')
    this.scopes = Object.freeze([...(fields.scopes ?? [])])
    const { requestedScopes: requested, deviations } = fields
    this.missingScopes = requested === undefined ? none : without(requested, this.scopes)
    this.addedScopes = requested === undefined ? none : without(this.scopes, requested)
    this.deviations = deviations === undefined ? none : Object.freeze([...deviations])
    Object.freeze(this)
  }

  /** The access token itself. Secret. */
  get accessToken(): string {
    return this.#accessToken
  }

  /** The refresh token, when the provider issued one. Secret. */
  get refreshToken(): string | undefined {
    return this.#refreshToken
  }

  /** The OpenID Connect id_token, when there is one. Secret. */
  get idToken(): string | undefined {
    return this.#idToken
  }

  /**
   * Further facts that the provider row asks to keep. Never token fields; not shown by `inspect` and JSON all the
   * same, because some are as good as a token (the URL of a Slack webhook).
   */
  get extra(): Readonly<Record<string, unknown>> {
    return this.#extra
  }

  /** The answer as the provider sent it, tokens included. Secret. */
  get raw(): Readonly<Record<string, unknown>> {
    return this.#raw ?? {}
  }

  /** Private JWK that the access token is bound to (DPoP). Secret. */
  get dpopKey(): JsonWebKey | undefined {
    return this.#dpopKey
  }

  /** How to get another one without a refresh token (R14). May hold secrets. */
  get renewal(): Renewal | undefined {
    return this.#renewal
  }

  /** Whether the access token is still good for more than `seconds` (default 0) at `now` (milliseconds since 1970). */
  validFor(seconds = 0, now: number = Date.now()): boolean {
    return this.expiresAt === null || this.expiresAt.getTime() - now > seconds * 1000
  }

  /** A copy with some members changed. */
  with(fields: Partial<TokenSetFields>): TokenSet {
    return new TokenSet({
      accessToken: this.#accessToken,
      refreshToken: this.#refreshToken,
      idToken: this.#idToken,
      raw: this.#raw,
      tokenType: this.tokenType,
      expiresAt: this.expiresAt,
      receivedAt: this.receivedAt,
      scopes: this.scopes,
      extra: this.#extra,
      dpopKey: this.#dpopKey,
      renewal: this.#renewal,
      deviations: this.deviations,
      requestedScopes: fields.scopes === undefined ? this.requestedScopes : undefined,
      ...fields,
    })
  }

  /** The whole set as one string, **secrets in the clear**: seal it or keep it in a 0600 file. {@link TokenSet.parse} reads it. */
  serialize(): string {
    const serialized: SerializedTokenSet = {
      v: 1,
      a: this.#accessToken,
      ...(this.#refreshToken === undefined ? {} : { r: this.#refreshToken }),
      ...(this.#idToken === undefined ? {} : { i: this.#idToken }),
      t: this.tokenType,
      e: this.expiresAt === null ? null : this.expiresAt.getTime(),
      n: this.receivedAt.getTime(),
      s: this.scopes,
      ...(hasKeys(this.#extra) ? { x: this.#extra } : {}),
      ...(this.#raw === undefined ? {} : { w: this.#raw }),
      ...(this.#dpopKey === undefined ? {} : { k: this.#dpopKey }),
      ...(this.#renewal === undefined ? {} : { g: this.#renewal }),
      ...(this.missingScopes.length + this.addedScopes.length === 0 ? {} : { q: this.requestedScopes }),
    }
    return JSON.stringify(serialized)
  }

  /**
   * Reads what {@link TokenSet.serialize} wrote.
   *
   * @throws {TypeError} `invalid_argument` when the text is something else; the text is not quoted.
   */
  static parse(text: string): TokenSet {
    const value = parseSerialized(text)
    return new TokenSet({
      accessToken: value.a,
      refreshToken: value.r,
      idToken: value.i,
      tokenType: value.t,
      expiresAt: value.e === null ? null : new Date(value.e),
      receivedAt: new Date(value.n),
      scopes: value.s,
      extra: value.x,
      raw: value.w,
      dpopKey: value.k,
      renewal: value.g,
      requestedScopes: value.q,
    })
  }

  /** The scopes that were asked for, as far as they are known to differ from `scopes`. */
  get requestedScopes(): readonly string[] {
    return [...without(this.scopes, this.addedScopes), ...this.missingScopes]
  }

  /** What may be shown: no secret. Use {@link TokenSet.serialize} to store a token set. */
  toJSON(): Record<string, unknown> {
    return {
      accessToken: '[redacted]',
      ...(this.#refreshToken === undefined ? {} : { refreshToken: '[redacted]' }),
      tokenType: this.tokenType,
      expiresAt: this.expiresAt,
      scopes: this.scopes,
    }
  }
}

function without(scopes: readonly string[], others: readonly string[]): readonly string[] {
  return Object.freeze(scopes.filter((scope) => !others.includes(scope)))
}

/** Whether a value can travel as a token: RFC 6750 section 2.1 in spirit, any visible ASCII in practice. */
export function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]+$/.test(value)
}

/** A copy, because a `Date` can be changed in place. */
function checkedDate(date: Date, name: string): Date {
  if (date instanceof Date && !Number.isNaN(date.getTime())) return new Date(date)
  throw argumentError(`TokenSet got an ${name} that is not a valid Date.`)
}

function hasKeys(record: Readonly<Record<string, unknown>>): boolean {
  for (const _ in record) return true
  return false
}

function parseSerialized(text: string): SerializedTokenSet {
  let value: SerializedTokenSet
  try {
    value = JSON.parse(text)
  } catch {
    throw argumentError('TokenSet.parse got text that is not JSON. Pass what serialize() returned.')
  }
  if (value?.v !== 1 || !Array.isArray(value.s))
    throw argumentError('TokenSet.parse got JSON that serialize() did not write.')
  return value
}
