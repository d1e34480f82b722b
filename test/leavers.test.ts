// Leavers and explanations against real parts: a certified authorization server (RFC 7009, RFC 7662), PostgreSQL with
// two vaults on it, a database that was copied, a name that does not resolve.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  authorizationCodeGrant,
  authorizationUrl,
  discover,
  refreshTokenGrant,
  TokenSet,
} from '../src/oauth/index.ts'
import { defineProvider, type Provider } from '../src/providers/index.ts'
import { generateKey } from '../src/seal.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../src/testing/index.ts'
import { Vault, type VaultOptions } from '../src/vault/index.ts'
import { type OidcServer, startOidcServer } from './servers/oidc.ts'
import { type TestDatabase, testDatabase } from './setup/postgres.ts'

const vaults: Vault[] = []

async function open(options: VaultOptions): Promise<Vault> {
  const vault = await Vault.open(options)
  vaults.push(vault)
  return vault
}

afterEach(async () => {
  for (const vault of vaults.splice(0)) await vault.close()
})

async function failure(run: () => Promise<unknown>): Promise<Record<string, unknown>> {
  try {
    await run()
  } catch (error) {
    return error as Record<string, unknown>
  }
  throw new Error('nothing was thrown')
}

describe('at oidc-provider', () => {
  let oidc: OidcServer
  beforeAll(async () => {
    oidc = await startOidcServer()
  })
  afterAll(() => oidc.close())

  async function granted(provider: Provider): Promise<TokenSet> {
    const { url, pending } = await authorizationUrl(provider, oidc.confidentialClient, {
      redirectUri: 'http://127.0.0.1:4711/callback',
      scopes: ['openid', 'offline_access', 'notes.read'],
      extraParams: { prompt: 'consent' },
    })
    const callback = await oidc.consent(url, { follow: false })
    return authorizationCodeGrant(provider, oidc.confidentialClient, pending, callback)
  }

  it.each([
    ['introspection', {}],
    ['userinfo alone', { introspectionUrl: undefined }],
  ])('P54 a grant is revoked, and %s confirms it', async (_name, without) => {
    const { issuer, ...found } = await discover(oidc.issuer)
    const {
      authorizationUrl: at = '',
      tokenUrl = '',
      revocationUrl = '',
      introspectionUrl,
      userinfoUrl,
    } = found
    const ways = Object.entries({ introspectionUrl, userinfoUrl, ...without })
    const provider = defineProvider({
      ...{ id: 'oidc', issuer, authorizationUrl: at, tokenUrl, revocationUrl },
      ...Object.fromEntries(ways.filter(([, url]) => url !== undefined)),
    })
    const vault = await open({
      url: 'memory:',
      clients: { oidc: { ...oidc.confidentialClient, provider } },
    })
    const tokens = await granted(provider)
    const { rotations } = oidc.counters
    await vault.save({ user: 'ada', provider: 'oidc' }, tokens)
    expect(await vault.disconnect({ user: 'ada', provider: 'oidc' })).toMatchObject({
      ...{ revoked: true, confirmed: true },
    })
    expect(await oidc.accessToken(tokens.accessToken)).toBeUndefined()
    await expect(refreshTokenGrant(provider, oidc.confidentialClient, tokens)).rejects.toMatchObject({
      error: 'invalid_grant',
    })
    expect(oidc.counters.rotations).toBe(rotations)
  })

  it('everything of a person ends, and a second run has nothing to do', async () => {
    const provider = defineProvider({ id: 'oidc', issuer: oidc.issuer })
    const vault = await open({ url: 'memory:', clients: { oidc: { ...oidc.confidentialClient, provider } } })
    const sets = [await granted(provider), await granted(provider)]
    for (const [index, tokens] of sets.entries())
      await vault.save({ user: 'ada', provider: 'oidc', account: `${index}` }, tokens)
    const { connections, unrevoked } = await vault.forget('ada')
    expect(connections).toMatchObject([
      { revoked: true, confirmed: true },
      { revoked: true, confirmed: true },
    ])
    expect(unrevoked).toEqual([])
    for (const { accessToken } of sets) expect(await oidc.accessToken(accessToken)).toBeUndefined()
    expect((await vault.forget('ada')).connections).toEqual([])
  })
})

