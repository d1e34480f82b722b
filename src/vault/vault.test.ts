// The vault's face against a real HTTP authorization server: connections, tokens, refresh, disconnecting, callbacks.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ToolgrantError } from '../errors.ts'
import { authorizationUrl, Session, TokenSet } from '../oauth/index.ts'
import { defineProvider } from '../providers/index.ts'
import { generateKey } from '../seal.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../testing/index.ts'
import { Vault, type VaultEvent, type VaultOptions } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'toolgrant-vault-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newUrl = () => `sqlite:${join(folder, `${++files}`, 'vault.db')}`

let server: AuthorizationServer
let now: number
let vaults: Vault[]
let events: VaultEvent[]
const ada = { user: 'ada', provider: 'simulated' }

beforeEach(async () => {
  now = Date.UTC(2026, 0, 1)
  vaults = []
  events = []
  server = await startAuthorizationServer({ now: () => now, scopes: ['a', 'b', 'c', 'openid'] })
})
afterEach(async () => {
  for (const vault of vaults) await vault.close()
  await server.close()
})

async function open(options: VaultOptions = {}): Promise<Vault> {
  const provider = defineProvider(server.provider({ issuer: undefined }))
  const vault = await Vault.open({
    ...{ url: 'memory:', clients: { simulated: { ...server.client(), provider } }, now: () => now },
    ...{ random: () => 0, onEvent: (event: VaultEvent) => void events.push(event), ...options },
  })
  vaults.push(vault)
  return vault
}

/** A fresh grant at the server, as tokens. */
function granted(scopes: readonly string[] = ['a', 'b']): TokenSet {
  const { accessToken, refreshToken, expiresInSeconds } = server.grant({ scopes })
  return new TokenSet({
    ...{ accessToken, refreshToken, scopes, receivedAt: new Date(now) },
    expiresAt: expiresInSeconds === null ? null : new Date(now + expiresInSeconds * 1000),
  })
}

const pass = (seconds: number) => {
  now += seconds * 1000
}

async function failure(run: () => unknown): Promise<ToolgrantError & Record<string, unknown>> {
  try {
    await run()
  } catch (error) {
    return error as ToolgrantError & Record<string, unknown>
  }
  throw new Error('nothing was thrown')
}

const eventTypes = () => events.map(({ type }) => type)

