// Hearing of what other processes commit: LISTEN on a real server, over connections that break, stand still and come back.
import { type AddressInfo, createServer } from 'node:net'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { StoreError } from '../src/errors.ts'
import { openPostgresStore, type PostgresStoreOptions } from '../src/vault/postgres-store.ts'
import type { HistoryEntry, Store } from '../src/vault/store.ts'
import { answer, grant, key, outage, thrown } from '../src/vault/store-fixture.contract.ts'
import { type TestDatabase, testDatabase } from './setup/postgres.ts'
import { TcpProxy } from './setup/tcp-proxy.ts'

let database: TestDatabase
let proxy: TcpProxy
let schema: string
let schemas = 0
let stores: Store[]

beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.drop())
beforeEach(async () => {
  schema = `watched_${++schemas}`
  stores = []
  proxy = await TcpProxy.start(database.url)
})
afterEach(async () => {
  proxy.thaw()
  await Promise.all(stores.map((store) => store.close()))
  await proxy.stop()
})

async function open(parameters = '', options: PostgresStoreOptions = {}): Promise<Store> {
  const store = await openPostgresStore(`${database.url}?schema=${schema}${parameters}`, options)
  stores.push(store)
  await store.addKey(key())
  return store
}

interface Watched {
  heard: HistoryEntry[]
  gaps: () => number
  stop: () => Promise<void>
}

async function watch(store: Store): Promise<Watched> {
  const heard: HistoryEntry[] = []
  let gaps = 0
  const stop = await store.watch?.(
    (entry) => heard.push(entry),
    () => {
      gaps += 1
    },
  )
  if (stop === undefined) throw new Error('it does not watch')
  return { heard, gaps: () => gaps, stop }
}

