// Runs many scenarios, several at a time: each lane has a vault of its own and processes that are kept warm; who was
// killed is replaced.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKey } from '../../src/seal.ts'
import { Vault } from '../../src/vault/index.ts'
import { FaultProcess } from './fault-process.ts'
import { killsOf, type Scenario, scenarios } from './scenario.ts'
import { runScenario } from './scenario-run.ts'
import type { Mutation } from './steps.ts'
import { openStoreAt, type StoreKind, type StorePlace } from './store-place.ts'
import { judge, type Verdict } from './verdict.ts'

/** What is to be run. */
export interface HarnessOptions {
  store: StoreKind
  /** A PostgreSQL URL. */
  url?: string | undefined
  kills: number
  seed: number
  /** How many scenarios run at a time. */
  lanes: number
  leaseMs: number
  mutation?: Mutation | undefined
  /** Told of each verdict. */
  onVerdict?: (verdict: Verdict, done: number, of: number) => void
}

/** Runs all scenarios of a seed. */
export async function runHarness(options: HarnessOptions): Promise<Verdict[]> {
  return runScenarios(scenarios(options.kills, options.seed), options)
}

/** Runs these. */
export async function runScenarios(list: readonly Scenario[], options: HarnessOptions): Promise<Verdict[]> {
  const folder = mkdtempSync(join(tmpdir(), 'toolgrant-faults-'))
  const pool = new Pool()
  const queue = [...list.entries()]
  const verdicts: Verdict[] = []
  const lanes = Array.from({ length: Math.min(options.lanes, list.length) }, async (_, index) => {
    const lane = await Lane.open(options, join(folder, `${index}`, 'vault.db'), pool)
    try {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const verdict = await lane.run(next[1], next[0])
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
    rmSync(folder, { recursive: true, force: true })
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

class Lane {
  readonly #options: HarnessOptions
  readonly #place: StorePlace
  readonly #key: string
  readonly #pool: Pool
  readonly #vault: Vault
  #crew: FaultProcess[] = []

  static async open(options: HarnessOptions, path: string, pool: Pool): Promise<Lane> {
    const place = { kind: options.store, at: options.url ?? path }
    const key = generateKey()
    const vault = await Vault.open({ store: await openStoreAt(place), key, clients: {} })
    return new Lane(options, place, key, pool, vault)
  }

  private constructor(options: HarnessOptions, place: StorePlace, key: string, pool: Pool, vault: Vault) {
    this.#options = options
    this.#place = place
    this.#key = key
    this.#pool = pool
    this.#vault = vault
  }

  async run(scenario: Scenario, number: number): Promise<Verdict> {
    await this.#replaceTheDead()
    const victims = this.#crew.slice(0, Math.max(1, killsOf(scenario.fault)))
    const others = this.#crew.slice(victims.length)
    const { leaseMs } = this.#options
    return judge(await runScenario(scenario, { victims, others, vault: this.#vault, leaseMs }, number))
  }

  async close(): Promise<void> {
    await Promise.all(this.#crew.map((each) => each.kill()))
    await this.#vault.close()
  }

  async #replaceTheDead(): Promise<void> {
    const living = this.#crew.filter(({ isRunning }) => isRunning)
    const added = Array.from({ length: crewSize - living.length }, () => this.#pool.take())
    const { leaseMs, mutation } = this.#options
    const setup = { place: this.#place, key: this.#key, leaseMs, refreshTimeoutMs: 60_000, mutation }
    await Promise.all(added.map((each) => each.setUp(setup)))
    this.#crew = [...living, ...added]
  }
}