describe('connections', () => {
  it('are saved, found and listed without any secret', async () => {
    const vault = await open()
    const tokens = granted()
    const connection = await vault.save(ada, tokens)
    expect(connection).toEqual({
      ...{ id: connection.id, tenant: 'default', user: 'ada', provider: 'simulated', account: 'default' },
      ...{ scopes: ['a', 'b'], status: 'active', generation: 1, expiresAt: tokens.expiresAt },
      ...{ createdAt: new Date(now), updatedAt: new Date(now) },
    })
    expect(await vault.connection(ada)).toEqual(connection)
    expect(await vault.connections()).toEqual([connection])
    expect(await vault.connections({ user: 'bob' })).toEqual([])
    expect(await vault.connection({ user: 'bob', provider: 'simulated' })).toBeUndefined()
    expect(eventTypes()).toEqual(['connected'])
  })

  it('are replaced by a new consent, whatever its scopes', async () => {
    const vault = await open()
    const first = await vault.save(ada, granted(['a', 'b']))
    pass(10)
    const narrower = await vault.save(ada, granted(['a']))
    expect(narrower).toMatchObject({ id: first.id, generation: 2, scopes: ['a'], createdAt: first.createdAt })
    const wider = await vault.save(ada, granted(['a', 'b', 'c']))
    expect(wider).toMatchObject({ id: first.id, generation: 3, scopes: ['a', 'b', 'c'] })
    expect(await vault.connections()).toHaveLength(1)
  })

  it('of several accounts: the one named, the only one, the default one, or a question', async () => {
    const vault = await open()
    const [work, home] = [granted(), granted()]
    await vault.save({ ...ada, account: 'work' }, work)
    expect((await vault.token(ada)).accessToken).toBe(work.accessToken)
    await vault.save({ ...ada, account: 'home' }, home)
    expect((await vault.token({ ...ada, account: 'home' })).accessToken).toBe(home.accessToken)
    const error = await failure(() => vault.token(ada))
    expect(error).toMatchObject({ name: 'ConfigurationError', code: 'account_ambiguous' })
    expect(error.message).toContain('"home", "work"')
    expect(await failure(() => vault.connection(ada))).toMatchObject({ code: 'account_ambiguous' })
    const labelled = granted()
    await vault.save(ada, labelled)
    expect((await vault.token(ada)).accessToken).toBe(labelled.accessToken)
    expect((await vault.connections(ada)).map(({ account }) => account)).toEqual(['default', 'home', 'work'])
  })

  it('of one tenant are not seen by another on the same file', async () => {
    const [url, key] = [newUrl(), generateKey()]
    const one = await open({ url, key, tenant: 'one' })
    const two = await open({ url, key, tenant: 'two' })
    await one.save(ada, granted())
    expect(await two.connections()).toEqual([])
    expect(await failure(() => two.token(ada))).toMatchObject({ code: 'not_connected' })
    expect(await failure(() => two.disconnect(ada))).toMatchObject({ code: 'not_connected' })
    expect(await one.connections()).toHaveLength(1)
  })

  it.each([{ user: '' }, { user: 'x'.repeat(1001) }, { user: '\ud800' }, { provider: '' }, { account: '' }])(
    'need a proper address, not %j',
    async (change) => {
      const vault = await open()
      const address = { ...ada, ...change }
      for (const run of [
        () => vault.token(address),
        () => vault.save(address, granted()),
        () => vault.source(address),
        () => vault.disconnect(address),
        () => vault.connection(address),
        () => vault.connections(change),
      ])
        expect(await failure(run)).toMatchObject({ name: 'TypeError', code: 'invalid_argument' })
    },
  )
})

