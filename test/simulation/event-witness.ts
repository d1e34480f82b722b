// Sees what vaults tell their subscribers, and tells them of entries of the store: `needs_reconnect` once, generations in order.
import type { VaultEvent } from '../../src/vault/index.ts'
import type { HistoryEntry } from '../../src/vault/store.ts'
import type { Random } from './random.ts'
import type { VaultProcess } from './vault-process.ts'
import type { World } from './world.ts'

/** The witness. */
export class EventWitness {
  readonly #world: World
  /** `needs_reconnect` told, by grant and, where the store tells all processes, by listener. */
  readonly #told = new Set<string>()
  /** The last generation that a listener heard of, by connection. */
  readonly #generations = new Map<string, number>()

  constructor(world: World) {
    this.#world = world
  }

  /** A process's subscriber hears an event. */
  heard(process: VaultProcess, { type, connection }: VaultEvent): void {
    const { id, generation, user } = connection
    this.#world.count(`event: ${type}`)
    this.#world.note(process, () => `event ${type} of ${user} g${generation}`)
    const listener = `${process.name} ${id}`
    const before = this.#generations.get(listener) ?? 0
    const isChange = type !== 'refresh_failed' && type !== 'revoked'
    if (generation < before && isChange)
      this.#violate('event-order', process, `hears ${type} of ${user} g${generation} after g${before}`)
    if (isChange) this.#generations.set(listener, Math.max(before, generation))
    if (type !== 'needs_reconnect') return
    const grant = this.#world.parameters.watch ? `${listener} ${generation}` : `${id} ${generation}`
    if (this.#told.has(grant))
      this.#violate('one-event', process, `tells needs_reconnect of ${user} g${generation} again`)
    this.#told.add(grant)
  }

  #violate(id: 'event-order' | 'one-event', process: VaultProcess, what: string): void {
    this.#world.violate(id, `${process.name} ${what}`)
  }
}

/** The store's telling of what was committed: to each process in order, after a while, sometimes with a gap. */
export class Watching {
  readonly #world: World
  readonly #random: Random
  /** The last entry that was told of each connection, and its count. */
  readonly #seen = new Map<string, Pick<HistoryEntry, 'seq' | 'count'>>()
  /** When the last entry arrives at a process: none overtakes another. */
  readonly #arrival = new Map<VaultProcess, number>()

  constructor(world: World, random: Random) {
    this.#world = world
    this.#random = random
  }

  /** A step about a row was applied. */
  committed(id: string | undefined): void {
    if (!this.#world.parameters.watch || id === undefined) return
    const seen = this.#seen.get(id) ?? { seq: 0, count: 0 }
    for (const entry of this.#world.storeWitness.history(id)) {
      if (entry.seq < seen.seq || (entry.seq === seen.seq && entry.count <= seen.count)) continue
      this.#seen.set(id, entry)
      for (const process of this.#world.running()) this.#tell(process, entry)
    }
  }

  #tell(process: VaultProcess, entry: HistoryEntry): void {
    const { scheduler } = this.#world
    const { hearing } = process
    if (hearing === undefined) return
    const gap = !this.#world.isCalm && this.#random.chance(0.02)
    const at = Math.max(scheduler.ms + this.#random.between(0, 50), this.#arrival.get(process) ?? 0)
    this.#arrival.set(process, at)
    this.#world.count(gap ? 'watch: gaps' : 'watch: entries')
    const arrive = () => (gap ? hearing.gap() : hearing.tell(entry))
    scheduler.after(at - scheduler.ms, arrive, process)
  }
}
