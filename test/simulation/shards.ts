// Runs seeds in several threads.
import { Worker } from 'node:worker_threads'
import type { InvariantId } from './invariants.ts'
import type { FailedSeed, ShardReport, ShardTask } from './shard.ts'

/** Which seeds, and where. */
export interface ShardsTask {
  from: number
  to: number
  /** How many threads. */
  shards: number
  /** Name of a mutation. */
  mutation?: string | undefined
  /** Each thread ends with the first violation of one of these. */
  until?: readonly InvariantId[]
}

/** Runs all seeds from the first to the last; failed ones in their order. */
export async function runShards({ from, to, shards, mutation, until }: ShardsTask): Promise<ShardReport> {
  const total: ShardReport & { failed: FailedSeed[] } = {
    ...{ seeds: 0, steps: 0, virtualMs: 0, coverage: {}, failed: [], traces: [], done: true },
  }
  const add = (report: ShardReport) => {
    total.seeds += report.seeds
    total.steps += report.steps
    total.virtualMs += report.virtualMs
    for (const [name, count] of Object.entries(report.coverage))
      total.coverage[name] = (total.coverage[name] ?? 0) + count
    total.failed.push(...report.failed)
  }
  const tasks = Array.from({ length: shards }, (_, shard) => ({ from: from + shard, to, step: shards }))
  await Promise.all(tasks.map((task) => runShard({ ...task, mutation, until }, add)))
  total.failed.sort((one, other) => one.seed - other.seed)
  return total
}

/** The traces of seeds, from a thread of their own. */
export async function traceSeeds(from: number, to: number): Promise<readonly string[]> {
  const traces: string[] = []
  await runShard({ from, to, step: 1, trace: true }, (report) => traces.push(...report.traces))
  return traces
}

/** Plays scenarios in a thread of their own. */
export async function runScenarios(names: readonly string[], mutation?: string): Promise<ShardReport> {
  const reports: ShardReport[] = []
  await runShard({ from: 0, to: 0, step: 1, scenarios: names, mutation }, (report) => reports.push(report))
  const [report] = reports
  if (report === undefined) throw new Error('The scenarios were not played.')
  return report
}

function runShard(task: ShardTask, add: (report: ShardReport) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./shard.ts', import.meta.url), { workerData: task })
    worker.on('message', (report: ShardReport) => {
      add(report)
      if (report.done) resolve()
    })
    worker.on('error', reject)
    worker.on('exit', (code) => reject(new Error(`A shard ended with code ${code}.`)))
  })
}