describe('a token', () => {
  it('that is fresh is returned as it is, by token and by source', async () => {
    const vault = await open()
    const tokens = granted()
    await vault.save(ada, tokens)
    expect(await vault.token(ada)).toEqual(tokens)
    expect(await vault.source(ada).token()).toEqual(tokens)
    expect(server.counts.requests.refresh).toBe(0)
  })

  it('of nobody asks for consent, with the scopes needed', async () => {
    const vault = await open()
    const error = await failure(() => vault.token(ada, { scopes: ['a'] }))
    expect(error).toMatchObject({ name: 'AuthorizationRequiredError', code: 'not_connected', scopes: ['a'] })
    expect(await failure(() => vault.source(ada, { scopes: ['a'] }).token())).toMatchObject({ scopes: ['a'] })
  })

  it('without the scopes needed asks for the union', async () => {
    const vault = await open()
    await vault.save(ada, granted(['a', 'b']))
    const error = await failure(() => vault.source(ada, { scopes: ['b', 'c'] }).token())
    expect(error).toMatchObject({ code: 'missing_scope', scopes: ['a', 'b', 'c'], account: 'default' })
    expect(error.message).toContain('"c"')
    const narrow = vault.source(ada, { scopes: ['a'] })
    await narrow.token()
    expect(await failure(() => vault.source(ada, { scopes: ['c'] }).token())).toMatchObject({
      code: 'missing_scope',
    })
  })

  it('whose provider never reports scopes is taken to have them; offline_access and renamed ones too', async () => {
    const vault = await open()
    await vault.save(ada, granted([]))
    await vault.token(ada, { scopes: ['a'] })
    await vault.save(ada, granted(['a', 'https://www.googleapis.com/auth/userinfo.email']))
    await vault.token(ada, { scopes: ['a', 'email', 'offline_access'] })
    expect(await failure(() => vault.token(ada, { scopes: ['constructor'] }))).toMatchObject({
      code: 'missing_scope',
    })
  })

  it('in its last minutes is returned, and renewed behind the back of the caller', async () => {
    const vault = await open()
    const tokens = granted()
    await vault.save(ada, tokens)
    pass(3299)
    await vault.token(ada)
    expect(server.counts.requests.refresh).toBe(0)
    pass(1)
    expect((await vault.token(ada)).accessToken).toBe(tokens.accessToken)
    await until(() => eventTypes().includes('refreshed'))
    const renewed = await vault.token(ada)
    expect(renewed.accessToken).not.toBe(tokens.accessToken)
    expect(renewed.expiresAt).toEqual(new Date(now + 3_600_000))
    expect(server.counts).toMatchObject({ refreshes: 1, reuseViolations: 0 })
    expect(await vault.connection(ada)).toMatchObject({ generation: 2, expiresAt: renewed.expiresAt })
  })

  it.each([
    ['rotated', { rotation: true }],
    ['omitted by the provider', { rotation: false, omitRefreshToken: true }],
    ['repeated by the provider', { rotation: false, omitRefreshToken: false }],
  ])(
    'that expired is renewed again and again with a refresh token that is %s (P40, P43)',
    async (_name, behaviour) => {
      server.configure(behaviour)
      const vault = await open({ url: newUrl(), key: generateKey(), env: { NODE_ENV: 'production' } })
      await vault.save(ada, granted())
      const seen = new Set<string>()
      for (let turn = 0; turn < 3; turn++) {
        pass(3601)
        const tokens = await vault.token(ada)
        expect(server.isActive(tokens.accessToken)).toBe(true)
        expect(tokens.scopes).toEqual(['a', 'b'])
        seen.add(tokens.accessToken)
      }
      expect(seen.size).toBe(3)
      expect(server.counts).toMatchObject({ refreshes: 3, reuseViolations: 0 })
    },
  )

  it.each(['memory:', 'sqlite'])(
    'that expired costs a hundred callers one refresh, and none of them fails (%s)',
    async (kind) => {
      server.configure({ latencyMs: { refresh: 100 } })
      const vault = await open(kind === 'sqlite' ? { url: newUrl(), key: generateKey() } : {})
      await vault.save(ada, granted())
      pass(3601)
      const source = vault.source(ada)
      const served = await Promise.all([
        ...Array.from({ length: 50 }, () => vault.token(ada)),
        ...Array.from({ length: 50 }, () => source.token()),
      ])
      expect(new Set(served.map(({ accessToken }) => accessToken)).size).toBe(1)
      expect(server.counts).toMatchObject({ refreshes: 1, reuseViolations: 0 })
      expect(server.counts.requests.refresh).toBe(1)
    },
  )

  it('that expired costs four vaults on one file one refresh', async () => {
    server.configure({ latencyMs: { refresh: 100 } })
    const [url, key] = [newUrl(), generateKey()]
    const four = await Promise.all(Array.from({ length: 4 }, () => open({ url, key })))
    await four[0]?.save(ada, granted())
    pass(3601)
    const served = await Promise.all(
      four.flatMap((vault) => Array.from({ length: 25 }, () => vault.token(ada))),
    )
    expect(new Set(served.map(({ accessToken }) => accessToken)).size).toBe(1)
    expect(server.counts.requests.refresh).toBe(1)
    expect(server.counts.reuseViolations).toBe(0)
    expect(eventTypes()).toEqual(['connected', 'refreshed'])
  })

  it('that an API rejected is renewed, once for a hundred callers', async () => {
    const vault = await open()
    const tokens = granted()
    await vault.save(ada, tokens)
    const source = vault.source(ada)
    await source.token()
    const request = { rejected: tokens.accessToken }
    const served = await Promise.all([
      ...Array.from({ length: 50 }, () => vault.token(ada, request)),
      ...Array.from({ length: 50 }, () => source.token(request)),
    ])
    expect(new Set(served.map(({ accessToken }) => accessToken)).size).toBe(1)
    expect(served[0]?.accessToken).not.toBe(tokens.accessToken)
    expect((await vault.token(ada, request)).accessToken).toBe(served[0]?.accessToken)
    expect((await source.token(request)).accessToken).toBe(served[0]?.accessToken)
    expect(server.counts.refreshes).toBe(1)
  })

  it('that an API rejected after another process renewed it is read again, not renewed', async () => {
    const [url, key] = [newUrl(), generateKey()]
    const [one, two] = [await open({ url, key }), await open({ url, key })]
    const tokens = granted()
    await one.save(ada, tokens)
    const source = two.source(ada)
    await source.token()
    const renewed = await one.token(ada, { rejected: tokens.accessToken })
    expect((await source.token({ rejected: tokens.accessToken })).accessToken).toBe(renewed.accessToken)
    expect(server.counts.refreshes).toBe(1)
  })

  it('without an end is served for ever, and renewed when it is rejected', async () => {
    server.configure({ accessTokenSeconds: null })
    const vault = await open()
    const tokens = granted()
    await vault.save(ada, tokens)
    pass(1e9)
    expect((await vault.token(ada)).accessToken).toBe(tokens.accessToken)
    expect(await vault.connection(ada)).toMatchObject({ expiresAt: null, status: 'active' })
    const renewed = await vault.token(ada, { rejected: tokens.accessToken })
    expect(renewed.accessToken).not.toBe(tokens.accessToken)
  })

  it('that must last longer than it does is renewed, but not at every call', async () => {
    const vault = await open()
    const tokens = granted()
    await vault.save(ada, tokens)
    expect((await vault.token(ada, { validForSeconds: 2800 })).accessToken).toBe(tokens.accessToken)
    pass(1000)
    const renewed = await vault.token(ada, { validForSeconds: 2800 })
    expect(renewed.accessToken).not.toBe(tokens.accessToken)
    for (let call = 0; call < 5; call++) await vault.token(ada, { validForSeconds: 100_000 })
    for (let call = 0; call < 5; call++) await vault.source(ada).token({ validForSeconds: 2000 })
    expect(server.counts.refreshes).toBe(1)
  })

  it('without a refresh token is served to its end, then asks for consent and says why', async () => {
    server.configure({ refreshTokens: 'never' })
    const vault = await open()
    const tokens = granted()
    await vault.save(ada, tokens)
    pass(3599)
    expect((await vault.token(ada, { validForSeconds: 60 })).accessToken).toBe(tokens.accessToken)
    const rejected = await failure(() => vault.token(ada, { rejected: tokens.accessToken }))
    expect(rejected).toMatchObject({ code: 'needs_reconnect' })
    pass(1)
    const error = await failure(() => vault.token(ada, { scopes: ['a'] }))
    expect(error).toMatchObject({ code: 'needs_reconnect', scopes: ['a', 'b'] })
    expect(error.message).toContain('no refresh token')
    expect(await vault.connection(ada)).toMatchObject({ status: 'needs_reconnect', reason: 'expired' })
    expect(server.counts.requests.refresh).toBe(0)
  })

  it('P42 whose grant was revoked asks for consent: one probe, one event, nothing deleted', async () => {
    const vault = await open()
    await vault.save(ada, granted())
    server.revokeGrants()
    pass(3601)
    const reconnect = { name: 'AuthorizationRequiredError', code: 'needs_reconnect', scopes: ['a', 'b'] }
    for (let call = 0; call < 3; call++)
      expect(await failure(() => vault.token(ada, { scopes: ['a'] }))).toMatchObject(reconnect)
    expect(await failure(() => vault.token(ada, { scopes: ['c'] }))).toMatchObject({
      scopes: ['a', 'b', 'c'],
    })
    expect(server.counts.requests.refresh).toBe(1)
    expect(eventTypes()).toEqual(['connected', 'needs_reconnect'])
    expect(await vault.connection(ada)).toMatchObject({ status: 'needs_reconnect', reason: 'refused' })
    await vault.save(ada, granted())
    expect(await vault.connection(ada)).toMatchObject({ status: 'active' })
    await vault.token(ada)
  })

  it('that is still valid is served through an outage, and only then P41 RefreshFailedError', async () => {
    const sleep = async (ms: number) => {
      await new Promise((resolve) => setTimeout(resolve, ms / 100))
      now += ms
    }
    const vault = await open({ random: () => 1, sleep })
    const tokens = granted()
    await vault.save(ada, tokens)
    server.script('refresh', Array(10).fill({ status: 503, body: '<h1>maintenance</h1>' }))
    pass(3400)
    for (let call = 0; call < 20; call++) {
      expect((await vault.token(ada)).accessToken).toBe(tokens.accessToken)
      expect((await vault.token(ada, { validForSeconds: 1000 })).accessToken).toBe(tokens.accessToken)
    }
    expect(server.counts.requests.refresh).toBeLessThanOrEqual(3)
    expect(await vault.connection(ada)).toMatchObject({ status: 'active', reason: 'provider_unavailable' })
    pass(200)
    const error = await failure(() => vault.token(ada))
    expect(error).toMatchObject({ name: 'RefreshFailedError', retryable: true })
    server.clearScript()
    pass(3600)
    expect((await vault.token(ada)).accessToken).not.toBe(tokens.accessToken)
    expect(server.counts.reuseViolations).toBe(0)
  })

  it('that a provider grants fewer scopes for says which are missing', async () => {
    const vault = await open()
    await vault.save(ada, granted(['a', 'b']))
    server.configure({ tokenAnswer: { extra: { scope: 'a' } } })
    pass(3601)
    expect(await failure(() => vault.token(ada, { scopes: ['b'] }))).toMatchObject({ code: 'missing_scope' })
    expect(await vault.connection(ada)).toMatchObject({ scopes: ['a'], generation: 2 })
    expect(eventTypes()).toEqual(['connected', 'refreshed', 'scope_changed'])
  })

  it('is not waited for by a caller who gave up, and the refresh goes on', async () => {
    server.configure({ latencyMs: { refresh: 80 } })
    const vault = await open()
    await vault.save(ada, granted())
    pass(3601)
    const stop = new AbortController()
    const impatient = failure(() => vault.token(ada, { signal: stop.signal }))
    const patient = vault.token(ada)
    await until(() => server.counts.requests.refresh === 1)
    stop.abort(new Error('enough'))
    expect(await impatient).toMatchObject({ message: 'enough' })
    expect(server.isActive((await patient).accessToken)).toBe(true)
    expect(await failure(() => vault.token(ada, { signal: stop.signal }))).toMatchObject({
      message: 'enough',
    })
    expect(server.counts.refreshes).toBe(1)
  })

  it('for want of our registration is an error for the operator', async () => {
    const vault = await open({ clients: {} })
    await vault.save(ada, granted())
    expect((await vault.token(ada)).refreshToken).toBeDefined()
    pass(3601)
    expect(await failure(() => vault.token(ada))).toMatchObject({
      name: 'ConfigurationError',
      code: 'client_missing',
    })
    expect(await vault.connection(ada)).toMatchObject({ status: 'active' })
  })
})

