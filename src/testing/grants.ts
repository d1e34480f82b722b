// What has been granted to whom: codes, access tokens, and families of refresh tokens.
// RFC 6749 sections 4.1.2, 6 and 10.4; RFC 9700 section 4.14.2 (rotation and reuse).
import { createHash } from 'node:crypto'
import type { ServerBehaviour } from './behaviour.ts'
import type { Fault } from './exchange.ts'
import type { Secrets } from './secrets.ts'

/** One consent and everything that came of it. */
export interface Grant {
  readonly id: number
  readonly clientId: string
  readonly user: string
  readonly scopes: readonly string[]
  /** Who acts in the user's name, where a token exchange said so. */
  readonly actor?: string
  /** Why it is dead, if it is. */
  revoked?: 'reuse' | 'replay' | 'revoked' | 'outside'
}

/** What a code was issued for. */
export interface CodeRequest {
  clientId: string
  user: string
  redirectUri: string
  scopes: readonly string[]
  requestedScopes: readonly string[]
  challenge: string | undefined
  challengeMethod: 'S256' | 'plain'
  nonce: string | undefined
  /** `authorization_details` (RFC 9396). */
  details?: readonly unknown[] | undefined
}

interface Code extends CodeRequest {
  expiresAt: number
  /** Set when it is used; a second use kills this grant. */
  grant?: Grant
}

interface RefreshToken {
  grant: Grant
  expiresAt: number
  /** When it was replaced, and by which. */
  replaced?: { at: number; by: string }
}

interface AccessToken {
  grant: Grant
  scopes: readonly string[]
  issuedAt: number
  expiresAt: number
}

/** Tokens as they were issued, before they are written down. */
export interface IssuedTokens {
  accessToken: string
  /** Default: a bearer token. */
  tokenType?: 'DPoP'
  refreshToken: string | undefined
  /** Seconds; `null`: for ever. */
  lifetimeSeconds: number | null
  scopes: readonly string[]
  /** Whether `scopes` is what was asked for. */
  asRequested: boolean
  grant: Grant
  nonce: string | undefined
  /** `authorization_details` that were granted (RFC 9396 section 7). */
  details?: readonly unknown[] | undefined
  /** Members of the answer that the grant itself adds or replaces. */
  members?: Readonly<Record<string, unknown>>
}

/** What tests want to know of the client. */
export interface Tally {
  /** Refreshes that issued tokens. */
  refreshes: number
  /** A replaced refresh token was used. */
  reuseViolations: number
  /** A code was used a second time. */
  codesReplayed: number
}

/** The memory of the simulated server. */
export class Grants {
  tally: Tally = { refreshes: 0, reuseViolations: 0, codesReplayed: 0 }
  readonly #grants: Grant[] = []
  readonly #codes = new Map<string, Code>()
  readonly #access = new Map<string, AccessToken>()
  readonly #refresh = new Map<string, RefreshToken>()
  readonly #secrets: Secrets
  readonly #clock: () => number
  readonly #behaviour: () => ServerBehaviour

  constructor(secrets: Secrets, clock: () => number, behaviour: () => ServerBehaviour) {
    this.#secrets = secrets
    this.#clock = clock
    this.#behaviour = behaviour
  }

  /** Every grant, dead ones too. */
  list(): readonly Readonly<Grant>[] {
    return this.#grants
  }

  /** A code for the callback. */
  issueCode(request: CodeRequest): string {
    const code = this.#secrets.make('code')
    const seconds = this.#behaviour().codeSeconds ?? 60
    this.#codes.set(code, { ...request, expiresAt: this.#clock() + seconds * 1000 })
    return code
  }

  /** Exchanges a code, once. A second try revokes what the first one got (RFC 6749 section 4.1.2). */
  redeemCode(clientId: string, parameters: ReadonlyMap<string, string>): IssuedTokens | Fault {
    const code = this.#codes.get(parameters.get('code') ?? '')
    if (code === undefined) return invalidGrant('the code is unknown')
    if (code.grant !== undefined) {
      this.tally.codesReplayed += 1
      code.grant.revoked ??= 'replay'
      return invalidGrant('the code was used before')
    }
    const fault = this.#codeFault(code, clientId, parameters)
    if (fault !== undefined) return fault
    const tokens = this.issueTokens(clientId, code.user, code.scopes)
    code.grant = tokens.grant
    const asRequested = code.scopes.join(' ') === code.requestedScopes.join(' ')
    return { ...tokens, asRequested, nonce: code.nonce, details: code.details }
  }

