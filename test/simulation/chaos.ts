// Who decides what goes wrong: chance, seeded, or the script of a scenario.
import type { FaultRates } from './parameters.ts'
import { Random } from './random.ts'

/** What goes wrong with one step. Before: nothing happened yet. After: it happened, and the process does not know. */
export type Fault =
  | 'store_refuses'
  | 'store_loses_answer'
  | 'store_slow'
  | 'crash_before'
  | 'crash_after'
  | 'stop_before'
  | 'stop_after'
  | 'lease_lost'
  | 'request_lost'
  | 'request_refused'
  | 'answer_lost'
  | 'answer_cut'
  | 'answer_broken'
  | 'answer_504'
  | 'answer_slow'

/** What becomes of one step. */
export interface Fate {
  fault: Fault | undefined
  /** How long it takes to get there, and back, in milliseconds. */
  toMs: number
  backMs: number
  /** How long the process stands still, in milliseconds. */
  stopMs: number
  /** With its whole machine: its monotonic clock too. */
  suspended: boolean
}

/** A step that something may happen to. */
export interface Place {
  /** Name of the process without the count of its restarts: `p1`. */
  process: string
  /** A method of the store, `refresh` or `revoke`. */
  step: string
}

/** Decides the fate of each step. */
export interface Chaos {
  storeStep(place: Place): Fate
  request(place: Place): Fate
  /** From now on nothing goes wrong. */
  calm(): void
}

/** A fault that happened: its number is what shrinking leaves out. */
export interface CountedFault extends Place {
  number: number
  fault: Fault
}

/** Steps that change something, and how much more often they meet a fault than the rates say. */
const changing: ReadonlyMap<string, number> = new Map([
  ...(['writeIntent', 'saveTokens', 'recordFailure', 'markNeedsReconnect'] as const).map(
    (step) => [step, 3] as const,
  ),
  ...(['acquireLease', 'extendLease', 'releaseLease', 'putGrant'] as const).map((step) => [step, 1] as const),
  ...(['markRevoked', 'deleteRevoked', 'claimDue', 'touch'] as const).map((step) => [step, 1] as const),
])

/** Chance. */
export class RandomChaos implements Chaos {
  readonly #rates: FaultRates
  readonly #store: Random
  readonly #network: Random
  readonly #without: ReadonlySet<number>
  readonly #leaseMs: number
  #calm = false
  #faults = 0
  /** What went wrong so far. */
  readonly happened: CountedFault[] = []

  /** @param without numbers of faults that do not happen after all. */
  constructor(seed: number, rates: FaultRates, leaseMs: number, without: ReadonlySet<number> = new Set()) {
    this.#rates = rates
    this.#leaseMs = leaseMs
    this.#store = new Random(seed, 'store')
    this.#network = new Random(seed, 'network')
    this.#without = without
  }

  storeStep(place: Place): Fate {
    const random = this.#store
    const quick = random.chance(0.6)
    const fate: Fate = {
      ...{
        fault: undefined,
        toMs: quick ? 0 : random.spread(1, 60),
        backMs: quick ? 0 : random.spread(1, 60),
      },
      ...{ stopMs: this.#stopMs(random), suspended: random.chance(0.4) },
    }
    this.#give(fate, place, this.#storeFault(random.next(), random.chance(0.5), place.step))
    if (fate.fault === 'store_slow') {
      if (random.chance(0.5)) fate.toMs = random.spread(200, 5000)
      else fate.backMs = random.spread(200, 5000)
    }
    return fate
  }

  request(place: Place): Fate {
    const random = this.#network
    const fate: Fate = {
      ...{ fault: undefined, toMs: random.spread(5, 300), backMs: random.spread(5, 2000) },
      ...{ stopMs: this.#stopMs(random), suspended: random.chance(0.4) },
    }
    this.#give(fate, place, this.#networkFault(random.next(), random.below(8)))
    if (fate.fault === 'answer_slow') fate.backMs = random.between(10_000, 90_000)
    return fate
  }

  calm(): void {
    this.#calm = true
  }

  /** Often just longer than a lease, sometimes much longer. */
  #stopMs(random: Random): number {
    return random.chance(0.7) ? random.spread(50, this.#leaseMs * 3) : random.spread(1000, 600_000)
  }

  #storeFault(drawn: number, other: boolean, step: string): Fault | undefined {
    const { storeRefuses, storeLosesAnswer, storeSlow, crash, stop, leaseLost } = this.#rates
    const weight = changing.get(step) ?? (step === 'nextDue' ? 0.02 : 0.15)
    const change = changing.has(step) ? weight : 0
    return drawFrom(drawn, [
      ['store_refuses', storeRefuses * Math.min(1, weight)],
      ['store_slow', storeSlow * weight],
      [other ? 'crash_before' : 'crash_after', crash * weight],
      [other ? 'stop_before' : 'stop_after', stop * weight],
      ['store_loses_answer', storeLosesAnswer * change],
      ['lease_lost', leaseLost * Math.min(1, change)],
    ])
  }

  #networkFault(drawn: number, kind: number): Fault | undefined {
    const { requestLost, answerLost, answerSlow, crash, stop } = this.#rates
    const lost = (['answer_lost', 'answer_cut', 'answer_broken', 'answer_504'] as const)[kind % 4]
    return drawFrom(drawn, [
      [kind % 2 === 0 ? 'request_lost' : 'request_refused', requestLost],
      [lost ?? 'answer_lost', answerLost],
      ['answer_slow', answerSlow],
      [kind % 2 === 0 ? 'crash_before' : 'crash_after', crash * 3],
      [kind % 2 === 0 ? 'stop_before' : 'stop_after', stop * 3],
    ])
  }

  #give(fate: Fate, place: Place, fault: Fault | undefined): void {
    if (fault === undefined || this.#calm) return
    this.#faults += 1
    if (this.#without.has(this.#faults)) return
    fate.fault = fault
    this.happened.push({ ...place, number: this.#faults, fault })
  }
}

function drawFrom(drawn: number, rates: readonly (readonly [Fault, number])[]): Fault | undefined {
  let left = drawn
  for (const [fault, rate] of rates) {
    left -= rate
    if (left < 0) return fault
  }
  return undefined
}

/** One line of a scenario's script. */
export interface Rule extends Partial<Fate> {
  process: string
  step: string
  /** Which of such steps of that process: 1 is the first. Default: each. */
  nth?: number
}

/** A script: nothing goes wrong but what it says, and everything takes the same time. */
export class ScriptedChaos implements Chaos {
  readonly #rules: readonly Rule[]
  readonly #seen = new Map<string, number>()
  #calm = false

  constructor(rules: readonly Rule[]) {
    this.#rules = rules
  }

  storeStep(place: Place): Fate {
    return this.#fate(place, { fault: undefined, toMs: 1, backMs: 1, stopMs: 0, suspended: false })
  }

  request(place: Place): Fate {
    return this.#fate(place, { fault: undefined, toMs: 50, backMs: 50, stopMs: 0, suspended: false })
  }

  calm(): void {
    this.#calm = true
  }

  #fate(place: Place, usual: Fate): Fate {
    const name = `${place.process} ${place.step}`
    const nth = (this.#seen.get(name) ?? 0) + 1
    this.#seen.set(name, nth)
    if (this.#calm) return usual
    const rule = this.#rules.find(
      (one) => one.process === place.process && one.step === place.step && (one.nth ?? nth) === nth,
    )
    if (rule === undefined) return usual
    const { process: _, step: __, nth: ___, ...fate } = rule
    return { ...usual, ...fate }
  }
}