describe('a source', () => {
  it('serves a live token without store and crypto, and asks the store again after a minute', async () => {
    const [url, key] = [newUrl(), generateKey()]
    const [vault, elsewhere] = [await open({ url, key }), await open({ url, key })]
    await vault.save(ada, granted())
    const source = vault.source(ada)
    const first = source.token()
    expect(first).toBeInstanceOf(TokenSet)
    await elsewhere.disconnect(ada)
    pass(59)
    expect(source.token()).toBe(first)
    pass(1)
    expect(await failure(() => source.token())).toMatchObject({ code: 'not_connected' })
  })

  it('follows what happens in its own vault at once', async () => {
    const vault = await open()
    await vault.save(ada, granted())
    const source = vault.source(ada)
    await source.token()
    const again = granted()
    await vault.save(ada, again)
    expect((await source.token()).accessToken).toBe(again.accessToken)
    await vault.save({ ...ada, account: 'work' }, granted())
    expect((await source.token()).accessToken).toBe(again.accessToken)
    await vault.disconnect({ ...ada, account: 'default' })
    expect((await source.token()).accessToken).not.toBe(again.accessToken)
  })

  it('holds a bounded number of live tokens', async () => {
    const vault = await open({ cacheSize: 2 })
    for (const user of ['u1', 'u2', 'u3']) await vault.save({ ...ada, user }, granted())
    const sources = ['u1', 'u2', 'u3'].map((user) => vault.source({ ...ada, user }))
    const first = sources.map((source) => source.token())
    expect(sources[2]?.token()).toBe(first[2])
    expect(sources[0]?.token()).not.toBe(first[0])
    expect(sources[0]?.token()).toEqual(first[0])
  })

  it('P46 serves a session that meets a 401', async () => {
    const vault = await open()
    const provider = defineProvider(server.provider({ issuer: undefined }))
    await vault.save(ada, granted())
    const session = new Session(vault.source(ada), { provider })
    server.expireAccessTokens()
    const answers = await Promise.all(Array.from({ length: 20 }, () => session.fetch('/notes')))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(server.counts).toMatchObject({ refreshes: 1, reuseViolations: 0 })
  })
})

