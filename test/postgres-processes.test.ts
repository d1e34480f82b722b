// Several processes on one PostgreSQL database: the promises of every shared store, and one row that they all want to
// refresh while the provider takes its time. The full size, 50 processes and 40 s, is `npm run faults -- --crowd`.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { generateKey } from '../src/seal.ts'
import { isSound, runCrowd } from './faults/crowd.ts'
import { type TestDatabase, testDatabase } from './setup/postgres.ts'
import { storeProcesses } from './vault/store-processes.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.drop())

storeProcesses('one PostgreSQL database', () => ({
  module: new URL('../src/vault/postgres-store.ts', import.meta.url).href,
  open: 'openPostgresStore',
  place: `${database.url}?schema=hammered`,
}))

it('six processes with 60 callers on one row, a provider three times slower than a lease: one request an expiry', async () => {
  const place = { kind: 'postgres', at: `${database.url}?schema=crowded&pool=2` } as const
  const host = {
    ...({ kind: 'postgres', key: generateKey(), place: () => place } as const),
    trouble: () => ({ why: 'not here' }),
    close: async () => {},
  }
  const figures = await runCrowd({ host, processes: 6, callersEach: 10, latencyMs: 1500, leaseMs: 500 })
  expect(figures).toMatchObject({ refreshRequests: [1, 1], served: [60, 60], reuseViolations: 0 })
  expect(isSound(figures)).toBe(true)
})
