// Whole vaults on PostgreSQL: what one process does, another hears of and acts on at once; the command line; a database
// that restarts under both.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { VaultOptions } from '../src/vault/index.ts'
import { CliFolder } from './cli-process.ts'
import { PostgresServer, type TestDatabase, testDatabase } from './setup/postgres.ts'
import { TcpProxy } from './setup/tcp-proxy.ts'
import { ada, failure, vaultFixture } from './vault/fixture.ts'

const world = vaultFixture()
const key = Buffer.alloc(32, 7).toString('base64')
let database: TestDatabase
let url: string
let schemas = 0

beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.drop())
beforeEach(() => {
  url = `${database.url}?schema=vault_${++schemas}`
})

/** A vault of another process, as far as this one can play it: with a store and caches of its own. */
const open = (options: VaultOptions = {}) => world.open({ url, key, ...options })

describe('two vaults on one database', () => {
  it('share connections, refreshes and consents', async () => {
    const [one, two] = [await open(), await open()]
    await one.save(ada, world.granted())
    expect(await two.connections()).toMatchObject([{ user: 'ada', generation: 1 }])
    world.pass(3600)
    const [first, second] = await Promise.all([one.token(ada), two.token(ada)])
    expect(first.accessToken).toBe(second.accessToken)
    expect(world.server.counts).toMatchObject({ refreshes: 1, reuseViolations: 0 })
  })

  it('tell their subscribers what the other did, in order', async () => {
    const heard: string[] = []
    const [one, two] = [await open({ onEvent: () => {} }), await open({ onEvent: () => {} })]
    two.subscribe(({ type, connection, here }) => heard.push(`${type} ${connection.generation} ${here}`))
    await one.save(ada, world.granted())
    for (let round = 0; round < 3; round += 1) await one.refresh(ada, { force: true })
    await two.refresh(ada, { force: true })
    await one.disconnect(ada)
    await expect.poll(() => heard.length).toBe(6)
    expect(heard).toEqual([
      'connected 1 false',
      'refreshed 2 false',
      'refreshed 3 false',
      'refreshed 4 false',
      'refreshed 5 true',
      'revoked 5 false',
    ])
  })

  it('end each other’s cached tokens: what one disconnects the other serves no more', async () => {
    const [one, two] = [await open(), await open()]
    await one.save(ada, world.granted())
    const source = two.source(ada)
    const cached = await source.token()
    expect((await source.token()).accessToken).toBe(cached.accessToken)
    await one.disconnect(ada)
    await expect.poll(async () => (await failure(() => source.token())).code).toBe('not_connected')
  })

  it('see what the other saved, from the cache too', async () => {
    const [one, two] = [await open(), await open()]
    await one.save(ada, world.granted())
    const source = two.source(ada)
    const cached = await source.token()
    await one.refresh(ada, { force: true })
    await expect.poll(async () => (await source.token()).accessToken).not.toBe(cached.accessToken)
    expect(world.server.counts).toMatchObject({ refreshes: 1, reuseViolations: 0 })
  })
})

it('a vault whose line for events is cut forgets what it had cached, and hears again', async () => {
  const proxy = await TcpProxy.start(database.url)
  const heard: string[] = []
  const one = await open()
  const two = await world.open({ key, url: `${url}&listen=${proxy.host}` })
  two.subscribe(({ type }) => heard.push(type))
  await one.save(ada, world.granted())
  const source = two.source(ada)
  await source.token()
  await expect.poll(() => heard).toEqual(['connected'])
  proxy.freeze()
  proxy.cut()
  await one.disconnect(ada)
  await expect.poll(async () => (await failure(() => source.token())).code).toBe('not_connected')
  proxy.thaw()
  await expect.poll(() => heard, { timeout: 10_000 }).toEqual(['connected', 'revoked'])
  await proxy.stop()
})

it('a refresh that the database is restarted under is saved as soon as it is back', async () => {
  const server = await PostgresServer.start({})
  const place = await server.database()
  const vault = await world.open({ key, url: place.url, now: Date.now })
  world.now = Date.now()
  await vault.save(ada, world.granted())
  world.server.configure({ latencyMs: { refresh: 600 } })
  const refreshing = vault.refresh(ada, { force: true }).catch((error: unknown) => error)
  await expect.poll(() => world.server.counts.requests.refresh).toBe(1)
  await server.halt('immediate')
  await new Promise((resolve) => setTimeout(resolve, 1000))
  await server.resume()
  await refreshing
  await expect.poll(async () => (await vault.connection(ada))?.generation, { timeout: 10_000 }).toBe(2)
  expect(world.server.isActive((await vault.token(ada)).accessToken)).toBe(true)
  expect(world.server.counts).toMatchObject({ refreshes: 1, reuseViolations: 0 })
  await vault.close()
  await server.stop()
})

it('the command line opens it by TOOLGRANT_VAULT', async () => {
  await (await open()).save(ada, world.granted())
  await using folder = await CliFolder.make(key)
  const env = { TOOLGRANT_VAULT: url, TOOLGRANT_USER: 'ada' }
  const { code, stdout, stderr } = await folder.run(['connections'], { env })
  expect(stderr).toBe('')
  expect(stdout).toContain('simulated')
  expect(code).toBe(0)
})
