// Runs many scenarios, several at a time: each lane has a vault of its own and processes that are kept warm; who was
// killed is replaced.
import { Vault } from '../../src/vault/index.ts'
import { FaultProcess } from './fault-process.ts'
import { faultName, killsOf, type Scenario, troubledScenarios } from './scenario.ts'
import { runScenario } from './scenario-run.ts'
import type { Mutation } from './steps.ts'
import { openStoreAt, type StoreHost, type StorePlace, type Trouble } from './store-place.ts'
import { judge, type Verdict } from './verdict.ts'

/** How it is to be run. */
export interface HarnessOptions {
  host: StoreHost
  /** How many scenarios run at a time. */
  lanes: number
  leaseMs: number
  mutation?: Mutation | undefined
  /** Told of runs that are done again because the machine let a process stand still. */
  onStarved?: (verdict: Verdict) => void
  /** Told of each verdict. */
  onVerdict?: (verdict: Verdict, done: number, of: number) => void
}

/** Runs scenarios, in lanes. */
export async function runScenarios(list: readonly Scenario[], options: HarnessOptions): Promise<Verdict[]> {
  const queue = [...list.entries()]
  const verdicts: Verdict[] = []
  const pool = new Pool()
  const lanes = Array.from({ length: Math.min(options.lanes, list.length) }, async (_, index) => {
    const lane = await Lane.open({ ...options, pool, place: options.host.place(index) })
    try {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const verdict = await lane.run(next[1])
        verdicts.push(verdict)
        options.onVerdict?.(verdict, verdicts.length, list.length)
      }
    } finally {
      await lane.close()
    }
  })
  try {
    await Promise.all(lanes)
  } finally {
    await pool.close()
  }
  return verdicts
}

/**
 * Runs refreshes through the trouble that the store can have, one after the other. A text: why that cannot be done here.
 *
 * @param only of those whose fault has this text in it.
 */
export async function runTroubles(options: HarnessOptions, only = ''): Promise<Verdict[] | string> {
  const found = options.host.trouble()
  if ('why' in found) return found.why
  const pool = new Pool()
  const lane = await Lane.open({ ...options, ...found, pool })
  const verdicts: Verdict[] = []
  try {
    const all = troubledScenarios(found.trouble.name)
    const list = all.filter((scenario) => faultName(scenario).includes(only))
    for (const [index, scenario] of list.entries()) {
      const verdict = await lane.run(scenario)
      verdicts.push(verdict)
      options.onVerdict?.(verdict, index + 1, list.length)
    }
  } finally {
    await lane.close()
    await pool.close()
  }
  return verdicts
}

/** Processes that are started before they are needed, so that a killed one is replaced at once. */
class Pool {
  readonly #spare: FaultProcess[] = []

  take(): FaultProcess {
    const taken = this.#spare.shift() ?? new FaultProcess()
    if (this.#spare.length < 2) this.#spare.push(new FaultProcess())
    return taken
  }

  async close(): Promise<void> {
    await Promise.all(this.#spare.map((each) => each.kill()))
  }
}

const crewSize = 3

interface LaneOptions extends HarnessOptions {
  place: StorePlace
  pool: Pool
  trouble?: Trouble | undefined
}

/** Each has a provider of its own. */
let scenariosRun = 0

/** One scenario after the other, on one vault. */
class Lane {
  readonly #options: LaneOptions
  readonly #vault: Vault
  #crew: FaultProcess[] = []

  static async open(options: LaneOptions): Promise<Lane> {
    const { place, host } = options
    const store = await openStoreAt(place)
    return new Lane(options, await Vault.open({ store, key: host.key, clients: {} }))
  }

  private constructor(options: LaneOptions, vault: Vault) {
    this.#options = options
    this.#vault = vault
  }

  /**
   * Runs it. Once more when something was wrong while a process that was to be left alone stood still for about as long as
   * its lease, because the machine is too busy: that is a stop, and stops are tried on purpose.
   */
  async run(scenario: Scenario): Promise<Verdict> {
    for (let left = 3; ; ) {
      const verdict = await this.#run(scenario)
      left -= 1
      if (verdict.violations.length === 0 || verdict.stalledMs < this.#options.leaseMs / 2) return verdict
      if (left === 0) return verdict
      this.#options.onStarved?.(verdict)
    }
  }

  async #run(scenario: Scenario): Promise<Verdict> {
    await this.#replaceTheDead()
    scenariosRun += 1
    const id = `p${scenariosRun}`
    const { leaseMs, trouble } = this.#options
    const victims = this.#crew.slice(0, Math.max(1, killsOf(scenario.fault)))
    const others = this.#crew.slice(victims.length)
    return judge(await runScenario(scenario, { victims, others, vault: this.#vault, leaseMs, trouble }, id))
  }

  async close(): Promise<void> {
    await Promise.all(this.#crew.map((each) => each.kill()))
    await this.#vault.close()
  }

  async #replaceTheDead(): Promise<void> {
    const living = this.#crew.filter(({ isRunning }) => isRunning)
    const missing = Array.from({ length: crewSize - living.length }, () => this.#newProcess())
    this.#crew = [...living, ...(await Promise.all(missing))]
  }

  /** A busy machine may take longer to open a vault than a vault waits. */
  async #newProcess(): Promise<FaultProcess> {
    const { place, host, leaseMs, mutation, pool } = this.#options
    for (let left = 5; ; ) {
      const added = pool.take()
      try {
        await added.setUp({ place, key: host.key, leaseMs, refreshTimeoutMs: 60_000, mutation })
        return added
      } catch (error) {
        await added.kill()
        left -= 1
        if (left === 0) throw error
      }
    }
  }
}