describe('on PostgreSQL', () => {
  let database: TestDatabase
  let server: AuthorizationServer
  const key = generateKey()
  const ada = { user: 'ada', provider: 'simulated' }

  beforeAll(async () => {
    database = await testDatabase()
    server = await startAuthorizationServer()
  })
  afterAll(async () => {
    await server.close()
    await database.drop()
  })
  afterEach(() => server.configure({ latencyMs: undefined }))

  function vaultAt(url: string): Promise<Vault> {
    const provider = defineProvider(server.provider({ issuer: undefined }))
    return open({ url, key, clients: { simulated: { ...server.client(), provider } } })
  }

  /** Tokens of a new grant whose access token has ended. */
  function ended(): TokenSet {
    const { accessToken, refreshToken } = server.grant({ scopes: ['a'] })
    const receivedAt = new Date(Date.now() - 3_600_000)
    const expiresAt = new Date(Date.now() - 1000)
    return new TokenSet({ accessToken, refreshToken, scopes: ['a'], receivedAt, expiresAt })
  }

  async function requestsSeen(endpoint: 'token' | 'refresh', count: number): Promise<void> {
    while (server.counts.requests[endpoint] < count) await new Promise((done) => setTimeout(done, 5))
  }

  it('a refresh and a consent under way elsewhere cannot bring a person back', async () => {
    const [one, two] = [await vaultAt(database.url), await vaultAt(database.url)]
    server.configure({ latencyMs: { refresh: 300, token: 300 }, reuseRevokesGrant: false })
    await one.save(ada, ended())
    const { provider, client } = await two.registration('simulated')
    const options = {
      redirectUri: 'https://app.example/callback',
      scopes: ['a'],
      user: 'ada',
      account: 'work',
    }
    const { url, pending } = await authorizationUrl(provider, client, options)
    await two.putPending(pending)
    const unfinished = await authorizationUrl(provider, client, options)
    await two.putPending(unfinished.pending)
    server.clearCounts()
    const outcomes = [
      failure(() => two.token(ada)),
      failure(async () => two.finish(await server.consent(url))),
    ]
    await requestsSeen('refresh', 1)
    await requestsSeen('token', 2)
    expect(await one.forget('ada')).toMatchObject({ connections: [{ revoked: true }], pending: 1 })
    for (const outcome of await Promise.all(outcomes))
      expect(outcome).toMatchObject({ code: 'not_connected' })
    expect(await one.connections({ user: 'ada' })).toEqual([])
    expect(server.consents().every(({ revoked }) => revoked !== undefined)).toBe(true)
    const left = await database.sql(
      `SELECT count(*)::int AS rows FROM toolgrant.history WHERE user_id = 'ada'`,
    )
    expect(left).toEqual([{ rows: 0 }])
  })

  it('restored_backup: a copy of the database has an older refresh token', async () => {
    const place = await testDatabase()
    const first = await vaultAt(place.url)
    await first.save(ada, ended())
    await first.close()
    const name = new URL(place.url).pathname.slice(1)
    await database.sql(`CREATE DATABASE ${name}_copy TEMPLATE ${name}`)
    const second = await vaultAt(place.url)
    await second.token(ada)
    const copy = await vaultAt(place.url.replace(name, `${name}_copy`))
    expect(await failure(() => copy.token(ada))).toMatchObject({ code: 'needs_reconnect' })
    const { causes, timeline, clocks } = await copy.explain(ada)
    expect(causes.map(({ code }) => code)).toContain('restored_backup')
    expect(causes.find(({ code }) => code === 'restored_backup')).toMatchObject({ certainty: 'likely' })
    expect(timeline.map(({ type }) => type)).toEqual(['connected', 'needs_reconnect'])
    expect(Math.abs(clocks.storeMs)).toBeLessThan(1000)
    await copy.close()
    await second.close()
    await database.sql(`DROP DATABASE ${name}_copy WITH (FORCE)`)
    await place.drop()
  })

  it('is surveyed, and looked at from outside', async () => {
    const { lookAtVault } = await import('../src/vault/index.ts')
    const place = await testDatabase()
    expect(await lookAtVault({ url: place.url })).toMatchObject({
      kind: 'postgres',
      exists: false,
      schema: 0,
    })
    expect(await place.sql(`SELECT 1 FROM pg_namespace WHERE nspname = 'toolgrant'`)).toEqual([])
    const vault = await vaultAt(place.url)
    await vault.save(ada, ended())
    const found = await lookAtVault({ url: place.url })
    expect(found).toMatchObject({
      exists: true,
      schema: found.knownSchema,
      server: expect.stringMatching(/^\d/),
    })
    expect(found.name).not.toContain(new URL(place.url).password)
    const { providers } = await vault.survey()
    expect(providers).toMatchObject([{ provider: 'simulated', active: 1, due: 1 }])
    await vault.close()
    await place.drop()
  })
})

it('network_here: a name that does not resolve', async () => {
  const provider = defineProvider({
    ...{ id: 'sso', name: 'Company SSO', authorizationUrl: 'https://sso.toolgrant.invalid/authorize' },
    tokenUrl: 'https://sso.toolgrant.invalid/token',
  })
  const vault = await open({ url: 'memory:', clients: { sso: { clientId: 'client', provider } } })
  const past = { receivedAt: new Date(Date.now() - 3_600_000), expiresAt: new Date(Date.now() - 1000) }
  await vault.save(
    { user: 'ada', provider: 'sso' },
    new TokenSet({ accessToken: 'access', refreshToken: 'refresh', ...past }),
  )
  await failure(() => vault.token({ user: 'ada', provider: 'sso' }))
  const { status, causes, next } = await vault.explain({ user: 'ada', provider: 'sso' }, { probe: true })
  expect(status).toBe('failing')
  expect(causes.map(({ code }) => code)).toEqual(['network_here', 'provider_down'])
  expect(causes[0]?.text).toMatch(/was not reached from this machine \((ENOTFOUND|EAI_AGAIN)\)/)
  expect(next[0]).toMatchObject({ who: 'operator', command: 'toolgrant doctor' })
})
