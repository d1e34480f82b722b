// A world that follows a script: who does what when, and what goes wrong at which step. For what the simulation found once.
import type { TokenRequest } from '../../src/oauth/index.ts'
import { type Rule, ScriptedChaos } from './chaos.ts'
import type { InvariantId } from './invariants.ts'
import { noFaults, type Parameters, type ProviderBehaviour } from './parameters.ts'
import { consent, disconnect, People, revoke } from './people.ts'
import type { Outcome } from './run.ts'
import type { VaultProcess } from './vault-process.ts'
import { World, type WorldOptions } from './world.ts'

/** Something that went wrong once. */
export interface Scenario {
  /** What happens, in a sentence. */
  what: string
  /** The invariant that broke. */
  broke: InvariantId
  /** The mutation with which it breaks again. */
  undone: string
  parameters?: Partial<Parameters>
  provider?: Partial<ProviderBehaviour>
  rules?: readonly Rule[]
  plot: (stage: Stage) => Promise<void>
  /** Counters that must not be zero: it is the scenario still. */
  happened: readonly string[]
}

/** One provider that rotates and finds reuse, two processes with right clocks, one connection. */
const usualProvider: ProviderBehaviour = {
  ...{ rotation: 'always', graceMs: 0, graceAnswer: 'same', reuseDetection: true, lifetimeSeconds: 3600 },
  ...{
    omitsRefreshToken: true,
    omitsScope: false,
    endsOldAccess: false,
    tellsTime: false,
    narrowsScopes: false,
    revokesAll: false,
  },
}

const usual: Parameters = {
  ...{ seed: 1, durationMs: 0, keepingFresh: 0, connections: 1, providers: { acme: usualProvider } },
  clocks: [
    { skewMs: 0, driftPpm: 0 },
    { skewMs: 0, driftPpm: 0 },
  ],
  ...{ store: 'server', watch: false, ownClock: false, leaseMs: 15_000, refreshTimeoutMs: 60_000 },
  ...{ earlySeconds: 300, cacheSize: 1000, faults: noFaults, weather: [] },
  habits: {
    ...{ readers: 0, readEveryMs: 1, consents: 0, disconnects: 0, revokes: 0, operations: 0, rejections: 0 },
  },
}

/** Runs a scenario, and then whatever every world runs in the end. */
export async function runScenario(scenario: Scenario, options: WorldOptions = {}): Promise<Outcome> {
  const parameters: Parameters = {
    ...usual,
    providers: { acme: { ...usualProvider, ...scenario.provider } },
    ...scenario.parameters,
  }
  const world = new World(parameters, new ScriptedChaos(scenario.rules ?? []), options)
  const people = new People(world)
  const stage = new Stage(world)
  for (let place = 0; place < parameters.clocks.length; place += 1) world.start(place)
  const play = async () => {
    await scenario.plot(stage)
    await people.heal()
  }
  world.scheduler.after(0, () => void play(), world.people)
  await world.run()
  const { violations, coverage, lost, scheduler, trace = [] } = world
  const { steps, ms } = scheduler
  return { parameters, violations, coverage, lost, faults: [], steps, ms, trace }
}

/** What a plot can do. Connections and processes are counted from 1. */
export class Stage {
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  /** Until a time, in seconds since the world began. */
  async until(seconds: number): Promise<void> {
    const { scheduler, people } = this.#world
    await scheduler.wait(seconds * 1000 - scheduler.ms, people)
  }

  /** A person consents to the connection, in the browser that the process serves. */
  consent(process: number, connection = 1, scopes: readonly string[] = ['a', 'b']): void {
    consent(this.#world, this.#process(process), this.#slot(connection), scopes)
  }

  /** Somebody asks for a token. */
  ask(process: number, connection = 1, request: TokenRequest & { scopes?: readonly string[] } = {}): void {
    this.#process(process).ask(this.#slot(connection), request, false)
  }

  /** An API refuses the token that the connection has now. */
  reject(process: number, connection = 1): void {
    const row = this.#world.storeWitness.rowOf(this.#slot(connection))
    if (row === undefined) throw new Error('Nothing is connected.')
    const rejected = this.#world.storeWitness.tokens(row).accessToken
    this.ask(process, connection, { rejected })
  }

  /** A person disconnects. */
  disconnect(process: number, connection = 1): void {
    disconnect(this.#world, this.#process(process), this.#slot(connection))
  }

  /** A person ends the grant on the provider's own page. */
  revoke(connection = 1): void {
    revoke(this.#world, this.#slot(connection))
  }

  #process(number: number): VaultProcess {
    const found = this.#world.running().find(({ place }) => place === `p${number}`)
    if (found === undefined) throw new Error(`p${number} does not run.`)
    return found
  }

  #slot(number: number) {
    const found = this.#world.slots[number - 1]
    if (found === undefined) throw new Error(`There is no connection ${number}.`)
    return found
  }
}
