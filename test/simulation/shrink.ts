// Makes a failing world smaller: leaves out what is not needed for the same invariant to break.
import type { InvariantId } from './invariants.ts'
import { type Parameters, parametersOf } from './parameters.ts'
import { type Outcome, runWorld } from './run.ts'
import type { WorldOptions } from './world.ts'

/** No more worlds than these are tried. */
const mostTries = 300

/** The smallest world found in which the invariant breaks, with its trace. */
export function shrink(seed: number, invariant: InvariantId, options: WorldOptions = {}): Promise<Outcome> {
  return new Shrinking(invariant, options).run(parametersOf(seed))
}

class Shrinking {
  readonly #invariant: InvariantId
  readonly #options: WorldOptions
  #tries = 0

  constructor(invariant: InvariantId, options: WorldOptions) {
    this.#invariant = invariant
    this.#options = options
  }

  async run(parameters: Parameters): Promise<Outcome> {
    let smallest = parameters
    for (const change of smaller)
      if (await this.#breaks({ ...smallest, ...change(smallest) }))
        smallest = { ...smallest, ...change(smallest) }
    const without = await this.#withoutFaults(smallest)
    return runWorld(smallest, { ...this.#options, without, trace: true })
  }

  /** Faults left out one after the other, the last first: what comes after a fault that is left out is another world. */
  async #withoutFaults(parameters: Parameters): Promise<ReadonlySet<number>> {
    let without = new Set<number>()
    const { faults } = await runWorld(parameters, this.#options)
    for (const { number } of faults.toReversed()) {
      const fewer = new Set([...without, number])
      if (await this.#breaks(parameters, fewer)) without = fewer
    }
    return without
  }

  async #breaks(parameters: Parameters, without: ReadonlySet<number> = new Set()): Promise<boolean> {
    this.#tries += 1
    if (this.#tries > mostTries) return false
    const { violations } = await runWorld(parameters, { ...this.#options, without })
    return violations[0]?.invariant === this.#invariant
  }
}

/** Smaller worlds to try, one after the other. */
const smaller: readonly ((parameters: Parameters) => Partial<Parameters>)[] = [
  () => ({ weather: [] }),
  () => ({ connections: 1 }),
  () => ({ keepingFresh: 0 }),
  () => ({ watch: false }),
  () => ({ ownClock: false }),
  ({ clocks }) => ({ clocks: clocks.map(() => ({ skewMs: 0, driftPpm: 0 })) }),
  ({ clocks }) => ({ clocks: clocks.slice(0, 1) }),
  ({ clocks }) => ({ clocks: clocks.slice(0, 2) }),
  ({ habits }) => ({ habits: { ...habits, readers: 1 } }),
  ({ habits }) => ({ habits: { ...habits, consents: 0 } }),
  ({ habits }) => ({ habits: { ...habits, disconnects: 0 } }),
  ({ habits }) => ({ habits: { ...habits, revokes: 0 } }),
  ({ habits }) => ({ habits: { ...habits, rejections: 0 } }),
  () => ({ store: 'machine' }),
]
