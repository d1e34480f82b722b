// The refresh protocol: one refresh per connection at a time, in this process and in all others on the store.
// The steps, and what they promise, are those of docs/refresh.md.
import type { TokenSet } from '../oauth/index.ts'
import { type Attempt, RefusedGrants } from './refresh-attempt.ts'
import { Postponed, pauseLeftMs } from './refresh-failure.ts'
import type { RefreshParts } from './refresh-parts.ts'
import { RefreshRun, type RefreshWish } from './refresh-run.ts'
import type { TokenRow } from './store.ts'

export type { RefreshParts, Sending } from './refresh-parts.ts'
export type { RefreshWish } from './refresh-run.ts'

/** For how long a refresh in the background that was left to others is not begun again, in milliseconds. */
const postponedMs = 1000

interface Running {
  run: RefreshRun
  tokens: Promise<TokenSet>
  /** It was begun for nobody. */
  background: boolean
}

/** Refreshes connections of one vault. */
export class Refresher {
  readonly #parts: RefreshParts
  /** Refreshes under way in this process, by connection id: everybody waits for the same one. */
  readonly #running = new Map<string, Running>()
  /** Outcomes that the store has not taken yet, by connection id. */
  readonly #storing = new Map<string, Promise<Attempt>>()
  readonly #refused = new RefusedGrants()
  /** When a refresh in the background was left to others, by connection id. */
  readonly #postponed = new Map<string, number>()
  /** Revocations of tokens that nobody wants any more. */
  readonly #abandoning = new Set<Promise<void>>()
  readonly #closing = new AbortController()

  /** @param parts what it works with. */
  constructor(parts: RefreshParts) {
    this.#parts = { ...parts, abandon: async (...tokens) => this.#beside(parts.abandon(...tokens)) }
  }

  /**
   * A newer token set than the row's, or valid tokens that somebody else saved meanwhile. Several callers share one
   * refresh, so no caller can stop it.
   *
   * @throws {AuthorizationRequiredError} the grant is dead, or gone; {@link RefreshFailedError}; ConfigurationError
   *   when our registration is missing; StoreError; KeyError.
   */
  refresh(row: TokenRow, wish: RefreshWish = {}): Promise<TokenSet> {
    const running = this.#running.get(row.id)
    if (running === undefined) return this.#start(row, wish)
    if (wish.background === true || !running.background) return running.tokens
    running.run.hurry()
    // It may have given up in this very moment, because nobody waited.
    return running.tokens.catch((error: unknown) => {
      if (error instanceof Postponed) return this.refresh(row, wish)
      throw error
    })
  }

  #start(row: TokenRow, wish: RefreshWish): Promise<TokenSet> {
    const shared = { storing: this.#storing, refused: this.#refused, closing: this.#closing.signal }
    const run = new RefreshRun(row, wish, { ...shared, parts: this.#parts })
    const tokens = run.run().finally(() => this.#running.delete(row.id))
    this.#running.set(row.id, { run, tokens, background: wish.background === true })
    return tokens
  }

  /** Starts a refresh that nobody waits for, unless one is running or the provider is to be left alone. */
  refreshInBackground(row: TokenRow): void {
    const { store, gates } = this.#parts
    const now = store.now()
    if (this.#running.has(row.id) || pauseLeftMs(row.retryAt, now) > 0) return
    const gate = gates.at(row.provider)
    if ((gate.isOpen && gate.waitMs > 0) || this.#wasPostponed(row.id, now)) return
    this.refresh(row, { background: true }).catch((error: unknown) => {
      // Told to the operator as an event; the next caller gets the error if it still matters then.
      if (error instanceof Postponed) this.#postponed.set(row.id, store.now())
    })
  }

  /** Others are at it: a busy connection need not be looked at for each of its reads. */
  #wasPostponed(id: string, now: number): boolean {
    const at = this.#postponed.get(id)
    if (at === undefined) return false
    if (now >= at && now - at < postponedMs) return true
    if (this.#postponed.size > 1000) this.#postponed.clear()
    this.#postponed.delete(id)
    return false
  }

  /** Stops waiting for other processes, and waits for the requests that are under way: their answers must be saved. */
  async close(): Promise<void> {
    this.#closing.abort()
    const running = [...this.#running.values()].map(({ tokens }) => tokens)
    await Promise.allSettled(running)
    await Promise.allSettled(this.#storing.values())
    await Promise.allSettled(this.#abandoning)
  }

  /** Nobody waits for it but closing. */
  #beside(abandoning: Promise<void>): void {
    const forget = () => this.#abandoning.delete(abandoning)
    this.#abandoning.add(abandoning)
    abandoning.then(forget, forget)
  }
}
