// What is tried: which fault, at which step, against which provider. A seed gives the same list again.
import { pickWeighted, seeded } from './random.ts'
import { failureSteps, refreshSteps, type Step } from './steps.ts'
import type { Trouble } from './store-place.ts'

/** The provider's grace windows, in seconds: how long a replaced refresh token still works. */
export const graceWindows = [0, 30, 1800] as const

/** How a process is put out of action: for good; for less than its lease; for longer than that. */
export type Interruption = 'killed' | 'stopped briefly' | 'stopped'

/** How a connection is cut: before the request is read; after it was carried out; in the middle of the answer. */
export type Cut = 'request' | 'answer' | 'half of the answer'

/** What goes wrong. */
export type Fault =
  | { kind: 'none' }
  | { kind: 'step'; how: Interruption; at: Step; next?: Step | undefined }
  | { kind: 'time'; how: Interruption; afterMs: number }
  | { kind: 'cut'; what: Cut }
  | { kind: 'store'; what: Trouble['name']; at: Step; lasting: 'briefly' | 'past the lease' }

/** One run: an expired token, several processes that want a new one, a fault. */
export interface Scenario {
  graceSeconds: number
  /** How long the provider takes to answer. */
  latencyMs: number
  fault: Fault
}

/** Latencies, and how often each. Those of 40 s are added one by one. */
const latencies = [
  [0, 30],
  [30, 30],
  [200, 22],
  [800, 12],
  [3000, 5],
  [10_000, 1],
] as const

const longestLatencyMs = 40_000

/** The fault of a scenario, as the table says it. */
export function faultName({ fault }: Scenario): string {
  if (fault.kind === 'none') return 'no fault'
  if (fault.kind === 'cut') return `connection cut: ${fault.what}`
  if (fault.kind === 'store') return `${fault.what} ${fault.lasting} ${fault.at}`
  if (fault.kind === 'time') return `${fault.how} at any time`
  return `${fault.how} ${fault.at}${fault.next === undefined ? '' : `, its successor ${fault.next}`}`
}

/** @param kills how many processes are to be killed. Stops, cuts and undisturbed runs come on top. */
export function scenarios(kills: number, seed: number): Scenario[] {
  const random = seeded(seed)
  const list: Scenario[] = []
  const add = (fault: Fault, graceSeconds: number, latencyMs?: number) =>
    list.push({ fault, graceSeconds, latencyMs: latencyMs ?? latencyFor(fault, random) })
  const slow: Fault[] = [
    { kind: 'none' },
    { kind: 'step', how: 'killed', at: 'request sent' },
    { kind: 'step', how: 'stopped', at: 'request sent' },
    { kind: 'time', how: 'killed', afterMs: random() * longestLatencyMs },
  ]
  if (kills >= 100)
    for (const fault of slow) for (const grace of graceWindows) add(fault, grace, longestLatencyMs)
  const faults = kinds(random)
  for (let killed = 0, index = 0; killed < kills; index += 1) {
    const fault = faults[index % faults.length]?.() ?? { kind: 'none' }
    for (const grace of graceWindows) add(fault, grace)
    killed += graceWindows.length * killsOf(fault)
  }
  return list
}

/** A store that is in trouble in the middle of a refresh: nothing may be lost by it. */
export function troubledScenarios(what: Trouble['name']): Scenario[] {
  const steps: Step[] = ['before intent', 'after intent', 'answer received', 'before save', 'after save']
  return steps.flatMap((at) =>
    (['briefly', 'past the lease'] as const).map((lasting) => ({
      ...{ graceSeconds: 0, latencyMs: 200 },
      fault: { kind: 'store' as const, what, at, lasting },
    })),
  )
}

/** One of each kind; kills more often, because they are what is counted. */
function kinds(random: () => number): (() => Fault)[] {
  const at = (how: Interruption, step: Step) => (): Fault => ({ kind: 'step', how, at: step })
  const anyTime = (how: Interruption) => (): Fault => ({ kind: 'time', how, afterMs: random() ** 2 * 1500 })
  const any = (steps: readonly Step[]) =>
    pickWeighted(
      steps.map((step) => [step, 1] as const),
      random,
    )
  const twice = (): Fault => {
    const late = refreshSteps.filter((step) => !['before serving', 'after save'].includes(step))
    return { kind: 'step', how: 'killed', at: any(late), next: any(refreshSteps) }
  }
  const killed = [...refreshSteps, ...failureSteps].map((step) => at('killed', step))
  return [
    ...killed,
    ...[anyTime('killed'), anyTime('killed'), twice, twice],
    ...[...refreshSteps].map((step) => at('stopped', step)),
    ...[() => at('stopped briefly', any(refreshSteps))(), anyTime('stopped'), anyTime('stopped briefly')],
    ...(['request', 'answer', 'half of the answer'] as const).map(
      (what) => (): Fault => ({ kind: 'cut', what }),
    ),
    ...[...killed, anyTime('killed'), anyTime('killed'), twice, twice],
    (): Fault => ({ kind: 'none' }),
  ]
}

/** How many processes a fault kills. */
export function killsOf(fault: Fault): number {
  if (fault.kind === 'step') return fault.how === 'killed' ? (fault.next === undefined ? 1 : 2) : 0
  return fault.kind === 'time' && fault.how === 'killed' ? 1 : 0
}

/** What the provider is seen to do must last long enough to be seen. */
function latencyFor(fault: Fault, random: () => number): number {
  const latencyMs = pickWeighted(latencies, random)
  const seen = fault.kind === 'step' && (fault.at === 'request sent' || fault.next === 'request sent')
  return seen ? Math.max(300, latencyMs) : latencyMs
}
