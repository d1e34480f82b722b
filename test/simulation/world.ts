// A whole simulated world: processes, one store, providers, people, and the witnesses that judge every step.
// What is real: the vault as `Vault.open` makes it (reader, cache, refresher, scheduler, sealing, OAuth requests and
// answers) and the store in memory. What is simulated: time, timers, chance, identifiers, the network, the providers,
// and the way between a process and the store. One thread, no waiting: a seed determines everything.
import type { ClientEntry } from '../../src/oauth/index.ts'
import { defineProvider } from '../../src/providers/index.ts'
import type { Vault } from '../../src/vault/index.ts'
import { memoryStore } from '../../src/vault/memory-store.ts'
import type { ConnectionRow, Store } from '../../src/vault/store.ts'
import { enter } from './ambient.ts'
import { CallerWitness } from './caller-witness.ts'
import type { Chaos } from './chaos.ts'
import { EventWitness, Watching } from './event-witness.ts'
import type { InvariantId, Violation } from './invariants.ts'
import { type LossCause, Losses } from './losses.ts'
import type { Parameters, Weather } from './parameters.ts'
import { SimulatedProvider } from './provider.ts'
import { Random } from './random.ts'
import { RefreshWitness } from './refresh-witness.ts'
import { type Actor, Scheduler } from './scheduler.ts'
import { Troubles } from './shared-store.ts'
import { StoreWitness } from './store-witness.ts'
import { epoch, VaultProcess } from './vault-process.ts'

/** One connection that may exist: a person at a provider. */
export interface Slot {
  index: number
  address: { user: string; provider: string }
}

/** What a world may be given besides its parameters. */
export interface WorldOptions {
  /** A store that is broken on purpose. */
  breakStore?: ((store: Store) => Store) | undefined
  /** Keeps every line of the trace. Default: none. */
  trace?: boolean | undefined
}

/** The sealing key of all simulated vaults: of no worth. */
const key = Buffer.alloc(32, 7).toString('base64')

/** No world needs as many steps, unless it goes round in circles. */
const mostSteps = 150_000

/** A world. */
export class World {
  readonly parameters: Parameters
  readonly chaos: Chaos
  readonly key = key
  readonly clients: Record<string, ClientEntry>
  readonly scheduler = new Scheduler()
  readonly store: Store
  readonly vaultRandom: Random
  readonly weatherRandom: Random
  readonly troubles = new Troubles(() => this.scheduler.ms)
  readonly storeWitness: StoreWitness
  readonly refreshWitness: RefreshWitness
  readonly callers: CallerWitness
  readonly events: EventWitness
  readonly watching: Watching
  readonly losses: Losses
  readonly lost: { cause: LossCause; graceMs: number }[] = []
  readonly slots: readonly Slot[]
  readonly processes: VaultProcess[] = []
  readonly violations: Violation[] = []
  readonly coverage = new Map<string, number>()
  readonly trace: string[] | undefined
  /** The world's own hand: people, operators. */
  readonly people: Actor = { name: 'people', crashed: false, stoppedUntil: 0 }
  readonly #providers: Map<string, SimulatedProvider>
  /** From then on everything works. */
  isCalm = false
  isClosing = false

