// A process of the simulated world: a whole vault of its own, on a machine with a clock of its own, that may be killed,
// stopped (as by SIGSTOP: its clock goes on) and started anew.
import type { TokenRequest } from '../../src/oauth/index.ts'
import { Vault, type VaultEvent } from '../../src/vault/index.ts'
import type { Fate } from './chaos.ts'
import { networkOf } from './network.ts'
import type { MachineClock } from './parameters.ts'
import type { Actor } from './scheduler.ts'
import { storeOf } from './shared-store.ts'
import type { Slot, World } from './world.ts'

/** When the world begins, in milliseconds since 1970. */
export const epoch = Date.UTC(2026, 0, 1)

/** A time during which a process stood still, in true time. */
interface Stop {
  fromMs: number
  toMs: number
  /** Its whole machine: its monotonic clock stood still as well. */
  suspended: boolean
}

/** One process. */
export class VaultProcess implements Actor {
  /** `p1`: the machine and its place in the world. */
  readonly place: string
  /** `p1.2`: after its first restart. */
  readonly name: string
  readonly #world: World
  readonly #clock: MachineClock
  readonly startedAt: number
  crashed = false
  crashedAt: number | undefined
  stoppedUntil = 0
  readonly stops: Stop[] = []
  vault: Vault | undefined
  /** Steps of the store that are on their way: what a crash cuts off. */
  readonly underWay = new Set<{ drop: () => void }>()
  /** Entries of the store's watch that are on their way reach this, in order. */
  hearing: { tell: (entry: unknown) => void; gap: () => void } | undefined

  constructor(world: World, place: string, run: number, clock: MachineClock) {
    this.#world = world
    this.place = place
    this.name = run === 1 ? place : `${place}.${run}`
    this.#clock = clock
    this.startedAt = world.scheduler.ms
  }

  /** Its machine's clock, in milliseconds since 1970. */
  readonly clock = (): number => {
    const { skewMs, driftPpm } = this.#clock
    const { ms } = this.#world.scheduler
    return Math.floor(epoch + ms + skewMs + (ms * driftPpm) / 1_000_000)
  }

  /** The time that its machine ran, in milliseconds of its clock: not while it was suspended. */
  readonly monotonic = (): number => {
    const { ms } = this.#world.scheduler
    const stops = this.stops.filter(({ suspended }) => suspended)
    const suspendedMs = stops.reduce((sum, stop) => sum + Math.min(ms, stop.toMs) - stop.fromMs, 0)
    return (ms - suspendedMs) * (1 + this.#clock.driftPpm / 1_000_000)
  }

  /** How much true time passes while that much passes on its clock. */
  trueMs(ms: number): number {
    return ms / (1 + this.#clock.driftPpm / 1_000_000)
  }

  /** The clock by which its vault judges expiry. */
  get vaultClock(): number {
    return this.#world.parameters.ownClock ? this.clock() : this.#world.storeClock()
  }

  /** Whether it runs, with a vault open. */
  get isUp(): boolean {
    return !this.crashed && this.vault !== undefined && this.stoppedUntil <= this.#world.scheduler.ms
  }

  /** Opens its vault, again and again until the store lets it. */
  start(): void {
    this.#world.scheduler.after(0, () => this.#open(), this)
  }

  #open(): void {
    const { leaseMs, refreshTimeoutMs, earlySeconds, cacheSize, ownClock } = this.#world.parameters
    Vault.open({
      ...{ leaseMs, refreshTimeoutMs, earlySeconds, cacheSize },
      ...{ key: this.#world.key, clients: this.#world.clients, env: {} },
      ...{ store: storeOf(this, this.#world), fetch: networkOf(this, this.#world) },
      ...(ownClock ? { now: this.clock } : {}),
      random: this.#world.vaultRandom.next,
      onEvent: (event: VaultEvent) => this.#world.events.heard(this, event),
    }).then(
      (vault) => this.#opened(vault),
      (error: unknown) => {
        this.#world.note(this, () => `vault.open failed: ${named(error)}`)
        this.#world.count('vault not opened at first')
        this.#world.scheduler.after(1000, () => this.#open(), this)
      },
    )
  }

  #opened(vault: Vault): void {
    this.vault = vault
    this.#world.note(this, () => 'vault open')
    this.#world.opened(this, vault)
  }

  /** It never runs again. */
  crash(why: string): void {
    if (this.crashed) return
    this.#world.note(this, () => `is killed (${why})`)
    this.#world.count(`killed: ${why}`)
    this.crashed = true
    this.crashedAt = this.#world.scheduler.ms
    this.hearing = undefined
    for (const step of this.underWay) step.drop()
    this.underWay.clear()
    this.#world.crashed(this)
  }

  /** It stands still for a while, its whole machine perhaps. */
  stop({ stopMs: ms, suspended }: Pick<Fate, 'stopMs' | 'suspended'>, why: string): void {
    const { scheduler } = this.#world
    const toMs = scheduler.ms + ms
    if (this.crashed || toMs <= this.stoppedUntil) return
    const word = suspended ? 'suspended' : 'stopped'
    this.#world.note(this, () => `is ${word} for ${ms} ms (${why})`)
    this.#world.count(`${word}: ${why}`)
    // Two that overlap are one of the second kind: no time is counted twice.
    const fromMs = Math.max(scheduler.ms, this.stoppedUntil)
    this.stops.push({ fromMs, toMs, suspended })
    this.stoppedUntil = toMs
  }

  /** It runs again, from now on. */
  goOn(): void {
    const { ms } = this.#world.scheduler
    this.#world.scheduler.goOn(this)
    for (const stop of this.stops) stop.toMs = Math.max(stop.fromMs, Math.min(stop.toMs, ms))
  }

  /** For how long it stood still since then, in milliseconds. */
  stoppedSince(ms: number): number {
    const now = this.#world.scheduler.ms
    const overlaps = this.stops.map(({ fromMs, toMs }) => Math.min(now, toMs) - Math.max(fromMs, ms))
    return overlaps.reduce((sum, overlap) => sum + Math.max(0, overlap), 0)
  }

  /** Asks for a token, in a step of its own. */
  ask(slot: Slot, request: TokenRequest & { scopes?: readonly string[] }, cached: boolean): void {
    this.#world.scheduler.after(
      0,
      () => {
        if (this.vault === undefined) return
        const call = this.#world.callers.begin(this, slot, cached ? 'source' : 'token', request)
        const { address } = slot
        const { vault } = this
        const read = async () =>
          cached ? vault.source(address, request).token(request) : vault.token(address, request)
        read().then(
          (tokens) => this.#world.callers.served(call, tokens),
          (error: unknown) => this.#world.callers.refused(call, error),
        )
      },
      this,
    )
  }
}

/** Does something with a process's vault, in a step of its own. */
export function act(
  process: VaultProcess,
  world: World,
  slot: Slot,
  name: string,
  run: (vault: Vault) => Promise<unknown>,
): void {
  const go = () => {
    if (process.vault === undefined) return
    const call = world.callers.begin(process, slot, name)
    run(process.vault).then(
      () => world.callers.returned(call),
      (error: unknown) => world.callers.refused(call, error),
    )
  }
  world.scheduler.after(0, go, process)
}

/** An error in a word, for the trace. */
export function named(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error ? ` ${String(error.code)}` : ''
  return `${error.name}${code}`
}
