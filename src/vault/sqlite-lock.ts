// Waiting for SQLite's one write lock without blocking the event loop. [Node]
// https://www.sqlite.org/rescode.html#busy
import { isBusy, storeError } from './sqlite-errors.ts'
import type { Awaitable } from './store.ts'
import { closedError } from './store-errors.ts'

/** How {@link BusyRetry} waits. */
export interface BusyRetryOptions {
  /** For the jitter of retries: 0 to 1. Default `Math.random`. */
  random?: (() => number) | undefined
  /** How long a locked file is tried again before `store_busy`, in milliseconds. Default 10 000. */
  busyLimitMs?: number | undefined
}

/** Runs short operations; one that finds the file locked is tried again without blocking the event loop. */
export class BusyRetry {
  readonly #path: string
  readonly #random: () => number
  readonly #limitMs: number
  /** Set when the store closes: what waits then ends with `closed`. */
  closed = false

  constructor(path: string, options: BusyRetryOptions) {
    this.#path = path
    this.#random = options.random ?? Math.random
    this.#limitMs = options.busyLimitMs ?? 10_000
  }

  /** Runs it now, or as soon as the lock is to be had. @throws {StoreError} for what SQLite throws. */
  run<T>(operation: () => T): Awaitable<T> {
    if (this.closed) throw closedError()
    try {
      return operation()
    } catch (error) {
      if (!isBusy(error)) throw storeError(error, this.#path)
      return this.#again(operation)
    }
  }

  async #again<T>(operation: () => T): Promise<T> {
    const end = performance.now() + this.#limitMs
    for (let pause = 4; ; pause = Math.min(pause * 2, 100)) {
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + this.#random())))
      if (this.closed) throw closedError()
      try {
        return operation()
      } catch (error) {
        if (!isBusy(error) || performance.now() > end) throw storeError(error, this.#path)
      }
    }
  }
}