describe('disconnecting', () => {
  it('P54 revokes at the provider and deletes', async () => {
    const vault = await open()
    const tokens = granted()
    const connection = await vault.save(ada, tokens)
    const result = await vault.disconnect(ada)
    expect(result).toEqual({
      revoked: true,
      connection: { ...connection, status: 'revoked', reason: 'disconnecting' },
    })
    expect(server.isActive(tokens.accessToken)).toBe(false)
    expect(server.isActive(tokens.refreshToken ?? '')).toBe(false)
    expect(await vault.connections()).toEqual([])
    expect(await failure(() => vault.token(ada))).toMatchObject({ code: 'not_connected' })
    expect(await failure(() => vault.disconnect(ada))).toMatchObject({ code: 'not_connected' })
    expect(eventTypes()).toEqual(['connected', 'revoked'])
  })

  it.each([
    ['has no revocation endpoint', { revocationUrl: undefined }, 'no revocation endpoint'],
    ['cannot be reached', { revocationUrl: 'http://127.0.0.1:9/revoke' }, 'could not be told'],
  ])('P54 deletes although the provider %s, and says so', async (_name, overrides, why) => {
    const provider = defineProvider(server.provider({ issuer: undefined, ...overrides }))
    const vault = await open({ clients: { simulated: { ...server.client(), provider } } })
    await vault.save(ada, granted())
    const result = await vault.disconnect(ada)
    expect(result.revoked).toBe(false)
    expect(result.why).toContain(why)
    expect(await vault.connections()).toEqual([])
  })

  it('deletes although our registration is gone', async () => {
    const vault = await open({ clients: {} })
    await vault.save(ada, granted())
    expect(await vault.disconnect(ada)).toMatchObject({ revoked: false })
    expect(await vault.connections()).toEqual([])
  })

  it('does not wait for a silent provider longer than it was told', async () => {
    server.script('revocation', [{ hang: true }])
    const vault = await open()
    await vault.save(ada, granted())
    const result = await vault.disconnect(ada, { timeoutMs: 50 })
    expect(result).toMatchObject({ revoked: false })
    expect(result.why).toContain('50 ms')
    expect(await vault.connections()).toEqual([])
  })

  it('revokes an access token that has no refresh token', async () => {
    server.configure({ refreshTokens: 'never' })
    const vault = await open()
    const tokens = granted()
    await vault.save(ada, tokens)
    expect(await vault.disconnect(ada)).toMatchObject({ revoked: true })
    expect(server.isActive(tokens.accessToken)).toBe(false)
  })

  it('renews an ended access token first where only a live one can end the grant', async () => {
    server.configure({ revocationFormat: 'bearer' })
    const vault = await open()
    const tokens = granted()
    await vault.save(ada, tokens)
    pass(3601)
    expect(await vault.disconnect(ada)).toMatchObject({ revoked: true })
    expect(server.consents().every(({ revoked }) => revoked !== undefined)).toBe(true)
  })

  it('cannot be undone by a refresh that is under way, and its tokens are revoked too', async () => {
    server.configure({ latencyMs: { refresh: 80 }, reuseRevokesGrant: false })
    const vault = await open()
    await vault.save(ada, granted())
    pass(3601)
    const refreshed = failure(() => vault.token(ada))
    await until(() => server.counts.requests.refresh === 1)
    await vault.disconnect(ada)
    expect(await refreshed).toMatchObject({ code: 'not_connected' })
    expect(await vault.connections()).toEqual([])
    expect(server.consents().every(({ revoked }) => revoked !== undefined)).toBe(true)
  })
})

