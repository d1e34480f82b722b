// The clock of the machine that a database runs on, as seen from here: every process on a store shares it.
// Measured as NTP does: an answer tells the time between its request and its arrival (RFC 5905 section 8).

/** How old a measurement may be before it is time for another, in milliseconds. */
const oldMs = 60_000
/** What is younger is not looked at: every read of a token asks for the time. */
const freshMs = 1000
/** How far two clocks of one machine drift apart, at most, about: 200 millionths. */
const drift = 0.0002
/** More than that between this machine's two clocks: somebody set one, or the machine slept. */
const jumpMs = 250

interface Sample {
  offsetMs: number
  /** How far off it may be. */
  errorMs: number
  wallMs: number
  monotonicMs: number
}

/** The database's time, without asking. */
export class DatabaseClock {
  readonly #injected: (() => number) | undefined
  #sample: Sample | undefined

  /** @param injected a clock to use instead, for tests and simulations. */
  constructor(injected?: () => number) {
    this.#injected = injected
  }

  /** What statements are given as the time: `null` lets the database look at its own clock. */
  get parameter(): number | null {
    return this.#injected === undefined ? null : Math.floor(this.#injected())
  }

  /** Milliseconds since 1970. */
  now(): number {
    if (this.#injected !== undefined) return this.#injected()
    return Date.now() + Math.round(this.#sample?.offsetMs ?? 0)
  }

  /** Whether it is time to ask the database. */
  get isOld(): boolean {
    if (this.#injected !== undefined) return false
    if (this.#sample === undefined) return true
    const since = Date.now() - this.#sample.wallMs
    if (since >= 0 && since < freshMs) return false
    return age(this.#sample) > oldMs || hasJumped(this.#sample)
  }

  /** Learns from an answer: the database's time as it writes it, and when (`performance.now()`) it was asked for. */
  learn(answer: unknown, askedAt: number): void {
    if (typeof answer !== 'string') return
    const databaseMs = Number(answer)
    const [wallMs, monotonicMs] = [Date.now(), performance.now()]
    const errorMs = (monotonicMs - askedAt) / 2
    const offsetMs = databaseMs + errorMs - wallMs
    const known = this.#sample
    if (known !== undefined && !hasJumped(known)) {
      const knownErrorMs = known.errorMs + age(known) * drift
      const agree = Math.abs(known.offsetMs - offsetMs) <= knownErrorMs + errorMs + 1
      // Two that cannot both be right: the database is on another machine by now, or its clock was set.
      if (agree && knownErrorMs < errorMs) return
    }
    this.#sample = { offsetMs, errorMs, wallMs, monotonicMs }
  }
}

function age({ monotonicMs }: Sample): number {
  return performance.now() - monotonicMs
}

function hasJumped({ wallMs, monotonicMs }: Sample): boolean {
  return Math.abs(Date.now() - wallMs - (performance.now() - monotonicMs)) > jumpMs
}
