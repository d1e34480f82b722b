// How much this process asks of one provider: a circuit that opens while the provider is down, and a slow start after it,
// so that an outage does not end in a rush. RFC 9110 section 10.2.3 (Retry-After).

/** Lets a refresh begin, and hears how the provider answered. Leave it once. */
export interface Pass {
  /**
   * `answered`: the provider said something about this grant. `failed`: it could not, for this grant nor for any other.
   * `unused`: it was not asked.
   *
   * @param failure of `failed`.
   */
  leave(outcome: 'answered' | 'failed' | 'unused', failure?: GateFailure): void
}

/** How a provider failed. */
export interface GateFailure {
  /** What it asked for. */
  retryAfterSeconds?: number | undefined
  error?: unknown
}

/** What a refresh is let in for. May change while it waits. */
export interface Urgency {
  /** Nobody waits for it: those that somebody waits for go first. */
  background: boolean
  /** Somebody insists: it may be a probe before the next one is due. */
  force?: boolean
}

/** What a gate works with. */
export interface GateParts {
  /** Milliseconds since 1970. */
  now: () => number
  /** 0 to 1. */
  random: () => number
  /** Resolves after that time, or when the signal aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

/** So many failures in a row, over all connections, open the circuit. */
const failuresToOpen = 5
const firstPauseMs = 1000
const longestPauseMs = 60_000
/** `Retry-After` holds a circuit so long, at most: it was said about one request, and holds up every connection. */
const longestAskedMs = 60 * 60_000
/** Refreshes under way at once, per process. */
const mostAtOnce = 32
/** During a slow start so many begin in a second for each that may be under way: 4, 8, 16, … 128. */
const startsPerSecond = 4
/** A slow start lasts so long, at least: the backlog of an outage may not show at once. */
const slowStartMs = 60_000

interface Waiting {
  urgency: Urgency
  admit: (pass: Pass | undefined) => void
}

/** The gate to one provider. */
export class ProviderGate {
  readonly #parts: GateParts
  /** Failures in a row. */
  #failures = 0
  /** Set while the circuit is open: not before this is it tried again. */
  #openUntil: number | undefined
  #probing = false
  #lastError: unknown
  /** Probes in a row that failed. */
  #failedProbes = 0
  #underWay = 0
  #limit = mostAtOnce
  /** Set during a slow start. */
  #slowSince: number | undefined
  #nextStartAt = 0
  /** In the order in which they came. */
  readonly #waiting = new Set<Waiting>()
  #waking = false

  /** @param parts clock, chance and waiting are given, so that a simulation can drive them. */
  constructor(parts: GateParts) {
    this.#parts = parts
  }

  /** Whether the circuit is open: the provider has not answered for some time. */
  get isOpen(): boolean {
    return this.#openUntil !== undefined
  }

  /** How the provider failed last, while the circuit is open. */
  get lastError(): unknown {
    return this.#lastError
  }

