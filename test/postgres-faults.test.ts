// What a database and the way to it can do to a vault that is at work: restarts, crashes, connections that break or stand
// still, locks, limits, disks that are full. Each wait ends, each failure is named, and it recovers by itself.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { StoreError } from '../src/errors.ts'
import { openPostgresStore, type PostgresStoreOptions } from '../src/vault/postgres-store.ts'
import type { Store } from '../src/vault/store.ts'
import { answer, grant, key, thrown } from '../src/vault/store-fixture.contract.ts'
import { PostgresServer, type TestDatabase, testDatabase } from './setup/postgres.ts'
import { TcpProxy } from './setup/tcp-proxy.ts'

const program = fileURLToPath(new URL('./vault/postgres-process.ts', import.meta.url))
let database: TestDatabase
let proxy: TcpProxy
let schemas = 0
let stores: Store[]

beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.drop())
beforeEach(async () => {
  stores = []
  proxy = await TcpProxy.start(database.url)
})
afterEach(async () => {
  proxy.thaw()
  await Promise.all(stores.map((store) => store.close()))
  await proxy.stop()
})

/** A new vault with Ada's connection in it. */
async function open(url = database.url, parameters = '', options: PostgresStoreOptions = {}): Promise<Store> {
  schemas += 1
  const store = await openPostgresStore(`${url}?schema=faults_${schemas}${parameters}`, options)
  stores.push(store)
  await store.addKey(key())
  await store.putGrant(grant())
  return store
}

/** Several statements at once, so that several connections are open. */
async function warm(store: Store): Promise<void> {
  await Promise.all(Array.from({ length: 6 }, () => store.get('id-1')))
}

/** Holds Ada's row locked in a session of its own, until the returned function is called. */
async function lock(): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  await client.query(`BEGIN; SELECT 1 FROM faults_${schemas}.connection WHERE id = 'id-1' FOR UPDATE`)
  return () => client.end()
}

async function timed(call: () => unknown): Promise<{ error: unknown; ms: number }> {
  const started = performance.now()
  const error = await thrown(call)
  return { error, ms: performance.now() - started }
}

const endOthers = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid()`

describe('a server that restarts', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await PostgresServer.start()
  })
  afterAll(() => server.stop())

  it.each(['fast', 'immediate'] as const)(
    '(%s) costs calls that are under way, in time, and no more',
    async (how) => {
      const store = await open((await server.database()).url)
      let running = true
      const ended: unknown[] = []
      const busy = Array.from({ length: 8 }, async (_, index) => {
        while (running) {
          const call = index % 2 ? () => store.get('id-1') : () => store.extendLease('id-1', 'nobody', 1000)
          ended.push(
            await Promise.resolve(call()).then(
              () => 'done',
              (error: unknown) => error,
            ),
          )
          await new Promise((resolve) => setTimeout(resolve, 1))
        }
      })
      await new Promise((resolve) => setTimeout(resolve, 100))
      await server.halt(how)
      const down = await timed(() => store.get('id-1'))
      expect(down.error).toMatchObject({ code: 'store_unavailable' })
      expect(down.ms).toBeLessThan(2000)
      await server.resume()
      await expect
        .poll(() => Promise.resolve(store.get('id-1')).catch(() => undefined), { timeout: 5000 })
        .toBeDefined()
      running = false
      await Promise.all(busy)
      const failed = ended.filter((result) => result !== 'done')
      expect(failed.length).toBeGreaterThan(0)
      for (const error of failed) {
        expect(error).toBeInstanceOf(StoreError)
        expect(error).toMatchObject({ code: 'store_unavailable' })
      }
      expect(ended.slice(-8)).toEqual(Array(8).fill('done'))
      expect(await store.acquireLease('id-1', 1, 'one', 1000)).toBeDefined()
    },
  )

  it('between two reads is not even noticed', async () => {
    const store = await open((await server.database()).url)
    await warm(store)
    await server.halt()
    await server.resume()
    const found = await Promise.all(Array.from({ length: 6 }, () => store.find('t', 'ada', 'slack')))
    expect(found.map((rows) => rows.length)).toEqual(Array(6).fill(1))
  })

  it('loses nothing that was said to be saved, although the database is set to confirm early', async () => {
    const careful = await PostgresServer.start({ wal_writer_delay: '10000' })
    const { url, sql } = await careful.database()
    await sql(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET synchronous_commit = off`)
    const store = await open(url)
    for (let generation = 1; generation <= 6; generation += 1) {
      await store.acquireLease('id-1', generation, 'one', 60_000)
      await store.writeIntent('id-1', 'one', generation, 'hash', 60_000)
      expect(await store.saveTokens('id-1', 'one', generation, answer)).toBe(true)
      if (generation % 3 > 0) continue
      await careful.halt('immediate')
      await careful.resume()
      expect(await store.get('id-1')).toMatchObject({ generation: generation + 1, intentHash: null })
    }
    await store.close()
    await careful.stop()
  })
})

