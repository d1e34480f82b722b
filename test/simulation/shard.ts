// A thread that simulates: seeds that it is told, one after the other, in a thread of its own because it replaces timers,
// clock and chance. With a mutation, the vault that it loads is broken on purpose.
import { registerHooks } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import { replaceAmbient } from './ambient.ts'
import type { InvariantId, Violation } from './invariants.ts'
import { type Mutation, mutations } from './mutations.ts'
import type { Outcome } from './run.ts'
import { scenarios } from './scenarios.ts'
import type { WorldOptions } from './world.ts'

/** What a shard is told when it starts. */
export interface ShardTask {
  /** Name of a mutation. */
  mutation?: string | undefined
  /** Seeds: `from`, `from + step`, … up to `to`. */
  from: number
  to: number
  step: number
  /** These scenarios, instead of seeds. */
  scenarios?: readonly string[] | undefined
  /** Ends with the first violation of one of these. */
  until?: readonly InvariantId[] | undefined
  /** Tells every line of each trace. */
  trace?: boolean
}

/** A seed that broke an invariant. */
export interface FailedSeed {
  seed: number
  /** The scenario, if it was one. */
  scenario?: string
  violation: Violation
}

/** What a shard says now and then, and in the end. */
export interface ShardReport {
  seeds: number
  steps: number
  virtualMs: number
  coverage: Record<string, number>
  failed: readonly FailedSeed[]
  /** Of the seeds in their order, if they were asked for. */
  traces: readonly string[]
  done: boolean
}

const task = workerData as ShardTask
const mutation = task.mutation === undefined ? undefined : mutations[task.mutation]
if (task.mutation !== undefined && mutation === undefined) throw new Error(`No mutation ${task.mutation}.`)
const applied = mutate(mutation)
const { runSeed } = await import('./run.ts')
const { runScenario } = await import('./stage.ts')
replaceAmbient()
await (task.scenarios === undefined ? simulate() : play(task.scenarios))

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
      const after = before.replace(from, to)
      found = before !== after
      return { ...loaded, source: after }
    },
  })
  return () => {
    if (!found) throw new Error(`The mutation does not apply any more: src/${file} has no ${from}`)
  }
}

async function simulate(): Promise<void> {
  let report = empty()
  const options: WorldOptions = { breakStore: mutation?.store, trace: task.trace }
  for (let seed = task.from; seed <= task.to; seed += task.step) {
    const outcome = await runSeed(seed, options)
    add(report, seed, outcome)
    if (report.failed.some(({ violation }) => task.until?.includes(violation.invariant))) break
    if (report.seeds % 50 === 0) {
      parentPort?.postMessage(report)
      report = empty()
    }
  }
  applied()
  parentPort?.postMessage({ ...report, done: true })
}

async function play(names: readonly string[]): Promise<void> {
  const report = empty()
  for (const name of names) {
    const scenario = scenarios[name]
    if (scenario === undefined) throw new Error(`No scenario ${name}.`)
    const outcome = await runScenario(scenario, { breakStore: mutation?.store })
    add(report, 0, outcome, name)
  }
  applied()
  parentPort?.postMessage({ ...report, done: true })
}

function empty(): ShardReport & { failed: FailedSeed[]; traces: string[] } {
  return { seeds: 0, steps: 0, virtualMs: 0, coverage: {}, failed: [], traces: [], done: false }
}

function add(report: ReturnType<typeof empty>, seed: number, outcome: Outcome, scenario?: string): void {
  report.seeds += 1
  report.steps += outcome.steps
  report.virtualMs += outcome.ms
  if (task.trace === true) report.traces.push(outcome.trace.join('\n'))
  for (const [name, count] of outcome.coverage) report.coverage[name] = (report.coverage[name] ?? 0) + count
  const [violation] = outcome.violations
  if (violation !== undefined)
    report.failed.push({ seed, violation, ...(scenario === undefined ? {} : { scenario }) })
}
