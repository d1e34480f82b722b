// Several vaults on one real PostgreSQL: what each hears of the others, what they forget because of it, and how their
// schedulers share the work.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { TokenSet, type TokenSource } from '../src/oauth/index.ts'
import { generateKey } from '../src/seal.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../src/testing/index.ts'
import { Vault, type VaultEvent } from '../src/vault/index.ts'
import { type TestDatabase, testDatabase } from './setup/postgres.ts'
import { TcpProxy } from './setup/tcp-proxy.ts'
import { failure } from './vault/fixture.ts'

const ada = { user: 'ada', provider: 'simulated' }
let database: TestDatabase
let proxy: TcpProxy
let server: AuthorizationServer
let schema: string
let schemas = 0
const vaults: Vault[] = []
const key = generateKey()

beforeAll(async () => {
  database = await testDatabase()
  proxy = await TcpProxy.start(database.url)
})
afterAll(async () => {
  await proxy.stop()
  await database.drop()
})
beforeEach(async () => {
  server = await startAuthorizationServer({ scopes: ['a', 'b'] })
  schema = `fresh_${++schemas}`
})
afterEach(async () => {
  for (const vault of vaults.splice(0)) await vault.close()
  await server.close()
})

async function open(parameters = ''): Promise<{ vault: Vault; heard: VaultEvent[] }> {
  const heard: VaultEvent[] = []
  const provider = server.provider({ issuer: undefined })
  const vault = await Vault.open({
    ...{ url: `${database.url}?schema=${schema}${parameters}`, key },
    ...{
      clients: { simulated: { ...server.client(), provider } },
      onEvent: (event) => void heard.push(event),
    },
  })
  vaults.push(vault)
  return { vault, heard }
}

/** A fresh grant whose access token ends in so many seconds. */
function granted(lifeSeconds = 3600): TokenSet {
  const { accessToken, refreshToken } = server.grant({ scopes: ['a'] })
  const receivedAt = new Date()
  const expiresAt = new Date(receivedAt.getTime() + lifeSeconds * 1000)
  return new TokenSet({ accessToken, refreshToken, scopes: ['a'], receivedAt, expiresAt })
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 15_000; !condition(); ) {
    if (Date.now() > end) throw new Error('it did not happen')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Whether a source still has that token set at hand; else it reads, and what comes of that does not matter here. */
function servesFromMemory(source: TokenSource, tokens: TokenSet): boolean {
  const served = source.token()
  if (served instanceof Promise) served.catch(() => {})
  return served === tokens
}

const story = (events: readonly VaultEvent[]) =>
  events.map(({ type, connection, here }) => `${type} ${connection.generation}${here ? ' here' : ''}`)

describe('two vaults on PostgreSQL', () => {
  it('hear of each other, in order, and one of them did it', async () => {
    const [one, two] = [await open(), await open()]
    await one.vault.save(ada, granted(0))
    await two.vault.token(ada)
    server.revokeGrants()
    await failure(() => one.vault.refresh(ada, { force: true }))
    // What is deleted takes its history with it, and what was not heard of it by then.
    await until(() => two.heard.length === 3)
    await two.vault.disconnect(ada)
    await until(() => [one, two].every(({ heard }) => heard.length === 4))
    expect(story(one.heard)).toEqual([
      ...['connected 1 here', 'refreshed 2', 'needs_reconnect 2 here', 'revoked 2'],
    ])
    expect(story(two.heard)).toEqual([
      ...['connected 1', 'refreshed 2 here', 'needs_reconnect 2', 'revoked 2 here'],
    ])
    expect(one.heard[2]?.error).toMatchObject({ code: 'needs_reconnect' })
    expect(server.counts).toMatchObject({ reuseViolations: 0 })
  })

  it('serve nothing from memory that the other has renewed or ended', async () => {
    const [one, two] = [await open(), await open()]
    await one.vault.save(ada, granted())
    const source = two.vault.source(ada)
    const first = await source.token()
    expect(source.token()).toBe(first)
    const before = two.heard.length
    await one.vault.refresh(ada, { force: true })
    await until(() => two.heard.length > before)
    expect((await source.token()).accessToken).not.toBe(first.accessToken)
    await one.vault.disconnect(ada)
    await until(() => two.heard.at(-1)?.type === 'revoked')
    expect(await failure(() => source.token())).toMatchObject({ code: 'not_connected' })
  })

  it('share what is due between their schedulers: each connection once', async () => {
    const three = [await open(), await open(), await open()]
    const [first] = three
    if (first === undefined) throw new Error('no vault')
    for (let user = 0; user < 60; user += 1) await first.vault.save({ ...ada, user: `u${user}` }, granted(0))
    const keepers = three.map(({ vault }) => vault.keepFresh())
    await until(() => server.counts.refreshes === 60)
    await until(() => three.every(({ heard }) => heard.length === 120))
    await Promise.all(keepers.map((keeper) => keeper.stop()))
    for (const { heard } of three) {
      const refreshed = heard
        .filter(({ type }) => type === 'refreshed')
        .map(({ connection }) => connection.user)
      expect(new Set(refreshed).size).toBe(60)
    }
    const shares = three.map(
      ({ heard }) => heard.filter(({ type, here }) => type === 'refreshed' && here).length,
    )
    expect(shares.reduce((sum, share) => sum + share, 0)).toBe(60)
    expect(server.counts.requests.refresh).toBe(60)
    expect(server.counts.reuseViolations).toBe(0)
  })
})

it('a vault whose line to the database breaks forgets what it held, and hears again', async () => {
  const [one, other] = [await open(), await open(`&listen=${proxy.host}`)]
  await one.vault.save(ada, granted())
  await until(() => other.heard.length === 1)
  const source = other.vault.source(ada)
  const first = await source.token()
  expect(source.token()).toBe(first)
  proxy.cut()
  await one.vault.refresh(ada, { force: true })
  await until(() => !servesFromMemory(source, first))
  expect((await source.token()).accessToken).not.toBe(first.accessToken)
  await one.vault.disconnect(ada)
  await until(() => other.heard.at(-1)?.type === 'revoked')
})