describe('a connection that the server ended while this process was busy', () => {
  /** Ends all connections from another process, while this one does not turn. */
  const endUnnoticed = () => spawnSync(process.execPath, [program, 'end-others', database.url])

  it('is found dead by a read, which goes on with another', async () => {
    const store = await open()
    await warm(store)
    endUnnoticed()
    expect(await store.get('id-1')).toMatchObject({ id: 'id-1' })
  })

  it('is found dead by a write, which is not repeated', async () => {
    const store = await open()
    await warm(store)
    endUnnoticed()
    const error = await thrown(() => store.acquireLease('id-1', 1, 'one', 1000))
    expect(error).toMatchObject({ code: 'store_unavailable' })
    expect(await store.acquireLease('id-1', 1, 'two', 1000)).toMatchObject({ leaseOwner: 'two' })
  })

  it('does not end the process, idle or not', async () => {
    const store = await open()
    for (let round = 0; round < 5; round += 1) {
      await warm(store)
      await database.sql(endOthers)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(await store.get('id-1')).toBeDefined()
  })
})

describe('a statement that is ended while it waits', () => {
  it('fails, and its connection is replaced', async () => {
    const store = await open()
    const unlock = await lock()
    const waiting = timed(() => store.acquireLease('id-1', 1, 'one', 1000))
    await new Promise((resolve) => setTimeout(resolve, 100))
    await database.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
    )
    expect((await waiting).error).toMatchObject({
      ...{ code: 'store_unavailable', message: expect.stringContaining('57P01') },
    })
    await unlock()
    expect(await store.acquireLease('id-1', 1, 'two', 1000)).toBeDefined()
  })

  it('does not take with it what waits for its connection', async () => {
    const store = await open(database.url, '&pool=1')
    const unlock = await lock()
    const first = timed(() => store.acquireLease('id-1', 1, 'one', 1000))
    const queued = Promise.all(Array.from({ length: 5 }, () => store.find('t', 'ada', 'slack')))
    await new Promise((resolve) => setTimeout(resolve, 100))
    const started = performance.now()
    await database.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
    )
    expect((await first).error).toMatchObject({ code: 'store_unavailable' })
    expect((await queued).map((rows) => rows.length)).toEqual([1, 1, 1, 1, 1])
    expect(performance.now() - started).toBeLessThan(2000)
    await unlock()
  })

  it('by the time limit is store_busy, and what it wanted does not happen later', async () => {
    const store = await open(database.url, '', { statementTimeoutMs: 300 })
    const unlock = await lock()
    const { error, ms } = await timed(() => store.acquireLease('id-1', 1, 'one', 1000))
    expect(error).toMatchObject({ code: 'store_busy', message: expect.stringContaining('locks') })
    expect(ms).toBeLessThan(1000)
    await unlock()
    expect(await store.get('id-1')).toMatchObject({ leaseOwner: null })
  })
})

describe('a network that stands still', () => {
  it('costs no call more than its limit, and everything goes on after it', async () => {
    const url = proxy.through(database.url)
    const store = await open(url, '&connect_timeout=1&pool=3', { statementTimeoutMs: 300 })
    await warm(store)
    proxy.freeze()
    const calls = await Promise.all([
      ...Array.from({ length: 3 }, () => timed(() => store.get('id-1'))),
      ...Array.from({ length: 3 }, () => timed(() => store.saveTokens('id-1', 'one', 1, answer))),
    ])
    for (const { error, ms } of calls) {
      expect(error).toBeInstanceOf(StoreError)
      expect(['store_unavailable', 'store_busy']).toContain((error as StoreError).code)
      expect(ms).toBeLessThan(4000)
    }
    proxy.thaw()
    expect(await store.get('id-1')).toBeDefined()
  })

  it('cut in the middle of a read costs nothing, in the middle of a write an error', async () => {
    const store = await open(proxy.through(database.url))
    await warm(store)
    proxy.freeze()
    const read = Promise.resolve(store.get('id-1'))
    const write = timed(() => store.acquireLease('id-1', 1, 'one', 1000))
    await new Promise((resolve) => setTimeout(resolve, 50))
    proxy.thaw()
    proxy.cut()
    expect(await read).toMatchObject({ id: 'id-1' })
    expect((await write).error).toMatchObject({ code: 'store_unavailable' })
  })
})

