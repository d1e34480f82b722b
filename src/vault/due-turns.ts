// The providers whose connections one scheduler is refreshing, each for itself: one that is slow, or has many that are due,
// must not hold up the others.
import type { RefreshedDue } from './freshness.ts'

/** So long a look waits for what it began, in milliseconds; what takes longer goes on by itself. */
const patienceMs = 1000

/** Refreshes what is due at one provider. */
export type Turn = () => Promise<RefreshedDue>

/** The turns under way: at most one for each provider. */
export class DueTurns {
  readonly #underWay = new Map<string, Promise<void>>()
  readonly #ended: RefreshedDue[] = []
  readonly #failures: unknown[] = []
  readonly #sleep: (ms: number, signal: AbortSignal) => Promise<void>

  /** @param sleep resolves after that time, or when the signal aborts. */
  constructor(sleep: (ms: number, signal: AbortSignal) => Promise<void>) {
    this.#sleep = sleep
  }

  /** Whether that provider's turn has not ended. */
  has(provider: string): boolean {
    return this.#underWay.has(provider)
  }

  /** Begins turns, and waits for them, but not long. */
  async begin(turns: readonly (readonly [provider: string, turn: Turn])[]): Promise<void> {
    const enough = new AbortController()
    const begun = turns.map(([provider, turn]) => this.#begin(provider, turn))
    const patience = begun.length === 0 ? undefined : this.#sleep(patienceMs, enough.signal)
    await Promise.race([Promise.all(begun), ...(patience === undefined ? [] : [patience])])
    enough.abort()
  }

  /** What ended since the last time. @throws what one of them threw. */
  collect(): RefreshedDue {
    const [failure] = this.#failures.splice(0)
    if (failure !== undefined) throw failure
    const none: RefreshedDue = { due: 0, refreshed: 0, failed: 0, skipped: 0, skippedProviders: [] }
    return this.#ended.splice(0).reduce(plus, none)
  }

  /** Resolves when one ends; never when none is under way. */
  oneEnded(): Promise<void> {
    return Promise.race(this.#underWay.values())
  }

  /** Resolves when all have ended. */
  async allEnded(): Promise<void> {
    await Promise.all(this.#underWay.values())
  }

  #begin(provider: string, turn: Turn): Promise<void> {
    const underWay = turn()
      .then(
        (ended) => void this.#ended.push(ended),
        (failure: unknown) => void this.#failures.push(failure),
      )
      .finally(() => this.#underWay.delete(provider))
    this.#underWay.set(provider, underWay)
    return underWay
  }
}

function plus(one: RefreshedDue, other: RefreshedDue): RefreshedDue {
  return {
    due: one.due + other.due,
    refreshed: one.refreshed + other.refreshed,
    failed: one.failed + other.failed,
    skipped: one.skipped + other.skipped,
    skippedProviders: [...one.skippedProviders, ...other.skippedProviders],
  }
}
