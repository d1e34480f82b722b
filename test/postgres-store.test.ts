// The PostgreSQL store keeps the contract of every store, on a real server.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openPostgresStore } from '../src/vault/postgres-store.ts'
import { storeContract } from '../src/vault/store.contract.ts'
import { bytes, grant, key } from '../src/vault/store-fixture.contract.ts'
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

it('passes lists of whatever text as it is', async () => {
  const odd = [
    '{a,b}',
    '"quoted"',
    "it's",
    'back\\slash\\',
    'NULL',
    '',
    ' ',
    'a,b',
    '\n\t',
    '🔑',
    '$1',
    ':id',
    '::',
  ]
  const store = await openPostgresStore(`${database.url}?schema=odd_lists`, { now: () => 5 })
  await store.addKey(key())
  const lines = odd.map((entry, index) => ({
    seq: index + 1,
    at: index,
    entry,
    hash: bytes(index, 0, 92, 34),
  }))
  expect(await store.appendAudit('{t}', lines)).toBe(true)
  expect(await store.auditLines('{t}', 0, 100)).toEqual(lines)
  for (const id of odd) await store.putGrant(grant({ id, user: `user ${id}` }))
  await store.close()
  const later = await openPostgresStore(`${database.url}?schema=odd_lists`, { now: () => 9 })
  await later.touch(odd.slice(0, -1))
  const used = await Promise.all(odd.map(async (id) => (await later.get(id))?.usedAt))
  expect(used).toEqual([...odd.slice(1).map(() => 9), 5])
  await later.close()
})

it('takes a claim of before the clock went back for over, as it does a lease', async () => {
  const clock = { ms: 10 * 60 * 60_000 }
  const store = await openPostgresStore(`${database.url}?schema=claims`, { now: () => clock.ms })
  await store.addKey(key())
  await store.putGrant(grant({ id: 'id', dueAt: 1 }))
  const { tenant, provider } = (await store.get('id')) ?? { tenant: '', provider: '' }
  const claim = async () => (await store.claimDue(tenant, provider, 5, 60_000)).length
  expect(await claim()).toBe(1)
  expect(await claim()).toBe(0)
  clock.ms = 60_000
  expect(await store.nextDue(tenant)).toEqual([expect.objectContaining({ provider, dueAt: 1 })])
  expect(await claim()).toBe(1)
  expect(await claim()).toBe(0)
  await store.close()
})