describe('authorizations under way', () => {
  async function begin(vault: Vault, user?: string) {
    const { provider, client } = await vault.registration('simulated')
    const redirectUri = 'https://app.example/callback'
    const options = { redirectUri, scopes: ['a'], now: () => now, account: 'work' }
    const { url, pending } = await authorizationUrl(provider, client, {
      ...options,
      ...(user ? { user } : {}),
    })
    await vault.putPending(pending)
    return { pending, callback: await server.consent(url) }
  }

  it('P53 are finished by another process on the same store', async () => {
    const [url, key] = [newUrl(), generateKey()]
    const [one, two] = [await open({ url, key }), await open({ url, key })]
    const { callback } = await begin(one, 'ada')
    const connection = await two.finish(callback)
    expect(connection).toMatchObject({ user: 'ada', account: 'work', scopes: ['a'], status: 'active' })
    expect(server.isActive((await one.token(ada)).accessToken)).toBe(true)
  })

  it('are finished once', async () => {
    const vault = await open()
    const { callback } = await begin(vault, 'ada')
    await vault.finish(callback)
    expect(await failure(() => vault.finish(callback))).toMatchObject({
      name: 'CallbackError',
      code: 'authorization_expired',
    })
    expect(server.counts.requests.token).toBe(1)
  })

  it('P49 are over at their end', async () => {
    const vault = await open()
    const { pending, callback } = await begin(vault, 'ada')
    now = pending.expiresAt
    expect(await failure(() => vault.finish(callback))).toMatchObject({ code: 'authorization_expired' })
    expect(await vault.takePending(pending.state)).toBeUndefined()
  })

  it('need a state that is known, and a user', async () => {
    const vault = await open()
    expect(await failure(() => vault.finish('https://app.example/callback?code=x'))).toMatchObject({
      code: 'state_missing',
    })
    const { callback } = await begin(vault)
    expect(await failure(() => vault.finish(callback))).toMatchObject({ code: 'invalid_argument' })
    expect(server.counts.requests.token).toBe(0)
  })

  it('come back as they were put, once', async () => {
    const vault = await open({ url: newUrl(), key: generateKey() })
    const { pending } = await begin(vault, 'ada')
    expect(await vault.takePending('another state')).toBeUndefined()
    expect(await vault.takePending(pending.state)).toEqual(pending)
    expect(await vault.takePending(pending.state)).toBeUndefined()
  })
})