describe('limits', () => {
  it('of the pool: a call that gets no connection in time says which knob to turn', async () => {
    const store = await open(database.url, '&pool=1&connect_timeout=1')
    const unlock = await lock()
    const first = Promise.resolve(store.acquireLease('id-1', 1, 'one', 1000))
    const { error, ms } = await timed(() => store.get('id-1'))
    expect(error).toMatchObject({ code: 'store_busy', message: expect.stringContaining('"pool"') })
    expect(ms).toBeLessThan(2000)
    await unlock()
    expect(await first).toMatchObject({ leaseOwner: 'one' })
  })

  it('of connections to the server: store_busy', async () => {
    const role = `limited_${process.pid}`
    await database.sql(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD 'limited' CONNECTION LIMIT 0`)
    await database.sql(`ALTER ROLE ${role} NOSUPERUSER`)
    const url = Object.assign(new URL(database.url), { username: role, password: 'limited' }).href
    expect(await thrown(() => openPostgresStore(url))).toMatchObject({
      ...{ code: 'store_busy', message: expect.stringContaining('max_connections') },
    })
    await database.sql(`DROP ROLE ${role}`)
  })

  it.each([
    ['53100', 'store_full', 'disk space'],
    ['25006', 'store_read_only', 'primary'],
    ['XX001', 'store_corrupt', 'backup'],
  ])('that the server reports in a save as %s: %s, and nothing was changed', async (state, code, step) => {
    const store = await open()
    const schema = `faults_${schemas}`
    await database.sql(`CREATE FUNCTION ${schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '${state}'; END $$`)
    await database.sql(
      `CREATE TRIGGER refuse BEFORE INSERT ON ${schema}.history FOR EACH ROW EXECUTE FUNCTION ${schema}.refuse()`,
    )
    await store.acquireLease('id-1', 1, 'one', 60_000)
    const error = await thrown(() => store.saveTokens('id-1', 'one', 1, answer))
    expect(error).toMatchObject({ code, message: expect.stringContaining(step) })
    expect(await store.get('id-1')).toMatchObject({ generation: 1, leaseOwner: 'one' })
    await database.sql(`DROP TRIGGER refuse ON ${schema}.history`)
    expect(await store.saveTokens('id-1', 'one', 1, answer)).toBe(true)
  })

  it('of an index: an address that is too long is the caller’s mistake, and never cut short', async () => {
    const store = await open()
    const name = (salt: string) => createHash('shake256', { outputLength: 750 }).update(salt).digest('base64')
    const long = { tenant: name('t'), user: name('u'), provider: name('p') }
    expect(await thrown(() => store.putGrant(grant({ id: 'id-2', ...long })))).toMatchObject({
      ...{ name: 'TypeError', code: 'invalid_argument' },
    })
    const shorter = { tenant: name('t').slice(0, 400), user: name('u') }
    expect(await store.putGrant(grant({ id: 'id-3', ...shorter }))).toBe(true)
    expect(await store.find(shorter.tenant, shorter.user, 'slack')).toMatchObject([{ id: 'id-3' }])
  })
})

it('closing ends every connection at once, and what is under way in its own time', async () => {
  const store = await open(database.url, '', { statementTimeoutMs: 400 })
  await warm(store)
  const unlock = await lock()
  const waiting = timed(() => store.acquireLease('id-1', 1, 'one', 1000))
  await new Promise((resolve) => setTimeout(resolve, 50))
  const closing = store.close()
  expect(await thrown(() => store.get('id-1'))).toMatchObject({ code: 'closed' })
  await closing
  expect((await waiting).error).toBeInstanceOf(StoreError)
  await unlock()
  await expect
    .poll(async () => {
      const open_ = await database.sql(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'toolgrant'`,
      )
      return open_.length
    })
    .toBe(0)
})

it('nothing that is thrown or printed holds the password', async () => {
  const role = `canary_${process.pid}`
  const canary = 'canary-3f9b1c77'
  await database.sql(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD '${canary}'`)
  const url = Object.assign(new URL(database.url), { username: role, password: canary }).href
  const store = await open(proxy.through(url), '&connect_timeout=1&pool=2', { statementTimeoutMs: 200 })
  const shown: unknown[] = [store, store.name]
  const unlock = await lock()
  shown.push(await thrown(() => store.acquireLease('id-1', 1, 'one', 1000)))
  await unlock()
  proxy.freeze()
  shown.push(await thrown(() => store.get('id-1')))
  proxy.thaw()
  proxy.cut()
  await proxy.stop()
  shown.push(await thrown(() => store.get('id-1')), await thrown(() => openPostgresStore(proxy.through(url))))
  await database.sql(`ALTER ROLE ${role} PASSWORD 'another'`)
  shown.push(await thrown(() => openPostgresStore(url)))
  for (const each of shown) {
    expect(inspect(each, { depth: 12, showHidden: true })).not.toContain(canary)
    expect(String(each)).not.toContain(canary)
    expect(JSON.stringify(each)).not.toContain(canary)
  }
  await store.close()
  proxy = await TcpProxy.start(database.url)
  await database.sql(`DROP OWNED BY ${role}`)
  await database.sql(`DROP ROLE ${role}`)
})
