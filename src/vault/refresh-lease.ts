// The right to refresh one connection, for a while: taken, extended, proved again before anything is sent, given back.
// What a lease cannot do: stop a request that has left. So the check comes as late as possible, not after it.
import type { RefreshParts, Sending } from './refresh-parts.ts'
import { Stopwatch } from './stopwatch.ts'
import type { ConnectionRow } from './store.ts'

type LeaseParts = Pick<RefreshParts, 'store' | 'sleep' | 'leaseMs'>

/** So many times it is proved again that the lease is ours, by a process that stands still again and again. */
const proofs = 3

/** The lease of one row. */
export class RefreshLease implements Sending {
  /** As the lease was given on it. */
  readonly row: ConnectionRow
  readonly owner: string
  /** Whether another had it before and let it run out. */
  readonly isTakenOver: boolean
  readonly #parts: LeaseParts
  /** Since before the store was last asked to prolong it. */
  #since: Stopwatch
  #isLost = false
  #intentHash: string | undefined
  #sentAt: number | undefined
  #sent: Stopwatch | undefined
  #answeredAt: number | undefined
  #isStopped = false
  readonly #stop = new AbortController()

  private constructor(
    parts: LeaseParts,
    row: ConnectionRow,
    owner: string,
    isTakenOver: boolean,
    since: Stopwatch,
  ) {
    this.#parts = parts
    this.row = row
    this.owner = owner
    this.isTakenOver = isTakenOver
    this.#since = since
  }

  /** Takes the lease of a row and goes on extending it. `undefined`: it is not to be had. */
  static async take(parts: LeaseParts, row: ConnectionRow): Promise<RefreshLease | undefined> {
    const { store, leaseMs } = parts
    const owner = globalThis.crypto.randomUUID()
    const since = new Stopwatch(() => store.now())
    const leased = await store.acquireLease(row.id, row.generation, owner, leaseMs)
    if (leased === undefined) return undefined
    // Who stood still in between may have missed an owner altogether, but not its intent.
    const isTakenOver = row.leaseOwner !== null || leased.intentAt !== row.intentAt
    const lease = new RefreshLease(parts, leased, owner, isTakenOver, since)
    void lease.#extend()
    return lease
  }

  /** Whether nothing was sent because the lease could not be proved. */
  get wasTooLate(): boolean {
    return this.#isStopped
  }

  /** Whether the lease may have run out: then another may have spent the same refresh token. */
  get mayBeLost(): boolean {
    return this.#isLost || this.#since.elapsedMs >= this.#parts.leaseMs
  }

  /** When the request left, by the store's clock; `undefined` before. */
  get sentAt(): number | undefined {
    return this.#sentAt
  }

  /** How long ago the request left, in milliseconds. */
  get sentAgoMs(): number {
    return Math.round(this.#sent?.elapsedMs ?? 0)
  }

  /** The provider's clock when it answered, if it said. */
  get providerTime(): number | undefined {
    return this.#answeredAt
  }

  answeredAt(date: number): void {
    if (Number.isFinite(date)) this.#answeredAt = date
  }

  /** Writes down that this refresh token is about to be spent. `false`: the lease is another's by now. */
  async writeIntent(intentHash: string): Promise<boolean> {
    const { store, leaseMs } = this.#parts
    const { id, generation } = this.row
    const since = new Stopwatch(() => store.now())
    if (!(await store.writeIntent(id, this.owner, generation, intentHash, leaseMs))) return false
    this.#since = since
    this.#intentHash = intentHash
    return true
  }

  async assertInTime(): Promise<void> {
    const { store, leaseMs } = this.#parts
    for (let asked = 0; !this.#isLost; asked += 1) {
      if (this.#since.elapsedMs <= leaseMs / 3) {
        this.#sentAt = store.now()
        this.#sent = new Stopwatch(() => store.now())
        return
      }
      if (asked === proofs || !(await this.#prove())) break
    }
    this.#isStopped = true
    throw new Error('This process stood still: the lease may be another’s by now.')
  }

  /** Stops extending it; it ends by itself, unless it was ended already. */
  stop(): void {
    this.#stop.abort()
  }

  /** Gives it back. Best effort: one that is not freed ends by itself. */
  async release(): Promise<void> {
    this.stop()
    try {
      await this.#parts.store.releaseLease(this.row.id, this.owner)
    } catch {
      // The store's own trouble is what the caller hears of.
    }
  }

  /** The intent once more: it is refused when the lease, or the generation, is not ours any more. */
  async #prove(): Promise<boolean> {
    try {
      return this.#intentHash !== undefined && (await this.writeIntent(this.#intentHash))
    } catch {
      return false
    }
  }

  async #extend(): Promise<void> {
    const { store, sleep, leaseMs } = this.#parts
    const { signal } = this.#stop
    for (;;) {
      await sleep(leaseMs / 3, signal)
      if (signal.aborted) return
      const since = new Stopwatch(() => store.now())
      try {
        this.#isLost = !(await store.extendLease(this.row.id, this.owner, leaseMs))
        if (this.#isLost) return
        this.#since = since
      } catch {
        // A store that is locked or full may be able to at the next turn.
      }
    }
  }
}