describe('opening', () => {
  it('P51 two stores in memory share nothing', async () => {
    const [one, two] = [await open(), await open()]
    await one.save(ada, granted())
    expect(await two.connections()).toEqual([])
  })

  it('finds file and key by the environment', async () => {
    const data = join(folder, `${++files}`)
    const env = { TOOLGRANT_DATA: data, TOOLGRANT_KEY: generateKey() }
    const one = await Vault.open({ env, clients: {} })
    await one.save(ada, granted())
    await one.close()
    expect(readdirSync(data)).toEqual(['vault.db'])
    const two = await Vault.open({ env: { ...env, TOOLGRANT_VAULT: join(data, 'vault.db') }, clients: {} })
    expect(await two.connections()).toHaveLength(1)
    await two.close()
  })

  it('refuses a store that another key sealed, and changes nothing', async () => {
    const [url, key] = [newUrl(), generateKey()]
    const one = await open({ url, key })
    await one.save(ada, granted())
    await one.close()
    const error = await failure(() => open({ url, key: generateKey() }))
    expect(error).toMatchObject({ name: 'KeyError', code: 'key_wrong' })
    expect(error.message).toContain('vault.db')
    const again = await open({ url, key })
    expect(await again.connections()).toHaveLength(1)
  })

  it('refuses what this version does not open', async () => {
    const error = await failure(() => open({ url: 'postgres://ada:canary@db/vault' }))
    expect(error).toMatchObject({ name: 'ConfigurationError', code: 'config_invalid' })
    expect(inspect(error)).not.toContain('canary')
  })

  it.each([{ tenant: '' }, { earlySeconds: -1 }, { leaseMs: Number.NaN }, { cacheSize: -1 }])(
    'refuses %j',
    async (options) => {
      expect(await failure(() => open(options))).toMatchObject({ code: 'invalid_argument' })
    },
  )
})

