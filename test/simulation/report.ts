// What `npm run simulate` prints: how often what happened, and a failed seed so that a person can see why.
import type { CountedFault } from './chaos.ts'
import { invariants } from './invariants.ts'
import type { FailedSeed, ToldWorld } from './shard.ts'

type Print = (text: string) => void

/** Lines of a trace that say little of why. */
const humdrum = /store\.(nextDue|appendAudit|auditHead|auditLines|touch|keys|getMeta|extendLease .* -> true)/

/** Counters, in groups. */
export function printCoverage(coverage: Readonly<Record<string, number>>, print: Print): void {
  const groups = new Map<string, string[]>()
  for (const [name, count] of Object.entries(coverage).sort(([one], [other]) => (one < other ? -1 : 1))) {
    const [, group = 'happened', rest = name] = /^([^:.]+)[:.] ?(.*)$/.exec(name) ?? []
    groups.set(group, [...(groups.get(group) ?? []), `${rest} ${count}`])
  }
  for (const [group, counts] of groups) print(`${group}: ${counts.join(' · ')}`)
}

/** A failed seed, made as small as it gets, with the end of its trace. */
export function printFailure({ seed, violation }: FailedSeed, small: ToldWorld, print: Print): void {
  const { invariant, what } = violation
  print(`\nSeed ${seed} breaks ${invariant}: ${invariants[invariant]}`)
  print(`  ${what}`)
  print(`  made smaller: ${small.faults.map(faultWords).join(', ') || 'no fault'}; ${parameterWords(small)}`)
  for (const line of small.trace.filter((one) => !humdrum.test(one)).slice(-40)) print(`  ${line}`)
  print(`  npm run simulate -- --seed ${seed} --trace`)
}

/** One world: its parameters, its trace or the end of it, and what broke. */
export function printWorld({ parameters, trace, violations }: ToldWorld, whole: boolean, print: Print): void {
  print(JSON.stringify(parameters, undefined, 2))
  for (const line of whole ? trace : trace.slice(-60)) print(line)
  for (const { invariant, what } of violations) print(`${invariant}: ${what}`)
}

function faultWords({ number, process, step, fault }: CountedFault): string {
  return `${number}: ${fault} (${process} ${step})`
}

function parameterWords({ parameters }: ToldWorld): string {
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
