// Tokens out of the vault: fresh, early, expired, rejected, dead, ended; by token and by source.
import { describe, expect, it } from 'vitest'
import { ada, failure, until, vaultFixture } from '../../test/vault/fixture.ts'
import { Session, TokenSet } from '../oauth/index.ts'
import { generateKey } from '../seal.ts'

const world = vaultFixture()

describe('a token', () => {
  it('that is fresh is returned as it is, by token and by source', async () => {
    const vault = await world.open()
    const tokens = world.granted()
    await vault.save(ada, tokens)
    expect(await vault.token(ada)).toEqual(tokens)
    expect(await vault.source(ada).token()).toEqual(tokens)
    expect(world.server.counts.requests.refresh).toBe(0)
  })

  it('of nobody asks for consent, with the scopes needed', async () => {
    const vault = await world.open()
    const error = await failure(() => vault.token(ada, { scopes: ['a'] }))
    expect(error).toMatchObject({ name: 'AuthorizationRequiredError', code: 'not_connected', scopes: ['a'] })
    expect(await failure(() => vault.source(ada, { scopes: ['a'] }).token())).toMatchObject({ scopes: ['a'] })
  })

  it('without the scopes needed asks for the union', async () => {
    const vault = await world.open()
    await vault.save(ada, world.granted(['a', 'b']))
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
    const vault = await world.open()
    await vault.save(ada, world.granted([]))
    await vault.token(ada, { scopes: ['a'] })
    await vault.save(ada, world.granted(['a', 'https://www.googleapis.com/auth/userinfo.email']))
    await vault.token(ada, { scopes: ['a', 'email', 'offline_access'] })
    expect(await failure(() => vault.token(ada, { scopes: ['constructor'] }))).toMatchObject({
      code: 'missing_scope',
    })
  })

  it('in its last minutes is returned, and renewed behind the back of the caller', async () => {
    const vault = await world.open()
    const tokens = world.granted()
    await vault.save(ada, tokens)
    world.pass(3299)
    await vault.token(ada)
    expect(world.server.counts.requests.refresh).toBe(0)
    world.pass(1)
    expect((await vault.token(ada)).accessToken).toBe(tokens.accessToken)
    await until(() => world.eventTypes.includes('refreshed'))
    const renewed = await vault.token(ada)
    expect(renewed.accessToken).not.toBe(tokens.accessToken)
    expect(renewed.expiresAt).toEqual(new Date(world.now + 3_600_000))
    expect(world.server.counts).toMatchObject({ refreshes: 1, reuseViolations: 0 })
    expect(await vault.connection(ada)).toMatchObject({ generation: 2, expiresAt: renewed.expiresAt })
  })

  it.each([
    ['rotated', { rotation: true }],
    ['omitted by the provider', { rotation: false, omitRefreshToken: true }],
    ['repeated by the provider', { rotation: false, omitRefreshToken: false }],
  ])(
    'that expired is renewed again and again with a refresh token that is %s (P40, P43)',
    async (_name, behaviour) => {
      world.server.configure(behaviour)
      const vault = await world.open({
        url: world.newUrl(),
        key: generateKey(),
        env: { NODE_ENV: 'production' },
      })
      await vault.save(ada, world.granted())
      const seen = new Set<string>()
      for (let turn = 0; turn < 3; turn++) {
        world.pass(3601)
        const tokens = await vault.token(ada)
        expect(world.server.isActive(tokens.accessToken)).toBe(true)
        expect(tokens.scopes).toEqual(['a', 'b'])
        seen.add(tokens.accessToken)
      }
      expect(seen.size).toBe(3)
      expect(world.server.counts).toMatchObject({ refreshes: 3, reuseViolations: 0 })
    },
  )

  it.each(['memory:', 'sqlite'])(
    'that expired costs a hundred callers one refresh, and none of them fails (%s)',
    async (kind) => {
      world.server.configure({ latencyMs: { refresh: 100 } })
      const vault = await world.open(kind === 'sqlite' ? { url: world.newUrl(), key: generateKey() } : {})
      await vault.save(ada, world.granted())
      world.pass(3601)
      const source = vault.source(ada)
      const served = await Promise.all([
        ...Array.from({ length: 50 }, () => vault.token(ada)),
        ...Array.from({ length: 50 }, () => source.token()),
      ])
      expect(new Set(served.map(({ accessToken }) => accessToken)).size).toBe(1)
      expect(world.server.counts).toMatchObject({ refreshes: 1, reuseViolations: 0 })
      expect(world.server.counts.requests.refresh).toBe(1)
    },
  )

  it('that expired costs four vaults on one file one refresh', async () => {
    world.server.configure({ latencyMs: { refresh: 100 } })
    const [url, key] = [world.newUrl(), generateKey()]
    const four = await Promise.all(Array.from({ length: 4 }, () => world.open({ url, key })))
    await four[0]?.save(ada, world.granted())
    world.pass(3601)
    const served = await Promise.all(
      four.flatMap((vault) => Array.from({ length: 25 }, () => vault.token(ada))),
    )
    expect(new Set(served.map(({ accessToken }) => accessToken)).size).toBe(1)
    expect(world.server.counts.requests.refresh).toBe(1)
    expect(world.server.counts.reuseViolations).toBe(0)
    expect(world.eventTypes).toEqual(['connected', 'refreshed'])
  })

  it('that an API rejected is renewed, once for a hundred callers', async () => {
    const vault = await world.open()
    const tokens = world.granted()
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
    expect(world.server.counts.refreshes).toBe(1)
  })

  it('that an API rejected after another process renewed it is read again, not renewed', async () => {
    const [url, key] = [world.newUrl(), generateKey()]
    const [one, two] = [await world.open({ url, key }), await world.open({ url, key })]
    const tokens = world.granted()
    await one.save(ada, tokens)
    const source = two.source(ada)
    await source.token()
    const renewed = await one.token(ada, { rejected: tokens.accessToken })
    expect((await source.token({ rejected: tokens.accessToken })).accessToken).toBe(renewed.accessToken)
    expect(world.server.counts.refreshes).toBe(1)
  })

  it('without an end is served for ever, and renewed when it is rejected', async () => {
    world.server.configure({ accessTokenSeconds: null })
    const vault = await world.open()
    const tokens = world.granted()
    await vault.save(ada, tokens)
    world.pass(1e9)
    expect((await vault.token(ada)).accessToken).toBe(tokens.accessToken)
    expect(await vault.connection(ada)).toMatchObject({ expiresAt: null, status: 'active' })
    const renewed = await vault.token(ada, { rejected: tokens.accessToken })
    expect(renewed.accessToken).not.toBe(tokens.accessToken)
  })

  it('that must last longer than it does is renewed, but not at every call', async () => {
    const vault = await world.open()
    const tokens = world.granted()
    await vault.save(ada, tokens)
    expect((await vault.token(ada, { validForSeconds: 2800 })).accessToken).toBe(tokens.accessToken)
    world.pass(1000)
    const renewed = await vault.token(ada, { validForSeconds: 2800 })
    expect(renewed.accessToken).not.toBe(tokens.accessToken)
    for (let call = 0; call < 5; call++) await vault.token(ada, { validForSeconds: 100_000 })
    for (let call = 0; call < 5; call++) await vault.source(ada).token({ validForSeconds: 2000 })
    expect(world.server.counts.refreshes).toBe(1)
  })

  it('without a refresh token is served to its end, then asks for consent and says why', async () => {
    world.server.configure({ refreshTokens: 'never' })
    const vault = await world.open()
    const tokens = world.granted()
    await vault.save(ada, tokens)
    world.pass(3599)
    expect((await vault.token(ada, { validForSeconds: 60 })).accessToken).toBe(tokens.accessToken)
    const rejected = await failure(() => vault.token(ada, { rejected: tokens.accessToken }))
    expect(rejected).toMatchObject({ code: 'needs_reconnect' })
    world.pass(1)
    const error = await failure(() => vault.token(ada, { scopes: ['a'] }))
    expect(error).toMatchObject({ code: 'needs_reconnect', scopes: ['a', 'b'] })
    expect(error.message).toContain('no refresh token')
    expect(await vault.connection(ada)).toMatchObject({ status: 'needs_reconnect', reason: 'expired' })
    expect(world.server.counts.requests.refresh).toBe(0)
  })

  it('P42 whose grant was revoked asks for consent: one probe, one event, nothing deleted', async () => {
    const vault = await world.open()
    await vault.save(ada, world.granted())
    world.server.revokeGrants()
    world.pass(3601)
    const reconnect = { name: 'AuthorizationRequiredError', code: 'needs_reconnect', scopes: ['a', 'b'] }
    for (let call = 0; call < 3; call++)
      expect(await failure(() => vault.token(ada, { scopes: ['a'] }))).toMatchObject(reconnect)
    expect(await failure(() => vault.token(ada, { scopes: ['c'] }))).toMatchObject({
      scopes: ['a', 'b', 'c'],
    })
    expect(world.server.counts.requests.refresh).toBe(1)
    expect(world.eventTypes).toEqual(['connected', 'needs_reconnect'])
    expect(await vault.connection(ada)).toMatchObject({ status: 'needs_reconnect', reason: 'refused' })
    await vault.save(ada, world.granted())
    expect(await vault.connection(ada)).toMatchObject({ status: 'active' })
    await vault.token(ada)
  })

  it('that is still valid is served through an outage, and only then P41 RefreshFailedError', async () => {
    const sleep = async (ms: number) => {
      await new Promise((resolve) => setTimeout(resolve, ms / 100))
      world.now += ms
    }
    const vault = await world.open({ random: () => 1, sleep })
    const tokens = world.granted()
    await vault.save(ada, tokens)
    world.server.script('refresh', Array(10).fill({ status: 503, body: '<h1>maintenance</h1>' }))
    world.pass(3400)
    for (let call = 0; call < 20; call++) {
      expect((await vault.token(ada)).accessToken).toBe(tokens.accessToken)
      expect((await vault.token(ada, { validForSeconds: 1000 })).accessToken).toBe(tokens.accessToken)
    }
    expect(world.server.counts.requests.refresh).toBeLessThanOrEqual(3)
    expect(await vault.connection(ada)).toMatchObject({ status: 'active', reason: 'provider_unavailable' })
    world.pass(200)
    const error = await failure(() => vault.token(ada))
    expect(error).toMatchObject({ name: 'RefreshFailedError', retryable: true })
    world.server.clearScript()
    world.pass(3600)
    expect((await vault.token(ada)).accessToken).not.toBe(tokens.accessToken)
    expect(world.server.counts.reuseViolations).toBe(0)
  })

  it('that ended while its renewal was waited for is not served', async () => {
    const sleep = async (ms: number) => {
      await new Promise((resolve) => setTimeout(resolve, ms / 100))
      world.now += ms
    }
    const vault = await world.open({ random: () => 1, sleep })
    await vault.save(ada, world.granted())
    world.server.script('refresh', Array(10).fill({ status: 503 }))
    world.pass(3599)
    const error = await failure(() => vault.token(ada, { validForSeconds: 60 }))
    expect(error).toMatchObject({ name: 'RefreshFailedError', retryable: true })
  })

  it('that a provider grants fewer scopes for says which are missing', async () => {
    const vault = await world.open()
    await vault.save(ada, world.granted(['a', 'b']))
    world.server.configure({ tokenAnswer: { extra: { scope: 'a' } } })
    world.pass(3601)
    expect(await failure(() => vault.token(ada, { scopes: ['b'] }))).toMatchObject({ code: 'missing_scope' })
    expect(await vault.connection(ada)).toMatchObject({ scopes: ['a'], generation: 2 })
    expect(world.eventTypes).toEqual(['connected', 'refreshed', 'scope_changed'])
  })

  it('is not waited for by a caller who gave up, and the refresh goes on', async () => {
    world.server.configure({ latencyMs: { refresh: 80 } })
    const vault = await world.open()
    await vault.save(ada, world.granted())
    world.pass(3601)
    const stop = new AbortController()
    const impatient = failure(() => vault.token(ada, { signal: stop.signal }))
    const patient = vault.token(ada)
    await until(() => world.server.counts.requests.refresh === 1)
    stop.abort(new Error('enough'))
    expect(await impatient).toMatchObject({ message: 'enough' })
    expect(world.server.isActive((await patient).accessToken)).toBe(true)
    expect(await failure(() => vault.token(ada, { signal: stop.signal }))).toMatchObject({
      message: 'enough',
    })
    expect(world.server.counts.refreshes).toBe(1)
  })

  it('for want of our registration is an error for the operator', async () => {
    const vault = await world.open({ clients: {} })
    await vault.save(ada, world.granted())
    expect((await vault.token(ada)).refreshToken).toBeDefined()
    world.pass(3601)
    expect(await failure(() => vault.token(ada))).toMatchObject({
      name: 'ConfigurationError',
      code: 'client_missing',
    })
    expect(await vault.connection(ada)).toMatchObject({ status: 'active' })
  })
})