describe('closing', () => {
  it('waits for a refresh that is under way, so that its answer is saved', async () => {
    server.configure({ latencyMs: { refresh: 80 } })
    const [url, key] = [newUrl(), generateKey()]
    const vault = await open({ url, key })
    await vault.save(ada, granted())
    pass(3400)
    await vault.token(ada)
    await until(() => server.counts.requests.refresh === 1)
    await vault.close()
    const again = await open({ url, key })
    expect(await again.connection(ada)).toMatchObject({ generation: 2 })
    expect(server.isActive((await again.token(ada)).accessToken)).toBe(true)
  })

  it('leaves nothing usable, twice', async () => {
    const vault = await open()
    await vault.save(ada, granted())
    const source = vault.source(ada)
    await source.token()
    await vault.close()
    await vault[Symbol.asyncDispose]()
    for (const run of [
      () => vault.token(ada),
      () => source.token(),
      () => vault.connections(),
      () => vault.save(ada, granted()),
      () => vault.takePending('state'),
    ])
      expect(await failure(run)).toMatchObject({ name: 'StoreError', code: 'closed' })
  })

  it('is not disturbed by a listener that throws', async () => {
    const vault = await open({
      onEvent: () => {
        throw new Error('listener')
      },
    })
    await vault.save(ada, granted())
    const rejecting = await open({ onEvent: async () => Promise.reject(new Error('listener')) })
    await rejecting.save(ada, granted())
  })
})

it('P50 P59 no secret is in a message, an inspection, an event or the store file', async () => {
  const [url, key] = [newUrl(), generateKey()]
  const vault = await open({ url, key })
  const shown: unknown[] = [vault, vault.source(ada)]
  const { provider, client } = await vault.registration('simulated')
  const redirectUri = 'https://app.example/callback'
  const { pending } = await authorizationUrl(provider, client, { redirectUri, user: 'ada' })
  await vault.putPending(pending)
  shown.push(await vault.save(ada, granted()), await vault.save({ ...ada, account: 'work' }, granted()))
  pass(3601)
  shown.push(await vault.token({ ...ada, account: 'work' }))
  server.script('refresh', [{ error: 'invalid_client' }])
  shown.push(await failure(() => vault.token({ ...ada, account: 'default' })))
  server.revokeGrants()
  pass(3601)
  shown.push(await failure(() => vault.token({ ...ada, account: 'work' })))
  shown.push(await failure(() => vault.token(ada, { scopes: ['c'] })))
  shown.push(await vault.disconnect({ ...ada, account: 'work' }), await vault.connections(), events)
  const text = shown
    .map((value) => inspect(value, { depth: 12, showHidden: true }) + JSON.stringify(value))
    .join('\n')
  const path = url.slice('sqlite:'.length)
  const bytes = Buffer.concat(
    readdirSync(join(path, '..')).map((file) => readFileSync(join(path, '..', file))),
  )
  expect(bytes.length).toBeGreaterThan(4096)
  const secrets = [...server.issuedSecrets(), key, pending.state, pending.codeVerifier ?? '']
  expect(secrets.length).toBeGreaterThan(6)
  for (const secret of secrets) {
    expect(text.includes(secret)).toBe(false)
    expect(bytes.includes(secret)).toBe(false)
  }
})

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 2000; !condition(); ) {
    if (Date.now() > end) throw new Error('it did not happen')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
