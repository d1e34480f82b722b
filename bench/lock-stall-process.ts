// One process of the lock benchmark: writes without a pause, or waits for its turn and watches its own event loop.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { DatabaseSync, StatementSync } from 'node:sqlite'
import { isBusy } from '../src/vault/sqlite-errors.ts'
import { openSqliteStore } from '../src/vault/sqlite-store.ts'
import type { Stall, StallOrder } from './lock-stall.ts'
import { quantile } from './statistics.ts'

process.once('message', (order: StallOrder) => {
  void run(order)
})

async function run({ path, role, forMs }: StallOrder): Promise<void> {
  if (role === 'writer') {
    const write = plainWriter(path)
    process.send?.('ready')
    for (;;) {
      // Until it is killed. Without any pause at all, SQLite lets nobody else have the lock for seconds.
      write()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const statements = watchStatements()
  const write = role === 'store' ? await storeWriter(path) : role === 'plain' ? plainWriter(path) : undefined
  process.send?.('ready')
  await new Promise((resolve) => setTimeout(resolve, 200)) // what starting up costs is no stall
  statements.refusalMs = statements.workMs = 0
  const loop = watchLoop()
  const waits: number[] = []
  for (const end = performance.now() + forMs; performance.now() < end; ) {
    const began = performance.now()
    await write?.()
    waits.push(performance.now() - began)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await new Promise((resolve) => setTimeout(resolve, 50)) // until the last stall is noticed too
  const stall: Stall = {
    longestStallMs: loop(),
    longestRefusalMs: statements.refusalMs,
    longestWorkMs: statements.workMs,
    writes: write === undefined ? 0 : waits.length,
    p50Ms: quantile(waits, 0.5),
    p99Ms: quantile(waits, 0.99),
  }
  process.send?.(stall)
}

/** How late a timer of one millisecond is, at most. */
function watchLoop(): () => number {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  return () => {
    delay.disable()
    return delay.max / 1e6
  }
}

/** The longest statements from now on. */
function watchStatements(): { refusalMs: number; workMs: number } {
  const longest = { refusalMs: 0, workMs: 0 }
  for (const name of ['run', 'all', 'get'] as const) {
    const original = StatementSync.prototype[name] as (...values: unknown[]) => unknown
    const watched = function (this: StatementSync, ...values: unknown[]) {
      const began = performance.now()
      try {
        const result = original.apply(this, values)
        longest.workMs = Math.max(longest.workMs, performance.now() - began)
        return result
      } catch (error) {
        if (isBusy(error)) longest.refusalMs = Math.max(longest.refusalMs, performance.now() - began)
        throw error
      }
    }
    Object.defineProperty(StatementSync.prototype, name, { value: watched })
  }
  return longest
}

/** Writes as a program does that leaves the waiting to SQLite. */
function plainWriter(path: string): () => void {
  const database = new DatabaseSync(path)
  database.exec('PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL')
  const set = database.prepare(
    'INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = ?',
  )
  let turn = 0
  return () => {
    turn += 1
    const value = new Uint8Array(500).fill(turn % 256)
    try {
      database.exec('BEGIN IMMEDIATE')
    } catch (error) {
      if (isBusy(error)) return // after five seconds: the next try
      throw error
    }
    set.run(`written by ${process.pid}`, value, value)
    database.exec('COMMIT')
  }
}

async function storeWriter(path: string): Promise<() => Promise<void>> {
  const store = await openSqliteStore(path)
  let generation = 0
  return async () => {
    generation += 1
    const place = { id: 'id-1', tenant: 't', user: 'ada', provider: 'slack', account: 'default' }
    const sealed = new Uint8Array(500).fill(generation % 256)
    const grant = { scopes: '[]', expiresAt: null, receivedAt: 1, refreshDueAt: null, dueAt: null, sealed }
    if (!(await store.putGrant({ ...place, ...grant, generation, keyId: 'key-1' })))
      throw new Error('not kept')
  }
}
