// What one turn of the scheduler costs a PostgreSQL store: asking what is due, and claiming it. The same number of rows is
// due in every database; only how many there are besides differs, so that the cost has to be the same.
import { openPostgresStore } from '../src/vault/postgres-store.ts'
import type { Store } from '../src/vault/store.ts'
import type { TestDatabase } from '../test/setup/postgres.ts'
import { benchKey, benchServer, fillPostgresVault } from './postgres-vault.ts'
import { median } from './statistics.ts'

/** Microseconds a turn, by the number of rows. */
export interface PostgresTick {
  baseline: string
  duePerTick: number
  /** What a turn costs that claims so many rows, by the size of the table. */
  tickUs: Record<string, number>
  /** What a turn costs that finds nothing due. */
  idleUs: Record<string, number>
  /** The largest table's turn against the smallest's. */
  ratio: number
  idleRatio: number
}

const claimMs = 3_600_000

/** The sizes take turns, so that what else the machine does falls on all of them. */
export async function measurePostgresTick(
  sizes: readonly number[] = [10_000, 100_000],
  duePerTick = 25,
  ticks = 80,
): Promise<PostgresTick> {
  const server = await benchServer()
  try {
    const places: Place[] = []
    for (const rows of sizes) {
      const database = await server.database()
      await fillPostgresVault(database.url, { rows, key: benchKey(), due: duePerTick * ticks })
      places.push({ database, store: await openPostgresStore(database.url) })
    }
    const busy = await turns(places, ticks, duePerTick)
    const idle = await turns(places, ticks, 0)
    await Promise.all(places.map(({ store }) => store.close()))
    return {
      baseline: `the same turn over ${sizes[0]} rows`,
      duePerTick,
      tickUs: bySize(sizes, busy),
      idleUs: bySize(sizes, idle),
      ratio: (busy.at(-1) ?? Number.NaN) / (busy[0] ?? Number.NaN),
      idleRatio: (idle.at(-1) ?? Number.NaN) / (idle[0] ?? Number.NaN),
    }
  } finally {
    await server.stop()
  }
}

/** A database and a store on it. */
interface Place {
  store: Store
  database: TestDatabase
}

/** What the refreshes of the claimed rows do to their times. */
const refreshed = `WITH done AS (DELETE FROM toolgrant.claim RETURNING connection_id, until)
  UPDATE toolgrant.connection SET due_at = until FROM done WHERE id = connection_id`

/** Median microseconds of a turn of each store. */
async function turns(places: readonly Place[], ticks: number, expected: number): Promise<number[]> {
  const all: number[][] = places.map(() => [])
  for (let tick = 0; tick < ticks; tick += 1)
    for (const [index, { store, database }] of places.entries()) {
      const began = performance.now()
      const claimed = await turn(store, expected)
      all[index]?.push((performance.now() - began) * 1000)
      if (claimed !== expected) throw new Error(`A turn claimed ${claimed} rows instead of ${expected}.`)
      if (expected > 0) await database.sql(refreshed)
    }
  // The first turns of a table find nothing in the cache.
  return all.map((values) => median(values.slice(Math.floor(ticks / 6))))
}

async function turn(store: Store, limit: number): Promise<number> {
  let claimed = 0
  for (const { provider, dueAt } of await store.nextDue('default'))
    if (dueAt <= store.now()) claimed += (await store.claimDue('default', provider, limit, claimMs)).length
  return claimed
}

function bySize(sizes: readonly number[], values: readonly number[]): Record<string, number> {
  return Object.fromEntries(sizes.map((rows, index) => [rows, Math.round(values[index] ?? Number.NaN)]))
}
