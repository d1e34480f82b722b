// A rotating authorization server in virtual time: RFC 6749 section 6, with the reuse detection and the grace windows
// that RFC 9700 section 4.14.2 leaves to it. It remembers everything it issued, so that what became of it can be judged.
import type { ProviderBehaviour } from './parameters.ts'
import type { Random } from './random.ts'

/** Why a grant is over. */
export type GrantEnd = 'user' | 'client' | 'reuse'

/** What one consent gave. */
export interface SimulatedGrant {
  /** The order of all consents. */
  number: number
  provider: SimulatedProvider
  /** Whose it is: the index of a connection. */
  slot: number
  scopes: readonly string[]
  ended: GrantEnd | undefined
  endedAt: number
  /** When the request was sent that ended it, if one did. */
  endSentAt: number
  /** When the vault had it in the store. */
  keptAt: number | undefined
  /** When the vault gave it up: disconnected, or another consent took its place. */
  goneAt: number | undefined
  refreshTokens: IssuedRefreshToken[]
}

/** A refresh token. */
export interface IssuedRefreshToken {
  token: string
  grant: SimulatedGrant
  /** The order of issue within the grant. */
  index: number
  /** Since when there is a newer one in its place, in true time. */
  replacedAt: number | undefined
  successor: IssuedRefreshToken | undefined
  /** A sibling took its place: it is dead. */
  withdrawn: boolean
}

/** An access token. */
export interface IssuedAccessToken {
  token: string
  grant: SimulatedGrant
  endsAt: number
  refreshToken: IssuedRefreshToken
}

/** What a refresh came to. */
export type ProviderAnswer =
  | {
      status: 200
      body: Record<string, unknown>
      access: IssuedAccessToken
      rotated: boolean
      again: boolean
    }
  | { status: 400; body: { error: 'invalid_grant' } }

/** A provider. */
export class SimulatedProvider {
  readonly id: string
  readonly behaviour: ProviderBehaviour
  readonly #now: () => number
  readonly #random: Random
  readonly grants: SimulatedGrant[] = []
  readonly #refreshTokens = new Map<string, IssuedRefreshToken>()
  readonly #accessTokens = new Map<string, IssuedAccessToken>()

  /** @param now true time. */
  constructor(id: string, behaviour: ProviderBehaviour, now: () => number, random: Random) {
    this.id = id
    this.behaviour = behaviour
    this.#now = now
    this.#random = random
  }

  /** A person consents. */
  consent(slot: number, scopes: readonly string[]): IssuedAccessToken {
    const number = this.grants.length + 1
    const grant = {
      ...{ number, provider: this, slot, scopes, ended: undefined, endedAt: 0, endSentAt: 0 },
      ...{ keptAt: undefined, goneAt: undefined, refreshTokens: [] },
    }
    this.grants.push(grant)
    return this.#issueAccess(this.#issueRefresh(grant))
  }

  /** RFC 6749 section 6. */
  refresh(token: string): ProviderAnswer {
    const spent = this.#refreshTokens.get(token)
    if (spent === undefined || spent.grant.ended !== undefined) return refused()
    if (!this.accepts(spent)) {
      if (this.behaviour.reuseDetection) this.end(spent.grant, 'reuse')
      return refused()
    }
    const again = spent.replacedAt !== undefined
    const next = again ? this.#graceful(spent) : this.#next(spent)
    return this.#answer(spent, next, again)
  }

  /** Whether it would take that refresh token now. */
  accepts(refreshToken: IssuedRefreshToken): boolean {
    const { grant, withdrawn, replacedAt, successor } = refreshToken
    if (grant.ended !== undefined || withdrawn) return false
    if (replacedAt === undefined) return true
    if (this.#now() - replacedAt >= this.behaviour.graceMs) return false
    return this.behaviour.graceAnswer !== 'same' || successor?.replacedAt === undefined
  }

  /** RFC 7009. */
  revoke(token: string, sentAt: number): void {
    const found = this.#refreshTokens.get(token) ?? this.#accessTokens.get(token)
    if (found === undefined) return
    const { slot } = found.grant
    const ended = this.behaviour.revokesAll
      ? this.grants.filter((grant) => grant.slot === slot)
      : [found.grant]
    for (const grant of ended) this.end(grant, 'client', sentAt)
  }

  /** A grant is over. */
  end(grant: SimulatedGrant, why: GrantEnd, sentAt: number = this.#now()): void {
    if (grant.ended !== undefined) return
    grant.ended = why
    grant.endedAt = this.#now()
    grant.endSentAt = sentAt
  }

  /** What is known of an access token. */
  accessToken(token: string): IssuedAccessToken | undefined {
    return this.#accessTokens.get(token)
  }

  /** What is known of a refresh token. */
  refreshToken(token: string): IssuedRefreshToken | undefined {
    return this.#refreshTokens.get(token)
  }

  #next(spent: IssuedRefreshToken): IssuedRefreshToken {
    const { rotation } = this.behaviour
    if (rotation === 'never' || (rotation === 'sometimes' && this.#random.chance(0.5))) return spent
    spent.replacedAt = this.#now()
    spent.successor = this.#issueRefresh(spent.grant)
    return spent.successor
  }

  #graceful(spent: IssuedRefreshToken): IssuedRefreshToken {
    const before = spent.successor
    if (before !== undefined && this.behaviour.graceAnswer === 'same') return before
    if (before !== undefined && this.behaviour.graceAnswer === 'instead') before.withdrawn = true
    spent.successor = this.#issueRefresh(spent.grant)
    return spent.successor
  }

  #answer(spent: IssuedRefreshToken, next: IssuedRefreshToken, again: boolean): ProviderAnswer {
    const { omitsRefreshToken, omitsScope, lifetimeSeconds, endsOldAccess } = this.behaviour
    if (endsOldAccess)
      for (const old of this.#accessTokens.values())
        if (old.grant === spent.grant) old.endsAt = Math.min(old.endsAt, this.#now())
    this.#narrow(spent.grant)
    const access = this.#issueAccess(next)
    const rotated = next !== spent
    const body = {
      ...{ access_token: access.token, token_type: 'Bearer', expires_in: lifetimeSeconds },
      ...(rotated || !omitsRefreshToken ? { refresh_token: next.token } : {}),
      ...(omitsScope ? {} : { scope: spent.grant.scopes.join(' ') }),
    }
    return { status: 200, body, access, rotated, again }
  }

  #narrow(grant: SimulatedGrant): void {
    if (!this.behaviour.narrowsScopes || grant.scopes.length < 2 || !this.#random.chance(0.1)) return
    grant.scopes = grant.scopes.slice(0, -1)
  }

  #issueRefresh(grant: SimulatedGrant): IssuedRefreshToken {
    const index = grant.refreshTokens.length + 1
    const token = `refresh.${this.id}.${grant.number}.${index}`
    const issued = { token, grant, index, replacedAt: undefined, successor: undefined, withdrawn: false }
    grant.refreshTokens.push(issued)
    this.#refreshTokens.set(token, issued)
    return issued
  }

  #issueAccess(refreshToken: IssuedRefreshToken): IssuedAccessToken {
    const { grant } = refreshToken
    const token = `access.${this.id}.${grant.number}.${this.#accessTokens.size + 1}`
    const endsAt = this.#now() + this.behaviour.lifetimeSeconds * 1000
    const issued = { token, grant, endsAt, refreshToken }
    this.#accessTokens.set(token, issued)
    return issued
  }
}

function refused(): ProviderAnswer {
  return { status: 400, body: { error: 'invalid_grant' } }
}
