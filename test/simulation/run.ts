// Runs one seed, and finds a smaller world that breaks the same invariant.
import { type CountedFault, RandomChaos } from './chaos.ts'
import type { Violation } from './invariants.ts'
import type { LossCause } from './losses.ts'
import { type Parameters, parametersOf } from './parameters.ts'
import { People } from './people.ts'
import { World, type WorldOptions } from './world.ts'

/** What a world came to. */
export interface Outcome {
  parameters: Parameters
  violations: readonly Violation[]
  coverage: ReadonlyMap<string, number>
  lost: readonly { cause: LossCause; graceMs: number }[]
  faults: readonly CountedFault[]
  steps: number
  /** True time that passed, in milliseconds. */
  ms: number
  trace: readonly string[]
}

/** Runs a world by chance. */
export async function runWorld(
  parameters: Parameters,
  options: WorldOptions & { without?: ReadonlySet<number> } = {},
): Promise<Outcome> {
  const chaos = new RandomChaos(parameters.seed, parameters.faults, parameters.leaseMs, options.without)
  const world = new World(parameters, chaos, options)
  new People(world).begin()
  await world.run()
  const { violations, coverage, lost, scheduler, trace = [] } = world
  return {
    ...{ parameters, violations, coverage, lost, faults: chaos.happened },
    ...{ steps: scheduler.steps, ms: scheduler.ms, trace },
  }
}

/** Runs a seed. */
export function runSeed(seed: number, options: WorldOptions = {}): Promise<Outcome> {
  return runWorld(parametersOf(seed), options)
}