  constructor(parameters: Parameters, chaos: Chaos, options: WorldOptions = {}) {
    const { seed, providers, connections } = parameters
    this.parameters = parameters
    this.chaos = chaos
    this.trace = options.trace === true ? [] : undefined
    this.vaultRandom = new Random(seed, 'vault')
    this.weatherRandom = new Random(seed, 'weather')
    this.#providers = new Map(
      Object.entries(providers).map(([id, behaviour]) => [
        id,
        new SimulatedProvider(id, behaviour, () => this.scheduler.ms, new Random(seed, `provider ${id}`)),
      ]),
    )
    this.clients = Object.fromEntries(Object.keys(providers).map((id) => [id, clientFor(id)]))
    this.slots = slotsFor(Object.keys(providers), connections)
    this.store = memoryStore({ now: this.storeClock })
    this.storeWitness = new StoreWitness(this, options.breakStore?.(this.store) ?? this.store)
    this.refreshWitness = new RefreshWitness(this)
    this.callers = new CallerWitness(this)
    this.events = new EventWitness(this)
    this.watching = new Watching(this, new Random(seed, 'watch'))
    this.losses = new Losses(this)
  }

  /** The clock of the store's machine: the right one. In milliseconds since 1970. */
  readonly storeClock = (): number => Math.floor(epoch + this.scheduler.ms)

  /** Lets the world run until nothing happens any more, or an invariant broke. */
  async run(): Promise<void> {
    const uuids = new Random(this.parameters.seed, 'uuid')
    enter({
      scheduler: this.scheduler,
      clockOf: (actor) => (actor instanceof VaultProcess ? actor.clock() : this.storeClock()),
      monotonicOf: (actor) => (actor instanceof VaultProcess ? actor.monotonic() : this.scheduler.ms),
      trueMs: (actor, ms) => (actor instanceof VaultProcess ? actor.trueMs(ms) : ms),
      random: new Random(this.parameters.seed, 'Math.random').next,
      uuid: () => uuids.uuid(),
      warned: () => this.count('warnings to the operator'),
    })
    try {
      await this.scheduler.run(() => this.#isOver())
    } finally {
      enter(undefined)
    }
  }

  #isOver(): boolean {
    if (this.scheduler.steps > mostSteps && this.violations.length === 0)
      this.violate('livelock', `${mostSteps} steps and no end`)
    return this.violations.length > 0
  }

  /** A provider. */
  provider(id: string): SimulatedProvider {
    const found = this.#providers.get(id)
    if (found === undefined) throw new Error(`There is no provider ${id}.`)
    return found
  }

  /** The connection that a row is of. */
  slotOf({ user, provider }: Pick<ConnectionRow, 'user' | 'provider'>): Slot {
    const found = this.slots.find(({ address }) => address.user === user && address.provider === provider)
    if (found === undefined) throw new Error(`There is no connection of ${user}.`)
    return found
  }

  /** What is wrong with a provider right now. */
  weatherAt(provider: string): Weather | undefined {
    if (this.isCalm) return undefined
    const { ms } = this.scheduler
    return this.parameters.weather.find(
      (phase) => phase.provider === provider && phase.fromMs <= ms && ms < phase.toMs,
    )?.kind
  }

  /** Whether anything was wrong with a provider in that time. */
  hadWeather(provider: string, fromMs: number, toMs: number): boolean {
    return this.parameters.weather.some(
      (phase) => phase.provider === provider && phase.fromMs < toMs && phase.toMs > fromMs,
    )
  }

  /** Starts a process in a place, the first or after the last one there died. */
  start(place: number): VaultProcess {
    const clock = this.parameters.clocks[place]
    if (clock === undefined) throw new Error(`There is no place ${place}.`)
    const name = `p${place + 1}`
    const runs = this.processes.filter((process) => process.place === name).length + 1
    const process = new VaultProcess(this, name, runs, clock)
    this.processes.push(process)
    this.note(process, () => 'starts')
    process.start()
    return process
  }

  /** Processes that live. */
  running(): VaultProcess[] {
    return this.processes.filter(({ crashed }) => !crashed)
  }

  /** A vault was opened. */
  opened(process: VaultProcess, vault: Vault): void {
    if (Number(process.place.slice(1)) > this.parameters.keepingFresh) return
    const keepFresh: unknown = Reflect.get(vault, 'keepFresh')
    if (typeof keepFresh !== 'function') return
    this.count('processes that keep fresh')
    keepFresh.call(vault)
  }

  /** A process died: its supervisor starts another, sooner or later. */
  crashed(process: VaultProcess): void {
    const place = Number(process.place.slice(1)) - 1
    const ms = this.isCalm ? 1000 : this.weatherRandom.spread(100, 60_000)
    this.scheduler.after(ms, () => this.isClosing || this.start(place))
  }

  /** An invariant does not hold. */
  violate(invariant: InvariantId, what: string): void {
    this.violations.push({ invariant, what, atMs: Math.round(this.scheduler.ms) })
    this.note(undefined, () => `VIOLATION ${invariant}: ${what}`)
  }

  /** Counts how often something happened. */
  count(name: string): void {
    this.coverage.set(name, (this.coverage.get(name) ?? 0) + 1)
  }

  /** A line of the trace; built only when there is one. */
  note(process: VaultProcess | undefined, line: () => string): void {
    if (this.trace === undefined) return
    const seconds = (this.scheduler.ms / 1000).toFixed(3).padStart(11)
    this.trace.push(`${seconds} ${(process?.name ?? 'world').padEnd(6)} ${line()}`)
  }
}

function clientFor(id: string): ClientEntry {
  const host = `https://${id}.test`
  const provider = defineProvider({
    ...{ id, authorizationUrl: `${host}/authorize`, tokenUrl: `${host}/refresh` },
    ...{ revocationUrl: `${host}/revoke`, tokenEndpointAuthMethod: 'none' },
  })
  return { clientId: 'client', provider }
}

function slotsFor(providers: readonly string[], connections: number): Slot[] {
  return Array.from({ length: connections }, (_, index) => {
    const provider = providers[index % providers.length] ?? 'acme'
    return { index, address: { user: `user${index + 1}`, provider } }
  })
}
