// How long ago something began, when too short an answer would be a danger.

/**
 * Runs from its making. Two clocks are read and the longer time counts: the monotonic one stands still while a machine
 * is suspended, the other may be set back.
 */
export class Stopwatch {
  readonly #now: () => number
  readonly #begunAt: number
  readonly #begun = performance.now()

  /** @param now milliseconds since 1970. */
  constructor(now: () => number) {
    this.#now = now
    this.#begunAt = now()
  }

  /** Since it was made. */
  get elapsedMs(): number {
    return Math.max(performance.now() - this.#begun, this.#now() - this.#begunAt)
  }
}