describe('a source', () => {
  it('serves a live token without store and crypto, and asks the store again after a minute', async () => {
    const [url, key] = [world.newUrl(), generateKey()]
    const [vault, elsewhere] = [await world.open({ url, key }), await world.open({ url, key })]
    await vault.save(ada, world.granted())
    const source = vault.source(ada)
    const first = source.token()
    expect(first).toBeInstanceOf(TokenSet)
    await elsewhere.disconnect(ada)
    world.pass(59)
    expect(source.token()).toBe(first)
    world.pass(1)
    expect(await failure(() => source.token())).toMatchObject({ code: 'not_connected' })
  })

  it('asks the store again when the clock has gone back', async () => {
    const [url, key] = [world.newUrl(), generateKey()]
    const [vault, elsewhere] = [await world.open({ url, key }), await world.open({ url, key })]
    await vault.save(ada, world.granted())
    const source = vault.source(ada)
    await source.token()
    await elsewhere.disconnect(ada)
    world.pass(-3600)
    expect(await failure(() => source.token())).toMatchObject({ code: 'not_connected' })
  })

  it('follows what happens in its own vault at once', async () => {
    const vault = await world.open()
    await vault.save(ada, world.granted())
    const source = vault.source(ada)
    await source.token()
    const again = world.granted()
    await vault.save(ada, again)
    expect((await source.token()).accessToken).toBe(again.accessToken)
    await vault.save({ ...ada, account: 'work' }, world.granted())
    expect((await source.token()).accessToken).toBe(again.accessToken)
    await vault.disconnect({ ...ada, account: 'default' })
    expect((await source.token()).accessToken).not.toBe(again.accessToken)
  })

  it('holds a bounded number of live tokens', async () => {
    const vault = await world.open({ cacheSize: 2 })
    // Two live ones, and twice as many that were opened: of seven, the first is in neither.
    const users = ['u1', 'u2', 'u3', 'u4', 'u5', 'u6', 'u7']
    for (const user of users) await vault.save({ ...ada, user }, world.granted())
    const sources = users.map((user) => vault.source({ ...ada, user }))
    const first = sources.map((source) => source.token())
    expect(sources[6]?.token()).toBe(first[6])
    expect(sources[0]?.token()).not.toBe(first[0])
    expect(sources[0]?.token()).toEqual(first[0])
  })

  it('P46 serves a session that meets a 401', async () => {
    const vault = await world.open()
    const provider = world.provider()
    await vault.save(ada, world.granted())
    const session = new Session(vault.source(ada), { provider })
    world.server.expireAccessTokens()
    const answers = await Promise.all(Array.from({ length: 20 }, () => session.fetch('/notes')))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(world.server.counts).toMatchObject({ refreshes: 1, reuseViolations: 0 })
  })
})
