// One pass over everything that is due: claims it in the store, so that several processes share the work, and refreshes
// it, so many at once for each provider. It costs in proportion to what is due, not to what there is.
import { StoreError } from '../errors.ts'
import type { Registration } from '../oauth/index.ts'
import type { DueTurns } from './due-turns.ts'
import type { RefreshDueOptions, RefreshedDue, SkippedProvider } from './freshness.ts'
import type { ProviderGate, ProviderGates } from './provider-gate.ts'
import type { Refresher } from './refresh.ts'
import { Postponed } from './refresh-failure.ts'
import type { ConnectionRow, Store } from './store.ts'

/** What a {@link DueRefresh} works with. */
export interface DueRefreshParts {
  store: Store
  tenant: string
  refresher: Refresher
  gates: ProviderGates
  registration: (providerId: string) => Promise<Registration>
  /** Resolves after that time, or when the signal aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** The same without keeping the process alive. */
  idle: (ms: number, signal: AbortSignal) => Promise<void>
  /**
   * How long a row that was claimed is nobody else's, in milliseconds: until its lease is taken, which then keeps others
   * out. Not longer: one whose owner died has to come up again within a grace window.
   */
  claimMs: number
}

/** Default of {@link RefreshDueOptions.concurrency}. */
const defaultConcurrency = 8

type Tally = { -readonly [Name in keyof RefreshedDue]: RefreshedDue[Name] } & {
  skippedProviders: SkippedProvider[]
}

function newTally(): Tally {
  return { due: 0, refreshed: 0, failed: 0, skipped: 0, skippedProviders: [] }
}

/** Refreshes what is due. */
export class DueRefresh {
  readonly #parts: DueRefreshParts
  /** Connections that another process was refreshing, to be looked at when its lease ends. */
  readonly #following = new Map<string, Promise<void>>()
  readonly #closing = new AbortController()

  constructor(parts: DueRefreshParts) {
    this.#parts = parts
  }

  /** Looks after nobody's leases any more. */
  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.allSettled(this.#following.values())
  }

