// How long a process stands still that has to wait for SQLite's write lock, while four others write without a pause:
// the store, against the same writes that wait as SQLite itself does (`busy_timeout`), and against doing nothing.
import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openSqliteStore } from '../src/vault/sqlite-store.ts'

/** What a process of the benchmark is told to do, with the file at `path`. */
export interface StallOrder {
  path: string
  role: 'writer' | 'store' | 'plain' | 'idle'
  forMs: number
}

/** What a waiting process has seen. */
export interface Stall {
  /** The longest time in which its event loop did not turn. */
  longestStallMs: number
  /** The longest single statement that ended with "the file is locked". */
  longestRefusalMs: number
  /** The longest single statement that did its work: it waits for the disk. */
  longestWorkMs: number
  writes: number
  /** From the call until it was written. */
  p50Ms: number
  p99Ms: number
}

/** Three processes that wait in turn, beside the writers. */
export interface LockStall {
  baseline: 'the same writes with busy_timeout = 5000'
  writers: number
  baselineStallMs: number
  storeStallMs: number
  /** Of a process that only looks at the clock: what this machine does to everybody. */
  idleStallMs: number
  storeRefusalMs: number
  storeWorkMs: number
  storeWrites: number
  storeP50Ms: number
  storeP99Ms: number
  baselineWrites: number
  baselineP50Ms: number
  baselineP99Ms: number
}

/** Measures each waiting process for `forMs`. */
export async function measureLockStall(writers = 4, forMs = 5000): Promise<LockStall> {
  const folder = mkdtempSync(join(tmpdir(), 'toolgrant-bench-'))
  const path = join(folder, 'vault.db')
  const busy: ChildProcess[] = []
  try {
    const store = await openSqliteStore(path)
    await store.addKey({ id: 'key-1', check: Uint8Array.of(1), wrapped: null })
    await store.close()
    for (let index = 0; index < writers; index += 1)
      busy.push(await started({ path, role: 'writer', forMs: 600_000 }))
    const [idle, plain, ours] = [
      await watched({ path, role: 'idle', forMs }),
      await watched({ path, role: 'plain', forMs }),
      await watched({ path, role: 'store', forMs }),
    ]
    return {
      baseline: 'the same writes with busy_timeout = 5000',
      writers,
      baselineStallMs: plain.longestStallMs,
      storeStallMs: ours.longestStallMs,
      idleStallMs: idle.longestStallMs,
      storeRefusalMs: ours.longestRefusalMs,
      storeWorkMs: ours.longestWorkMs,
      ...{ storeWrites: ours.writes, storeP50Ms: ours.p50Ms, storeP99Ms: ours.p99Ms },
      ...{ baselineWrites: plain.writes, baselineP50Ms: plain.p50Ms, baselineP99Ms: plain.p99Ms },
    }
  } finally {
    for (const child of busy) child.kill('SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, 100))
    rmSync(folder, { recursive: true, force: true })
  }
}

async function started(order: StallOrder): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL('./lock-stall-process.ts', import.meta.url)))
  await new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', reject)
    child.send(order)
  })
  return child
}

async function watched(order: StallOrder): Promise<Stall> {
  const child = await started(order)
  const stall = await new Promise<Stall>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Stall))
    child.once('exit', reject)
  })
  child.kill()
  return stall
}