const types = ({ heard }: Watched) => heard.map(({ type }) => type)
const listeners = async () => {
  const rows = await database.sql(
    `SELECT count(*)::integer AS count FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'toolgrant'`,
  )
  return rows[0]?.['count']
}
/** How many statements wait for a lock. */
const waiting = async () => {
  const rows = await database.sql(
    `SELECT count(*)::integer AS count FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  )
  return rows[0]?.['count']
}
/** ReadyForQuery and ErrorResponse: https://www.postgresql.org/docs/current/protocol-message-formats.html */
const ready = 'Z\0\0\0\x05I'
const refusal = (state: string, words: string) => {
  const fields = `SERROR\0C${state}\0M${words}\0\0`
  return `E\0\0\0${String.fromCharCode(fields.length + 4)}${fields}${ready}`
}

describe('a watch', () => {
  it('hears of every store’s entries, as they are in the history', async () => {
    const [one, two] = [await open(), await open()]
    const watched = await watch(one)
    await two.putGrant(grant(), '{"scopes":["a"]}')
    await one.acquireLease('id-1', 1, 'one', 1000)
    await one.saveTokens('id-1', 'one', 1, answer, '{"ms":1}')
    await two.acquireLease('id-1', 2, 'two', 1000)
    await two.markNeedsReconnect('id-1', 'two', 2, 'refused', null)
    await expect.poll(() => watched.heard.length).toBe(3)
    expect(watched.heard).toEqual(await two.history('id-1'))
    await two.markRevoked('id-1')
    await two.deleteRevoked('id-1', '{"by":"forget"}')
    await expect
      .poll(() => watched.heard.at(-1))
      .toMatchObject({
        ...{ type: 'revoked', connectionId: 'id-1', tenant: 't', user: 'ada', note: '{"by":"forget"}' },
      })
    expect(watched.gaps()).toBe(0)
  })

  it('hears of nothing that was undone, and not of other schemas', async () => {
    const one = await open()
    const elsewhere = await openPostgresStore(`${database.url}?schema=elsewhere_${schemas}`)
    stores.push(elsewhere)
    await elsewhere.addKey(key())
    const watched = await watch(one)
    await elsewhere.putGrant(grant())
    await thrown(() => one.putGrant(grant({ keyId: 'never added' })))
    await one.putGrant(grant())
    expect(await one.putGrant(grant({ id: 'id-2' }))).toBe(false)
    await expect.poll(() => types(watched)).toEqual(['connected'])
  })

  it('loses nothing of a connection that is gone before its entries are read', async () => {
    const [watcher, writer] = [await open(), await open()]
    const watched = await watch(watcher)
    for (const user of ['ada', 'bob', 'eve']) {
      await writer.putGrant(grant({ id: user, user }))
      await writer.acquireLease(user, 1, 'one', 1000)
      await writer.saveTokens(user, 'one', 1, answer)
      await writer.markRevoked(user)
      await writer.deleteRevoked(user)
      expect((await writer.history(user)).map(({ type }) => type)).toEqual(['revoked'])
      await writer.forgetUser('t', user, 'nobody')
    }
    const each = ['connected', 'refreshed', 'revoked']
    await expect.poll(() => types(watched)).toEqual([...each, ...each, ...each])
    expect(watched.gaps()).toBe(0)
    expect(await database.sql(`SELECT * FROM ${schema}.history`)).toEqual([])
  })

  it('says so when an entry is gone before it was read', async () => {
    const watched = await watch(await open())
    await database.sql(`SELECT pg_notify('${schema}_history', '1')`)
    await expect.poll(watched.gaps).toBe(1)
    await database.sql(`SELECT pg_notify('${schema}_history', 'nonsense')`)
    expect(watched.heard).toEqual([])
  })

  it('keeps the order of each connection, every entry once, when many write at a time', async () => {
    const writers = await Promise.all(Array.from({ length: 4 }, () => open()))
    const watched = await watch(await open())
    const ids = Array.from({ length: 40 }, (_, index) => `id-${index}`)
    await Promise.all(
      ids.map(async (id, index) => {
        const writer = writers[index % 4] as Store
        await writer.putGrant(grant({ id, user: id }))
        for (let generation = 1; generation <= 10; generation += 1) {
          await writer.acquireLease(id, generation, 'one', 60_000)
          await writer.saveTokens(id, 'one', generation, answer)
        }
        await writer.acquireLease(id, 11, 'one', 60_000)
        await writer.recordFailure(id, 'one', 11, outage)
      }),
    )
    await expect.poll(() => watched.heard.length, { timeout: 5000 }).toBe(40 * 12)
    for (const id of ids) {
      const own = watched.heard.filter(({ connectionId }) => connectionId === id)
      expect(own.map(({ seq }) => seq)).toEqual(own.map(({ seq }) => seq).toSorted((a, b) => a - b))
      expect(own.map(({ generation }) => generation)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 11])
    }
  })

  it('ends when it is told to, and with its store', async () => {
    const store = await open()
    const [first, second] = [await watch(store), await watch(store)]
    await first.stop()
    await store.putGrant(grant())
    await expect.poll(() => types(second)).toEqual(['connected'])
    expect(first.heard).toEqual([])
    await store.close()
    await expect.poll(listeners).toBe(0)
  })
})

describe('a watch whose connection', () => {
  it('breaks says that it missed something, comes back, and tells what that was', async () => {
    const [watcher, writer] = [await open(`&listen=${proxy.host}`), await open()]
    const watched = await watch(watcher)
    await writer.putGrant(grant())
    await expect.poll(() => types(watched)).toEqual(['connected'])
    proxy.freeze() // new connections come to nothing until it thaws
    proxy.cut()
    await expect.poll(watched.gaps).toBe(1)
    await writer.putGrant(grant({ generation: 2 }))
    await writer.putGrant(grant({ id: 'id-2', user: 'bob' }))
    proxy.thaw()
    await expect.poll(watched.gaps, { timeout: 5000 }).toBe(2)
    await writer.putGrant(grant({ generation: 3 }))
    await expect
      .poll(() => watched.heard.map(({ user, generation }) => [user, generation]))
      .toEqual([
        ['ada', 1],
        ['ada', 2],
        ['bob', 1],
        ['ada', 3],
      ])
  })

  it('does not tell anew what is older than it', async () => {
    const [watcher, writer] = [await open(`&listen=${proxy.host}`), await open()]
    await writer.putGrant(grant())
    const watched = await watch(watcher)
    proxy.cut()
    await expect.poll(watched.gaps, { timeout: 5000 }).toBe(2)
    await writer.putGrant(grant({ generation: 2 }))
    await expect.poll(() => watched.heard.map(({ generation }) => generation)).toEqual([2])
  })

  it('goes silent is noticed by its heartbeat', async () => {
    const options = { heartbeatMs: 100, statementTimeoutMs: 200 }
    const [watcher, writer] = [await open(`&listen=${proxy.host}`, options), await open()]
    const watched = await watch(watcher)
    proxy.freeze()
    await writer.putGrant(grant())
    await expect.poll(watched.gaps, { timeout: 5000 }).toBe(1)
    proxy.thaw()
    await expect.poll(() => types(watched), { timeout: 10_000 }).toEqual(['connected'])
  })

  it('breaks again while it catches up is made anew once, and leaves nothing behind', async () => {
    const options = { statementTimeoutMs: 500 }
    const [watcher, writer] = [await open(`&listen=${proxy.host}`, options), await open()]
    const watched = await watch(watcher)
    const locker = new pg.Client(database.url)
    await locker.connect()
    await locker.query(`BEGIN; LOCK TABLE ${schema}.history IN ACCESS EXCLUSIVE MODE`)
    proxy.cut()
    await expect.poll(waiting, { timeout: 5000 }).toBeGreaterThan(0)
    proxy.cut() // and the reading of what was missed fails, too
    await new Promise((resolve) => setTimeout(resolve, 1000))
    await locker.end()
    await writer.putGrant(grant())
    await expect.poll(() => types(watched), { timeout: 10_000 }).toEqual(['connected'])
    await new Promise((resolve) => setTimeout(resolve, 1000))
    await Promise.all([watcher.close(), writer.close()])
    await expect.poll(listeners).toBe(0)
  })

  it('cannot be made at first: that is thrown', async () => {
    const store = await open('&listen=127.0.0.1:1')
    await expect(watch(store)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(await store.putGrant(grant())).toBe(true)
  })

  it('leads to a standby, which keeps no listeners: that is thrown in words', async () => {
    const standby = createServer((socket) => {
      socket.once('data', () => {
        socket.write(`R\0\0\0\x08\0\0\0\0${ready}`)
        socket.once('data', () => socket.write(refusal('25006', 'cannot execute LISTEN during recovery')))
      })
    })
    await new Promise<void>((resolve) => standby.listen(0, '127.0.0.1', resolve))
    const { port } = standby.address() as AddressInfo
    const store = await open(`&listen=127.0.0.1:${port}`)
    const error = await watch(store).catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(StoreError)
    expect(error).toMatchObject({ code: 'store_read_only', message: expect.stringContaining(`${port}`) })
    standby.close()
  })

  it('is ended by the server again and again is made anew each time, and the process lives', async () => {
    const store = await open()
    const watched = await watch(store)
    for (let round = 1; round <= 3; round += 1) {
      await database.sql(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
      )
      await expect.poll(watched.gaps, { timeout: 5000 }).toBe(2 * round)
      expect(await store.putGrant(grant({ id: `id-${round}`, user: `${round}` }))).toBe(true)
      await expect.poll(() => watched.heard.length).toBe(round)
    }
  })
})
