// Runs seeds in several threads.
import { Worker } from 'node:worker_threads'
import type { FailedSeed, ShardReport, ShardTask } from './shard.ts'

/** Which seeds, and where. */
export interface ShardsTask {
  from: number
  to: number
  /** How many threads. */
  shards: number
  /** Name of a mutation. */
  mutation?: string | undefined
  stopAtFirst?: boolean
}

/** Runs all seeds from the first to the last; failed ones in their order. */
export async function runShards({
  from,
  to,
  shards,
  mutation,
  stopAtFirst = false,
}: ShardsTask): Promise<ShardReport> {
  const total: ShardReport & { failed: FailedSeed[] } = {
    ...{ seeds: 0, steps: 0, virtualMs: 0, coverage: {}, failed: [], done: true },
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
  await Promise.all(tasks.map((task) => runShard({ ...task, mutation, stopAtFirst }, add)))
  total.failed.sort((one, other) => one.seed - other.seed)
  return total
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
