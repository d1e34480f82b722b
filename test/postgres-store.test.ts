// The PostgreSQL store keeps the contract of every store, on a real server.
import { afterAll, beforeAll } from 'vitest'
import { openPostgresStore } from '../src/vault/postgres-store.ts'
import { storeContract } from '../src/vault/store.contract.ts'
import { type TestDatabase, testDatabase } from './setup/postgres.ts'

let database: TestDatabase
let schemas = 0
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.drop())

storeContract('the PostgreSQL store', {
  open: ({ now }) => openPostgresStore(`${database.url}?schema=contract_${++schemas}`, { now }),
  watches: true,
})
