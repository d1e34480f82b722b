// The due-time scheduler: sleeps until something is due, refreshes that, sleeps again. Any number of them on one store
// share the work; one that dies leaves nothing behind but rows that come up again.
import { argumentError, StoreError } from '../errors.ts'
import type { DueRefresh } from './due-refresh.ts'
import { DueTurns } from './due-turns.ts'
import type { KeepFresh, KeepFreshOptions, RefreshDueOptions, SkippedProvider } from './freshness.ts'

/** What a {@link FreshKeeper} works with. */
export interface FreshKeeperParts {
  due: DueRefresh
  /** 0 to 1. */
  random: () => number
  /** Resolves after that time, or when the signal aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** The same without keeping the process alive. */
  idle: (ms: number, signal: AbortSignal) => Promise<void>
}

/** Shortest pause between two looks at the store, in milliseconds. */
const shortestMs = 250
/** Pauses while the store cannot be used: doubling between these, in milliseconds. */
const firstTroubleMs = 1000
const longestTroubleMs = 60_000

/** Keeps connections fresh until it is stopped. */
export class FreshKeeper implements KeepFresh {
  readonly #parts: FreshKeeperParts
  readonly #options: KeepFreshOptions
  readonly #turns: DueTurns
  readonly #stopping = new AbortController()
  readonly #done: Promise<void>
  #isAwaited = false
  #waiting = new AbortController()
  /** What was told of providers that are left alone. */
  #told = new Map<string, string>()
  #fruitless = 0
  #troubleMs = 0

  /** @param onEnd hears once that it has stopped. */
  constructor(parts: FreshKeeperParts, options: KeepFreshOptions, onEnd: () => void = () => {}) {
    this.#parts = parts
    this.#options = options
    this.#turns = new DueTurns(parts.sleep)
    const { signal } = options
    const stop = () => this.#stopping.abort()
    if (signal?.aborted) stop()
    else signal?.addEventListener('abort', stop, { once: true })
    this.#done = this.#run().finally(async () => {
      await this.#end()
      signal?.removeEventListener('abort', stop)
      onEnd()
    })
  }

  get done(): Promise<void> {
    this.#isAwaited = true
    // From now on the waiting keeps the process alive: it is begun anew.
    this.#waiting.abort()
    return this.#done
  }

  stop(): Promise<void> {
    this.#stopping.abort()
    return this.#done
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        await this.#wait(await this.#pass())
      } catch (error) {
        if (signal.aborted || (error instanceof StoreError && error.code === 'closed')) return
        await this.#wait(this.#trouble(error))
      }
    }
  }

  /** @returns how long to wait for the next one, in milliseconds. */
  async #pass(): Promise<number> {
    const { due, random } = this.#parts
    const options = { ...this.#options, signal: this.#stopping.signal }
    const pass = await due.look(options, this.#turns)
    if (pass.due > 0) tell(this.#options.onPass, pass)
    this.#tellSkipped(pass.skippedProviders)
    if (this.#stopping.signal.aborted) return 0
    const longestMs = (this.#options.pollSeconds ?? 10) * 1000
    const nextMs = (await due.nextInMs(options, pass.skippedProviders, this.#turns)) ?? longestMs
    this.#troubleMs = 0
    // What is due, and still is after a pass that found nothing, is looked at more and more seldom.
    this.#fruitless = pass.due === 0 && nextMs <= 0 ? this.#fruitless + 1 : 0
    const leastMs = shortestMs * 2 ** Math.min(this.#fruitless, 10)
    const waitMs = Math.min(longestMs, Math.max(leastMs, nextMs))
    return waitMs * (1 - 0.1 * random()) + (nextMs < longestMs ? waitMs * 0.1 : 0)
  }

  /** What is under way ends, and is told of. */
  async #end(): Promise<void> {
    await this.#turns.allEnded()
    try {
      const pass = this.#turns.collect()
      if (pass.due > 0) tell(this.#options.onPass, pass)
    } catch {
      // The store's trouble, which whoever uses the vault hears of.
    }
  }

  #tellSkipped(found: readonly SkippedProvider[]): void {
    // One that was slow to fail may have been looked at a second time already.
    const skipped = [...new Map(found.map((one) => [one.provider, one])).values()]
    for (const one of skipped)
      if (this.#told.get(one.provider) !== one.why) tell(this.#options.onSkipped, one)
    this.#told = new Map(skipped.map(({ provider, why }) => [provider, why]))
  }

  #trouble(error: unknown): number {
    if (this.#troubleMs === 0) tell(this.#options.onError, error)
    this.#troubleMs = Math.min(longestTroubleMs, Math.max(firstTroubleMs, this.#troubleMs * 2))
    return this.#troubleMs * (0.5 + this.#parts.random() / 2)
  }

  async #wait(ms: number): Promise<void> {
    const { sleep, idle } = this.#parts
    this.#waiting = new AbortController()
    const signal = AbortSignal.any([this.#waiting.signal, this.#stopping.signal])
    const slept = (this.#isAwaited ? sleep : idle)(ms, signal)
    await Promise.race([slept, this.#turns.oneEnded()])
    this.#waiting.abort()
  }
}

/**
 * Checks options that calling code made.
 *
 * @throws {TypeError} `invalid_argument`.
 */
export function assertFreshOptions(options: RefreshDueOptions & Pick<KeepFreshOptions, 'pollSeconds'>): void {
  const { concurrency, pollSeconds, providers } = options
  if (concurrency !== undefined && !(Number.isInteger(concurrency) && concurrency >= 1))
    throw argumentError('concurrency must be a whole number of at least 1.')
  if (pollSeconds !== undefined && !(pollSeconds >= 1 && pollSeconds <= 60))
    throw argumentError('pollSeconds must be a number from 1 to 60.')
  if (providers !== undefined && !Array.isArray(providers))
    throw argumentError('providers must be a list of provider ids.')
}

/** What a listener throws is its own trouble. */
function tell<T>(listener: ((value: T) => void) | undefined, value: T): void {
  try {
    const heard: unknown = listener?.(value)
    if (heard instanceof Promise) heard.catch(() => {})
  } catch {
    // As above.
  }
}
