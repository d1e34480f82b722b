// A PostgreSQL vault behind a real PgBouncer in transaction mode: statements of one client run on any of its few
// connections to the server, so that no session holds. Prepared statements get lost or are there already; LISTEN is heard
// by nobody.
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openPostgresStore } from '../src/vault/postgres-store.ts'
import { storeContract } from '../src/vault/store.contract.ts'
import type { Store } from '../src/vault/store.ts'
import { grant, key } from '../src/vault/store-fixture.contract.ts'
import { type PgBouncer, startPgBouncer } from './setup/pgbouncer.ts'
import { type TestDatabase, testDatabase } from './setup/postgres.ts'

let database: TestDatabase
let pooler: PgBouncer
let schemas = 0
beforeAll(async () => {
  database = await testDatabase()
  pooler = await startPgBouncer(database.url, { default_pool_size: '3' })
})
afterAll(async () => {
  await pooler?.stop()
  await database.drop()
})

/** A place of its own behind the pooler. */
function place(parameters = ''): string {
  schemas += 1
  return `${pooler.through(database.url)}?schema=pooled_${schemas}${parameters}`
}

/** Where the server itself is. */
function direct(): string {
  return `&listen=${new URL(database.url).host}`
}

storeContract('the PostgreSQL store behind a pooler', {
  open: ({ now }) => openPostgresStore(place(direct()), { now }),
  watches: true,
})

describe('behind a pooler', () => {
  it('statements that `pg` prepares by name get lost: that is what this has to get by with', async () => {
    const clients = Array.from({ length: 12 }, () => new pg.Client(pooler.through(database.url)))
    await Promise.all(clients.map((client) => client.connect()))
    const codes = await Promise.all(
      clients.map(async (client) => {
        try {
          for (let round = 0; round < 20; round += 1)
            await client.query({ name: 'one of many', text: 'SELECT $1::integer', values: [round] })
        } catch (error) {
          return (error as { code?: string }).code
        } finally {
          await client.end()
        }
        return undefined
      }),
    )
    expect(codes).toContain('42P05')
  })

  it('statements go on unprepared where prepared ones get lost, and none fails or is repeated', async () => {
    const url = place('&pool=4')
    const stores = await Promise.all(Array.from({ length: 4 }, () => openPostgresStore(url)))
    const [first] = stores as [Store]
    await first.addKey(key())
    const ids = Array.from({ length: 200 }, (_, index) => `id-${index}`)
    const put = await Promise.all(
      ids.map((id, index) => stores[index % 4]?.putGrant(grant({ id, user: id }))),
    )
    expect(put.every((done) => done === true)).toBe(true)
    const refreshed = await Promise.all(
      ids.map(async (id, index) => {
        const store = stores[(index + 1) % 4] as Store
        const row = await store.acquireLease(id, 1, 'owner', 10_000)
        const found = await store.find('t', id, 'slack')
        const saved = await store.saveTokens(id, 'owner', 1, grant())
        return row?.id === id && found[0]?.id === id && saved
      }),
    )
    expect(refreshed.every(Boolean)).toBe(true)
    const told = await database.sql(
      `SELECT type, count(*)::integer AS count FROM pooled_${schemas}.history GROUP BY type ORDER BY type`,
    )
    expect(told).toEqual([
      { type: 'connected', count: 200 },
      { type: 'refreshed', count: 200 },
    ])
    await Promise.all(stores.map((store) => store.close()))
  })

  it('nobody is told of a watch that would hear nothing', async () => {
    const store = await openPostgresStore(place())
    const started = performance.now()
    const stop = await store.watch?.(
      () => {},
      () => {},
    )
    expect(stop).toBeUndefined()
    expect(performance.now() - started).toBeLessThan(3000)
    await store.addKey(key())
    expect(await store.putGrant(grant())).toBe(true)
    await store.close()
  })

  it('a watch hears where the pooler keeps sessions, and is not tried where the url says so', async () => {
    const keeping = await startPgBouncer(database.url, { pool_mode: 'session', default_pool_size: '20' })
    const heard: string[] = []
    const store = await openPostgresStore(`${keeping.through(database.url)}?schema=pooled_${++schemas}`)
    await store.addKey(key())
    const stop = await store.watch?.(
      ({ type }) => heard.push(type),
      () => {},
    )
    expect(stop).toBeDefined()
    await store.putGrant(grant())
    await expect.poll(() => heard).toEqual(['connected'])
    await store.close()
    await keeping.stop()
    const silent = await openPostgresStore(place('&listen=none'))
    expect(
      await silent.watch?.(
        () => {},
        () => {},
      ),
    ).toBeUndefined()
    await silent.close()
  })

  it('a place that says "prepare=false" is never asked to keep statements', async () => {
    const store = await openPostgresStore(place('&prepare=false'))
    await store.addKey(key())
    expect((await store.keys()).map(({ id }) => id)).toEqual(['key-1'])
    await store.close()
  })
})
