// Runs worlds in threads of their own.
import { Worker } from 'node:worker_threads'
import {
  emptyReport,
  type FailedSeed,
  type SeedsWork,
  type ShardReport,
  type ShardTask,
  type ToldWorld,
} from './shard.ts'

/** Which seeds, and where. */
export interface ShardsTask extends Omit<SeedsWork, 'step'> {
  /** How many threads. */
  shards: number
  /** Name of a mutation. */
  mutation?: string | undefined
}

/** Runs all seeds from the first to the last; failed ones in their order. */
export async function runShards({ from, shards, mutation, ...work }: ShardsTask): Promise<ShardReport> {
  const starts = Array.from({ length: shards }, (_, shard) => from + shard)
  const reports = await Promise.all(
    starts.map((start) => runShard({ mutation, work: { ...work, from: start, step: shards } })),
  )
  const total = { ...emptyReport(), done: true }
  for (const report of reports) add(total, report)
  total.failed.sort((one, other) => one.seed - other.seed)
  return total
}

/** The traces of seeds, from one thread of their own. */
export async function traceSeeds(from: number, to: number): Promise<readonly string[]> {
  const { worlds } = await runShard({ work: { from, to, step: 1, trace: true } })
  return worlds.map(({ trace }) => trace.join('\n'))
}

/** One world with every line of its trace. */
export async function tellSeed(seed: number, mutation?: string): Promise<ToldWorld> {
  return only(await runShard({ mutation, work: { from: seed, to: seed, step: 1, trace: true } }))
}

/** The smallest world in which a seed still breaks its invariant. */
export async function shrinkSeed(shrink: FailedSeed, mutation?: string): Promise<ToldWorld> {
  return only(await runShard({ mutation, work: { shrink } }))
}

/** Plays scenarios in a thread of their own. */
export function runScenarios(scenarios: readonly string[], mutation?: string): Promise<ShardReport> {
  return runShard({ mutation, work: { scenarios } })
}

function runShard(task: ShardTask): Promise<ShardReport> {
  return new Promise((resolve, reject) => {
    const total = emptyReport()
    const worker = new Worker(new URL('./shard.ts', import.meta.url), { workerData: task })
    worker.on('message', (report: ShardReport) => {
      add(total, report)
      if (report.done) resolve(total)
    })
    worker.on('error', reject)
    worker.on('exit', (code) => reject(new Error(`A shard ended with code ${code}.`)))
  })
}

function add(total: ShardReport, report: ShardReport): void {
  total.seeds += report.seeds
  total.steps += report.steps
  total.virtualMs += report.virtualMs
  for (const [name, count] of Object.entries(report.coverage))
    total.coverage[name] = (total.coverage[name] ?? 0) + count
  total.failed.push(...report.failed)
  total.worlds.push(...report.worlds)
}

function only({ worlds: [world] }: ShardReport): ToldWorld {
  if (world === undefined) throw new Error('The shard told of no world.')
  return world
}
