// A thread that simulates: worlds only ever run here, because timers, clock and chance are replaced in all of the thread.
// With a mutation, the vault that it loads is broken on purpose.
import { registerHooks } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import { replaceAmbient } from './ambient.ts'
import type { InvariantId, Violation } from './invariants.ts'
import { type Mutation, mutations } from './mutations.ts'
import type { Outcome } from './run.ts'

/** What a shard is to do. */
export interface ShardTask {
  /** Name of a mutation. */
  mutation?: string | undefined
  work:
    | SeedsWork
    /** Names of scenarios. */
    | { scenarios: readonly string[] }
    /** A seed that breaks an invariant, in the smallest world that still does. */
    | { shrink: FailedSeed }
}

/** Seeds: `from`, `from + step`, … up to `to`. */
export interface SeedsWork {
  from: number
  to: number
  step: number
  /** Ends with the first violation of one of these. */
  until?: readonly InvariantId[] | undefined
  /** Keeps every line of each trace. */
  trace?: boolean
}

/** A seed, or a scenario, that broke an invariant. */
export interface FailedSeed {
  seed: number
  scenario?: string
  violation: Violation
}

/** One world, told in full. */
export type ToldWorld = Pick<Outcome, 'parameters' | 'violations' | 'coverage' | 'faults' | 'trace'>

/** What a shard says now and then, and in the end. */
export interface ShardReport {
  seeds: number
  steps: number
  virtualMs: number
  coverage: Record<string, number>
  failed: FailedSeed[]
  /** In their order, if they were asked for. */
  worlds: ToldWorld[]
  done: boolean
}

/** Nothing yet. */
export function emptyReport(): ShardReport {
  return { seeds: 0, steps: 0, virtualMs: 0, coverage: {}, failed: [], worlds: [], done: false }
}

if (parentPort !== null) await main(workerData as ShardTask)

async function main({ mutation: name, work }: ShardTask): Promise<void> {
  const mutation = name === undefined ? undefined : mutations[name]
  if (name !== undefined && mutation === undefined) throw new Error(`There is no mutation ${name}.`)
  const assertApplied = mutate(mutation)
  const { preload } = await import('./preload.ts')
  await preload()
  assertApplied()
  replaceAmbient()
  if ('scenarios' in work) await playScenarios(work.scenarios, mutation)
  else if ('shrink' in work) await shrinkSeed(work.shrink, mutation)
  else await runSeeds(work, mutation)
}

/** Breaks sources as they are loaded. */
function mutate(wanted: Mutation | undefined): () => void {
  if (wanted?.source === undefined) return () => {}
  const { file, from, to } = wanted.source
  let found = false
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      if (!url.endsWith(`/src/${file}`) || loaded.source == null) return loaded
      const before = loaded.source.toString()
      const source = before.replace(from, to)
      found = before !== source
      return { ...loaded, source }
    },
  })
  return () => {
    if (!found) throw new Error(`The mutation does not apply any more: src/${file} has no ${from}`)
  }
}

async function runSeeds({ from, to, step, until, trace }: SeedsWork, mutation?: Mutation): Promise<void> {
  const { runSeed } = await import('./run.ts')
  // Thousands of errors are made and caught in a world: their stacks cost more than all else.
  if (trace !== true) Error.stackTraceLimit = 0
  let report = emptyReport()
  for (let seed = from; seed <= to; seed += step) {
    const outcome = await runSeed(seed, { breakStore: mutation?.store, trace })
    add(report, outcome, { seed })
    if (trace === true) report.worlds.push(told(outcome))
    if (report.failed.some(({ violation }) => until?.includes(violation.invariant))) break
    if (report.seeds % 50 !== 0) continue
    parentPort?.postMessage(report)
    report = emptyReport()
  }
  parentPort?.postMessage({ ...report, done: true })
}

async function playScenarios(names: readonly string[], mutation?: Mutation): Promise<void> {
  const [{ runScenario }, { scenarios }] = await Promise.all([import('./stage.ts'), import('./scenarios.ts')])
  const report = emptyReport()
  for (const name of names) {
    const scenario = scenarios[name]
    if (scenario === undefined) throw new Error(`There is no scenario ${name}.`)
    const outcome = await runScenario(scenario, { breakStore: mutation?.store, trace: true })
    add(report, outcome, { seed: 0, scenario: name })
    report.worlds.push(told(outcome))
  }
  parentPort?.postMessage({ ...report, done: true })
}

async function shrinkSeed({ seed, violation }: FailedSeed, mutation?: Mutation): Promise<void> {
  const { shrink } = await import('./shrink.ts')
  const outcome = await shrink(seed, violation.invariant, { breakStore: mutation?.store })
  parentPort?.postMessage({ ...emptyReport(), worlds: [told(outcome)], done: true })
}

function told({ parameters, violations, coverage, faults, trace }: Outcome): ToldWorld {
  return { parameters, violations, coverage, faults, trace }
}

function add(report: ShardReport, outcome: Outcome, which: Omit<FailedSeed, 'violation'>): void {
  report.seeds += 1
  report.steps += outcome.steps
  report.virtualMs += outcome.ms
  for (const [name, count] of outcome.coverage) report.coverage[name] = (report.coverage[name] ?? 0) + count
  const [violation] = outcome.violations
  if (violation !== undefined) report.failed.push({ ...which, violation })
}
