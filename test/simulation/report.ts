// What `npm run simulate` prints: how often what happened, and a failed seed so that a person can see why.
import type { CountedFault } from './chaos.ts'
import { invariants } from './invariants.ts'
import type { Outcome } from './run.ts'
import type { FailedSeed } from './shard.ts'

type Print = (text: string) => void

/** Counters, in groups. */
export function printCoverage(coverage: Readonly<Record<string, number>>, print: Print): void {
  const groups = new Map<string, string[]>()
  for (const [name, count] of Object.entries(coverage).sort(([one], [other]) => (one < other ? -1 : 1))) {
    const [, group = 'world', rest = name] = /^([^:.]+)[:.] ?(.*)$/.exec(name) ?? []
    groups.set(group, [...(groups.get(group) ?? []), `${rest} ${count}`])
  }
  for (const [group, counts] of groups) print(`${group}: ${counts.join(' · ')}`)
}

/** A failed seed, made as small as it gets, with the end of its trace. */
export async function printFailure({ seed, violation }: FailedSeed, print: Print): Promise<void> {
  print(`\nSeed ${seed} breaks ${violation.invariant}: ${invariants[violation.invariant]}`)
  print(`  ${violation.what}`)
  const { shrink } = await import('./shrink.ts')
  const small = await shrink(seed, violation.invariant)
  print(`  needed: ${small.faults.map(faultWords).join(', ') || 'no fault'}; ${parameterWords(small)}`)
  for (const line of small.trace.slice(-40)) print(`  ${line}`)
  print(`  npm run simulate -- --seed ${seed} --trace`)
}

/** One seed, with its whole trace if wanted. Returns the exit code. */
export async function printTrace(seed: number, whole: boolean, print: Print): Promise<number> {
  const [{ runSeed }, { replaceAmbient }] = await Promise.all([import('./run.ts'), import('./ambient.ts')])
  replaceAmbient()
  const outcome = await runSeed(seed, { trace: true })
  print(JSON.stringify(outcome.parameters, undefined, 2))
  for (const line of whole ? outcome.trace : outcome.trace.slice(-60)) print(line)
  for (const { invariant, what } of outcome.violations) print(`${invariant}: ${what}`)
  return outcome.violations.length === 0 ? 0 : 1
}

function faultWords({ number, process, step, fault }: CountedFault): string {
  return `${number}: ${fault} (${process} ${step})`
}

function parameterWords({ parameters }: Outcome): string {
  const { clocks, connections, store, watch, ownClock, leaseMs, refreshTimeoutMs, keepingFresh } = parameters
  return [
    `${clocks.length} processes`,
    `${connections} connections`,
    `store: ${store}`,
    `lease ${leaseMs} ms`,
    `time-out ${refreshTimeoutMs} ms`,
    ...(watch ? ['watch'] : []),
    ...(ownClock ? ['own clocks'] : []),
    ...(keepingFresh > 0 ? [`${keepingFresh} keep fresh`] : []),
  ].join(', ')
}