  /** A new grant and its first tokens. `renewable: false`: no refresh token, whatever the server does else. */
  issueTokens(
    clientId: string,
    user: string,
    scopes: readonly string[],
    { renewable = true, actor }: { renewable?: boolean; actor?: string | undefined } = {},
  ): IssuedTokens {
    const acted = actor === undefined ? {} : { actor }
    const grant: Grant = { id: this.#grants.length + 1, clientId, user, scopes, ...acted }
    this.#grants.push(grant)
    const refreshToken = renewable ? this.#newRefreshToken(grant) : undefined
    return { ...this.#issue(grant, scopes, refreshToken), asRequested: true, nonce: undefined }
  }

  #codeFault(code: Code, clientId: string, parameters: ReadonlyMap<string, string>): Fault | undefined {
    if (code.clientId !== clientId) return invalidGrant('the code was issued to another client')
    if (this.#clock() >= code.expiresAt) return invalidGrant('the code has expired')
    if (parameters.get('redirect_uri') !== code.redirectUri)
      return invalidGrant('redirect_uri is not the one of the authorization request')
    const verifier = parameters.get('code_verifier')
    if (code.challenge === undefined)
      return verifier === undefined
        ? undefined
        : invalidGrant('code_verifier came without a code_challenge before')
    if (verifier === undefined) return invalidGrant('code_verifier is missing')
    if (!/^[A-Za-z0-9._~-]{43,128}$/.test(verifier)) return invalidGrant('code_verifier is malformed')
    const proof = code.challengeMethod === 'plain' ? verifier : sha256(verifier)
    return proof === code.challenge ? undefined : invalidGrant('code_verifier does not match')
  }

  /** Exchanges a refresh token. Using a replaced one is a violation, unless the grace window is open. */
  refresh(clientId: string, token: string, scopes: readonly string[] | undefined): IssuedTokens | Fault {
    const known = this.#refresh.get(token)
    if (known === undefined) return invalidGrant('the refresh token is unknown')
    const { grant } = known
    if (grant.clientId !== clientId) return invalidGrant('the refresh token was issued to another client')
    if (known.replaced !== undefined && !this.#inGrace(known.replaced.at)) return this.#reused(grant)
    if (grant.revoked !== undefined) return invalidGrant('the grant was revoked')
    if (this.#clock() >= known.expiresAt) return invalidGrant('the refresh token has expired')
    const wanted = scopes ?? grant.scopes
    if (wanted.some((scope) => !grant.scopes.includes(scope)))
      return { error: 'invalid_scope', description: 'a scope was not granted before' }
    this.tally.refreshes += 1
    const next = known.replaced?.by ?? this.#successor(known)
    return { ...this.#issue(grant, wanted, next), asRequested: true, nonce: undefined }
  }

  #inGrace(replacedAt: number): boolean {
    return this.#clock() < replacedAt + (this.#behaviour().rotationGraceSeconds ?? 0) * 1000
  }

  #reused(grant: Grant): Fault {
    this.tally.reuseViolations += 1
    if (this.#behaviour().reuseRevokesGrant ?? true) grant.revoked ??= 'reuse'
    return invalidGrant('the refresh token was used before')
  }

  /** What the answer to a refresh says: a new token, the same one, or nothing. */
  #successor(known: RefreshToken): string | undefined {
    const { rotation = true, omitRefreshToken = true } = this.#behaviour()
    if (rotation) {
      const by = this.#newRefreshToken(known.grant)
      if (by !== undefined) known.replaced = { at: this.#clock(), by }
      return by
    }
    if (omitRefreshToken) return undefined
    for (const [token, candidate] of this.#refresh) if (candidate === known) return token
    return undefined
  }

  #newRefreshToken(grant: Grant): string | undefined {
    const { refreshTokens = 'always', refreshTokenSeconds } = this.#behaviour()
    if (refreshTokens === 'never') return undefined
    if (refreshTokens === 'offline_access' && !grant.scopes.includes('offline_access')) return undefined
    const token = this.#secrets.make('refresh')
    const expiresAt =
      refreshTokenSeconds === undefined
        ? Number.POSITIVE_INFINITY
        : this.#clock() + refreshTokenSeconds * 1000
    this.#refresh.set(token, { grant, expiresAt })
    return token
  }

  #issue(grant: Grant, scopes: readonly string[], refreshToken: string | undefined) {
    const { accessTokenSeconds = 3600 } = this.#behaviour()
    const accessToken = this.#secrets.make('access')
    const issuedAt = this.#clock()
    const expiresAt =
      accessTokenSeconds === null ? Number.POSITIVE_INFINITY : issuedAt + accessTokenSeconds * 1000
    this.#access.set(accessToken, { grant, scopes, issuedAt, expiresAt })
    return { accessToken, refreshToken, lifetimeSeconds: accessTokenSeconds, scopes, grant }
  }

  /** The live access token of that text. */
  liveAccessToken(token: string): Readonly<AccessToken> | undefined {
    const known = this.#access.get(token)
    return known !== undefined && known.grant.revoked === undefined && this.#clock() < known.expiresAt
      ? known
      : undefined
  }

  /** The live refresh token of that text. */
  liveRefreshToken(token: string): Readonly<RefreshToken> | undefined {
    const known = this.#refresh.get(token)
    const live = known?.grant.revoked === undefined && known?.replaced === undefined
    return known !== undefined && live && this.#clock() < known.expiresAt ? known : undefined
  }

  /** RFC 7009: a refresh token takes its grant along, an access token goes alone. Whose it is, or nothing. */
  revoke(token: string, clientId?: string): 'revoked' | 'unknown' | 'foreign' {
    const refresh = this.#refresh.get(token)
    const grant = refresh?.grant ?? this.#access.get(token)?.grant
    if (grant === undefined) return 'unknown'
    if (clientId !== undefined && grant.clientId !== clientId) return 'foreign'
    if (refresh !== undefined) grant.revoked ??= 'revoked'
    else this.#access.delete(token)
    return 'revoked'
  }

  /** Ends grants from the outside, as a person does on an account page. How many were alive. */
  revokeWhere(matches: (grant: Readonly<Grant>) => boolean): number {
    const alive = this.#grants.filter((grant) => grant.revoked === undefined && matches(grant))
    for (const grant of alive) grant.revoked = 'outside'
    return alive.length
  }

  /** Lets every access token, or every refresh token, that exists now end now. */
  expireAll(kind: 'access' | 'refresh'): void {
    const now = this.#clock()
    for (const token of (kind === 'access' ? this.#access : this.#refresh).values())
      token.expiresAt = Math.min(token.expiresAt, now)
  }
}

function invalidGrant(description: string): Fault {
  return { error: 'invalid_grant', description }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