  /**
   * Everything that is due now.
   *
   * @throws {StoreError} {@link KeyError}: what was under way has ended by then.
   */
  async pass(options: RefreshDueOptions): Promise<RefreshedDue> {
    const tally = newTally()
    const now = this.#parts.store.now()
    const due = (await this.#nextDue(options)).filter(({ dueAt }) => dueAt <= now)
    const ended = await Promise.allSettled(
      due.map(({ provider }) => this.#provider(provider, options, tally)),
    )
    for (const result of ended) if (result.status === 'rejected') throw result.reason
    return tally
  }

  /**
   * The same for one scheduler, which looks again and again: what takes long goes on by itself.
   *
   * @returns what ended since the last look. @throws as {@link pass}.
   */
  async look(options: RefreshDueOptions, turns: DueTurns): Promise<RefreshedDue> {
    const now = this.#parts.store.now()
    const due = (await this.#nextDue(options)).filter(
      ({ provider, dueAt }) => dueAt <= now && !turns.has(provider),
    )
    await turns.begin(
      due.map(({ provider }) => {
        const tally = newTally()
        return [provider, () => this.#provider(provider, options, tally).then(() => tally)]
      }),
    )
    return turns.collect()
  }

  /**
   * In how many milliseconds there is something to do; not positive: now. `undefined`: nothing is known of.
   *
   * @param skipped providers that are not asked for the time being. @param turns those that are being asked.
   */
  async nextInMs(
    options: RefreshDueOptions,
    skipped: readonly SkippedProvider[],
    turns: DueTurns,
  ): Promise<number | undefined> {
    const { store, gates } = this.#parts
    const now = store.now()
    const resting = (await this.#nextDue(options)).filter(({ provider }) => !turns.has(provider))
    const times = resting.map(({ provider, dueAt }) => {
      const why = skipped.find((found) => found.provider === provider)?.why
      if (why === 'provider_down') return Math.max(dueAt - now, gates.at(provider).waitMs)
      return why === undefined ? dueAt - now : Number.POSITIVE_INFINITY
    })
    const next = Math.min(...times)
    return Number.isFinite(next) ? next : undefined
  }

  async #nextDue({ providers }: RefreshDueOptions) {
    const due = await this.#parts.store.nextDue(this.#parts.tenant)
    return providers === undefined ? due : due.filter(({ provider }) => providers.includes(provider))
  }

  async #provider(provider: string, options: RefreshDueOptions, tally: Tally): Promise<void> {
    const gate = this.#parts.gates.at(provider)
    const why = await this.#whyNot(provider, gate)
    if (why !== undefined) tally.skippedProviders.push(why)
    else await this.#drain(provider, gate, options, tally)
  }

  async #whyNot(provider: string, gate: ProviderGate): Promise<SkippedProvider | undefined> {
    if (gate.isOpen && gate.waitMs > 0) return { provider, why: 'provider_down' }
    try {
      const registration = await this.#parts.registration(provider)
      return registration.provider.refresh === 'none' ? { provider, why: 'not_renewable' } : undefined
    } catch (error) {
      return { provider, why: 'client_missing', error }
    }
  }

  /** Claims and refreshes until nothing is due there any more: no more at a time than can begin at once. */
  async #drain(
    provider: string,
    gate: ProviderGate,
    options: RefreshDueOptions,
    tally: Tally,
  ): Promise<void> {
    const { store, tenant, claimMs } = this.#parts
    const { concurrency = defaultConcurrency, signal } = options
    const running = new Set<Promise<void>>()
    const seen = new Set<string>()
    try {
      for (let isMore = true; isMore && signal?.aborted !== true; ) {
        const room = Math.min(concurrency - running.size, gate.room)
        if (room <= 0) {
          if (gate.isOpen && running.size === 0) break
          await this.#roomAgain(gate, running, signal)
          continue
        }
        const rows = await store.claimDue(tenant, provider, room, claimMs)
        tally.due += rows.length
        isMore = rows.length === room
        for (const row of rows) {
          // What failed in this pass and is due again already is tried once more, and left to the next pass then.
          if (seen.has(row.id)) isMore = false
          seen.add(row.id)
          this.#begin(row, running, tally)
        }
      }
    } finally {
      await Promise.all(running)
    }
    if (gate.isOpen) tally.skippedProviders.push({ provider, why: 'provider_down' })
  }

  async #roomAgain(
    gate: ProviderGate,
    running: ReadonlySet<Promise<void>>,
    stop: AbortSignal | undefined,
  ): Promise<void> {
    const done = new AbortController()
    const signal = stop === undefined ? done.signal : AbortSignal.any([done.signal, stop])
    const wait = this.#parts.sleep(Math.max(1, gate.waitMs || 1000), signal)
    await Promise.race([...running, wait])
    done.abort()
  }

  #begin(row: ConnectionRow, running: Set<Promise<void>>, tally: Tally): void {
    const refreshing = this.#refresh(row, tally).finally(() => running.delete(refreshing))
    running.add(refreshing)
  }

  async #refresh(row: ConnectionRow, tally: Tally): Promise<void> {
    try {
      await this.#parts.refresher.refresh(row, { background: true })
      tally.refreshed += 1
    } catch (error) {
      if (error instanceof Postponed) this.#follow(row, error)
      const isLeft = error instanceof Postponed || (error instanceof StoreError && error.code === 'closed')
      if (isLeft) tally.skipped += 1
      else tally.failed += 1
    }
  }

  /** If the owner of the lease dies, its grace window at the provider is short: taken up at once, not by the next claim. */
  #follow(row: ConnectionRow, { leaseLeftMs }: Postponed): void {
    if (leaseLeftMs === undefined || this.#following.has(row.id)) return
    const { idle, refresher } = this.#parts
    const { signal } = this.#closing
    const following = idle(leaseLeftMs + 50, signal)
      .then(async () => {
        if (!signal.aborted) await refresher.refresh(row, { background: true })
      })
      .catch(() => {
        // Told as an event, or left to the next claim.
      })
      .finally(() => this.#following.delete(row.id))
    this.#following.set(row.id, following)
  }
}
