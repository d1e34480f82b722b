// Waiting for SQLite's one write lock without blocking the event loop: asked for often, never slept for. [Node]
// https://www.sqlite.org/rescode.html#busy
import { isBusy, storeError } from './sqlite-errors.ts'
import type { Awaitable } from './store.ts'
import { closedError } from './store-errors.ts'

/** How {@link LockQueue} waits. */
export interface LockQueueOptions {
  /** For the jitter of retries: 0 to 1. Default `Math.random`. */
  random?: (() => number) | undefined
  /** How long a locked file is tried again before `store_busy`, in milliseconds. Default 10 000. */
  busyLimitMs?: number | undefined
}

/** Between two tries, in milliseconds: an attempt costs microseconds, so that waiting longer gains nothing. */
const firstPauseMs = 1
const longestPauseMs = 3

/**
 * Runs short operations; one that finds the file locked is tried again between other work. SQLite's own waiting
 * (`busy_timeout`) would hold up everything else in this process meanwhile.
 */
export class LockQueue {
  readonly #path: string
  readonly #random: () => number
  readonly #limitMs: number
  #waiting = 0
  #last: Promise<unknown> = Promise.resolve()
  /** Set when the store closes: what waits then ends with `closed`. */
  closed = false

  constructor(path: string, options: LockQueueOptions) {
    this.#path = path
    this.#random = options.random ?? Math.random
    this.#limitMs = options.busyLimitMs ?? 10_000
  }

  /**
   * Runs it now; later, should the file be locked.
   *
   * @throws {StoreError} for what SQLite throws.
   */
  run<T>(operation: () => T): Awaitable<T> {
    return this.#run(operation)
  }

  /** The same for what needs the lock. Behind one that waits, the next one waits too: asking twice would gain nothing. */
  runInTurn<T>(operation: () => T): Awaitable<T> {
    if (this.#waiting > 0) {
      const end = this.#end()
      return this.#queue(() => this.#inTurn(operation, end))
    }
    const result = this.#run(operation)
    return result instanceof Promise ? this.#queue(() => result) : result
  }

  #queue<T>(turn: () => Promise<T>): Promise<T> {
    this.#waiting += 1
    const leave = () => {
      this.#waiting -= 1
    }
    const result = this.#last.then(turn)
    this.#last = result.then(leave, leave)
    return result
  }

  /** Lets other work have its turn first: each change waits for the disk. */
  async #inTurn<T>(operation: () => T, end: number): Promise<T> {
    await new Promise((resolve) => setImmediate(resolve))
    return this.#run(operation, end)
  }

  #run<T>(operation: () => T, end?: number): Awaitable<T> {
    if (this.closed) throw closedError()
    try {
      return operation()
    } catch (error) {
      if (!isBusy(error)) throw storeError(error, this.#path)
      return this.#again(operation, end ?? this.#end())
    }
  }

  #end(): number {
    return performance.now() + this.#limitMs
  }

  async #again<T>(operation: () => T, end: number): Promise<T> {
    for (let pause = firstPauseMs; ; pause = Math.min(pause * 1.2, longestPauseMs)) {
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
