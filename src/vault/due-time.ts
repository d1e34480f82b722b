// When a grant is looked at next: by whoever reads its tokens, and by the scheduler, which also keeps idle grants alive.
// RFC 6749 section 1.5 leaves the life of a refresh token to the provider: what its row says, else a guess that is safe.
import { isRenewable, renewsByClient, type TokenSet } from '../oauth/index.ts'
import type { Provider } from '../providers/index.ts'

/** What the due time of a grant depends on besides its tokens. Instants are milliseconds since 1970. */
export interface GrantLife {
  /** What is known of the provider; `undefined`: nothing, because it is not registered here. */
  provider: Provider | undefined
  /** When somebody last asked for the tokens. */
  usedAt: number
  /** When the person consented. */
  grantedAt: number
  /** By how much the store's clock, which due times are judged by, is ahead of the one that the tokens' times are of. Default 0. */
  aheadMs?: number
  /** When a refresh brought these tokens, by the store's clock; absent for a consent. */
  renewedAt?: number
}

/** Settings of {@link DueTime}. */
export interface DueTimeOptions {
  /** How long before its end a token is due for renewal, at most. Default 300. */
  earlySeconds?: number | undefined
  /** A connection that nobody asked for this long is idle. Default a day. */
  usedWithinSeconds?: number | undefined
  /** 0 to 1. Default `Math.random`. */
  random?: (() => number) | undefined
}

const daySeconds = 86_400
/** Keeps alive an idle grant of a provider that does not say how long that lasts. */
const unknownIdleMs = 7 * daySeconds * 1000
/** Of the idle lifetime: what is left is for an outage, and for schedulers that do not run all the time. */
const idleShare = 2 / 3
/** Tokens that a refresh brought are not due again before this, however soon they end: no provider is to be hammered. */
const soonestMs = 10_000
const brokenLifetimeMs = 1000

/** So much of the time to a keep-alive is left to chance, so that what was connected at once is not renewed at once. */
const jitterShare = 0.1

/** Finds due times. */
export class DueTime {
  readonly #earlyMs: number
  readonly #usedWithinMs: number
  readonly #random: () => number

  constructor({ earlySeconds = 300, usedWithinSeconds = daySeconds, random = Math.random }: DueTimeOptions) {
    this.#earlyMs = earlySeconds * 1000
    this.#usedWithinMs = usedWithinSeconds * 1000
    this.#random = random
  }

  /**
   * From when on a reader has the tokens renewed: the last fifth of the lifetime, or `earlySeconds` if that is less.
   * `null`: they cannot be renewed, or never end.
   */
  forReaders(tokens: TokenSet): number | null {
    const { expiresAt, receivedAt } = tokens
    if (expiresAt === null || !isRenewable(tokens)) return null
    const end = expiresAt.getTime()
    return Math.floor(end - earlyWindowMs(receivedAt.getTime(), end, this.#earlyMs))
  }

  /**
   * When the scheduler looks at it: within the early window for one in use; for an idle one only as often as its refresh
   * token needs, and never where the client just asks again. `null`: never, also when the grant will have ended by then,
   * whatever is done.
   */
  forScheduler(tokens: TokenSet, life: GrantLife): number | null {
    const readersAt = this.forReaders(tokens)
    const { provider, grantedAt, aheadMs = 0 } = life
    if (readersAt === null || provider?.refresh === 'none') return null
    const receivedAt = tokens.receivedAt.getTime()
    const keepAliveAt = renewsByClient(tokens)
      ? Number.POSITIVE_INFINITY
      : this.#keepAliveAt(receivedAt, readersAt, provider)
    const isUsed = receivedAt + aheadMs - life.usedAt <= this.#usedWithinMs
    const dueAt = isUsed ? Math.min(this.#jittered(tokens, readersAt), keepAliveAt) : keepAliveAt
    const lifetimeSeconds = provider?.refreshTokenLifetimeSeconds
    const isInVain = lifetimeSeconds !== undefined && dueAt >= grantedAt + lifetimeSeconds * 1000
    if (isInVain || dueAt === Number.POSITIVE_INFINITY) return null
    return Math.floor(Math.max(dueAt + aheadMs, soonestAgain(tokens, life)))
  }

  /** Somewhere in the first half of the early window. */
  #jittered({ expiresAt }: TokenSet, readersAt: number): number {
    const windowMs = (expiresAt?.getTime() ?? readersAt) - readersAt
    return readersAt + (windowMs / 2) * this.#random()
  }

  /** When a refresh token has to be used so that it does not end for want of use. */
  #keepAliveAt(receivedAt: number, readersAt: number, provider: Provider | undefined): number {
    const idleSeconds = provider?.refreshTokenIdleSeconds
    if (idleSeconds === null) return Number.POSITIVE_INFINITY
    const share = idleShare * (1 - jitterShare * this.#random())
    if (idleSeconds !== undefined) return receivedAt + idleSeconds * 1000 * share
    return Math.max(readersAt, receivedAt + unknownIdleMs * (1 - jitterShare * this.#random()))
  }
}

function earlyWindowMs(receivedAt: number, end: number, earlyMs: number): number {
  return Math.min(earlyMs, Math.max(0, end - receivedAt) / 5)
}

function soonestAgain({ expiresAt, receivedAt }: TokenSet, { renewedAt }: GrantLife): number {
  if (renewedAt === undefined) return 0
  const lifetimeMs = (expiresAt?.getTime() ?? 0) - receivedAt.getTime()
  return renewedAt + (lifetimeMs < brokenLifetimeMs ? soonestMs : Math.min(soonestMs, lifetimeMs / 2))
}