  /** For how long nothing may begin, in milliseconds; 0: something may, now. */
  get waitMs(): number {
    if (this.#openUntil !== undefined)
      return this.#probing ? firstPauseMs : leftMs(this.#openUntil, this.#parts.now(), longestAskedMs)
    if (this.#underWay >= this.#limit) return 1000 / startsPerSecond
    return leftMs(this.#nextStartAt, this.#parts.now(), 1000)
  }

  /** How many may begin right now. */
  get room(): number {
    if (this.waitMs > 0) return 0
    if (this.isOpen || this.#slowSince !== undefined) return 1
    return Math.max(0, this.#limit - this.#underWay - this.#waiting.size)
  }

  /**
   * Waits for its turn.
   *
   * @param limitMs how long, at most.
   * @returns `undefined` when the circuit is open, or its turn did not come: see {@link waitMs}.
   */
  async enter(urgency: Urgency, limitMs: number, signal: AbortSignal): Promise<Pass | undefined> {
    if (this.isOpen) {
      const mayProbe = !this.#probing && (urgency.force === true || this.waitMs === 0)
      return mayProbe ? this.#probe() : undefined
    }
    if (this.#waiting.size === 0 && this.waitMs === 0) return this.#start()
    return this.#turn(urgency, limitMs, signal)
  }

  /** One request finds out whether the provider is back. */
  #probe(): Pass {
    this.#probing = true
    return this.#pass(true)
  }

  #start(): Pass {
    this.#underWay += 1
    if (this.#slowSince !== undefined) {
      const now = this.#parts.now()
      this.#nextStartAt = now + 1000 / (startsPerSecond * this.#limit)
    }
    return this.#pass(false)
  }

  #pass(isProbe: boolean): Pass {
    let left = false
    return {
      leave: (outcome, failure) => {
        if (left) return
        left = true
        if (isProbe) this.#probing = false
        else this.#underWay -= 1
        if (outcome === 'answered') this.#answered()
        else if (outcome === 'failed') this.#failed(isProbe, failure ?? {})
        this.#admit()
      },
    }
  }

  #answered(): void {
    this.#failures = 0
    this.#lastError = undefined
    if (this.isOpen) {
      this.#openUntil = undefined
      this.#failedProbes = 0
      this.#limit = 1
      this.#slowSince = this.#parts.now()
    } else if (this.#limit < mostAtOnce) this.#limit += 1
    else if (this.#isStarted()) this.#slowSince = undefined
  }

  #isStarted(): boolean {
    const slowForMs = this.#parts.now() - (this.#slowSince ?? 0)
    return this.#waiting.size === 0 && (slowForMs >= slowStartMs || slowForMs < 0)
  }

  #failed(wasProbe: boolean, { retryAfterSeconds = 0, error }: GateFailure): void {
    this.#failures += 1
    this.#lastError = error
    if (this.#slowSince !== undefined) this.#limit = Math.max(1, Math.floor(this.#limit / 2))
    if (this.isOpen && !wasProbe) return
    if (!wasProbe && this.#failures < failuresToOpen) return
    const { now, random } = this.#parts
    const limitMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(this.#failedProbes, 10))
    const askedMs = Math.min(longestAskedMs, retryAfterSeconds * 1000)
    this.#openUntil = now() + Math.max(askedMs, Math.ceil(random() * limitMs))
    if (wasProbe) this.#failedProbes += 1
    for (const { admit } of this.#waiting) admit(undefined)
    this.#waiting.clear()
  }

  async #turn(urgency: Urgency, limitMs: number, signal: AbortSignal): Promise<Pass | undefined> {
    const done = new AbortController()
    const turn = new Promise<Pass | undefined>((resolve) => {
      const waiting: Waiting = { urgency, admit: resolve }
      this.#waiting.add(waiting)
      void this.#parts.sleep(limitMs, AbortSignal.any([done.signal, signal])).then(() => {
        this.#waiting.delete(waiting)
        resolve(undefined)
      })
    })
    this.#wakeLater()
    try {
      return await turn
    } finally {
      done.abort()
    }
  }

  /** Lets in who waits, as far as there is room: those that somebody waits for first. */
  #admit(): void {
    while (this.#waiting.size > 0 && !this.isOpen && this.waitMs === 0) {
      const next = this.#next()
      if (next === undefined) return
      this.#waiting.delete(next)
      next.admit(this.#start())
    }
    this.#wakeLater()
  }

  #next(): Waiting | undefined {
    for (const waiting of this.#waiting) if (!waiting.urgency.background) return waiting
    const [first] = this.#waiting
    return first
  }

  /** During a slow start the next one is let in by time, not by the end of another. */
  #wakeLater(): void {
    if (this.#waking || this.#waiting.size === 0 || this.#underWay >= this.#limit || this.isOpen) return
    this.#waking = true
    void this.#parts.sleep(Math.max(1, this.waitMs), new AbortController().signal).then(() => {
      this.#waking = false
      this.#admit()
    })
  }
}

/** More than is ever set was set before the clock went back: that counts as nothing. */
function leftMs(until: number, now: number, longestMs: number): number {
  const left = until - now
  return left > longestMs ? 0 : Math.max(0, left)
}

/** The gates of one process, by provider. */
export class ProviderGates {
  readonly #parts: GateParts
  readonly #gates = new Map<string, ProviderGate>()

  constructor(parts: GateParts) {
    this.#parts = parts
  }

  /** The gate to a provider. */
  at(providerId: string): ProviderGate {
    let gate = this.#gates.get(providerId)
    if (gate === undefined) {
      gate = new ProviderGate(this.#parts)
      this.#gates.set(providerId, gate)
    }
    return gate
  }
}
