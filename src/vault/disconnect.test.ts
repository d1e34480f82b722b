// Ending connections for real, and finishing authorizations that another process began.
import { describe, expect, it } from 'vitest'
import { ada, failure, until, vaultFixture } from '../../test/vault/fixture.ts'
import { authorizationUrl } from '../oauth/index.ts'
import { defineProvider } from '../providers/index.ts'
import { generateKey } from '../seal.ts'
import type { Vault } from './index.ts'
import { memoryStore } from './memory-store.ts'

const world = vaultFixture()

describe('disconnecting', () => {
  it('P54 revokes at the provider and deletes', async () => {
    const vault = await world.open()
    const tokens = world.granted()
    const connection = await vault.save(ada, tokens)
    const result = await vault.disconnect(ada)
    expect(result).toEqual({
      ...{ revoked: true, revocable: true, confirmed: true },
      connection: { ...connection, status: 'revoked', reason: 'disconnecting' },
    })
    expect(world.server.isActive(tokens.accessToken)).toBe(false)
    expect(world.server.isActive(tokens.refreshToken ?? '')).toBe(false)
    expect(await vault.connections()).toEqual([])
    expect(await failure(() => vault.token(ada))).toMatchObject({ code: 'not_connected' })
    expect(await failure(() => vault.disconnect(ada))).toMatchObject({ code: 'not_connected' })
    expect(world.eventTypes).toEqual(['connected', 'revoked'])
  })

  it.each([
    ['has no revocation endpoint', { revocationUrl: undefined }, /no revocation endpoint.* end the grant/],
    [
      'cannot be reached',
      { revocationUrl: 'http://127.0.0.1:9/revoke' },
      /could not be told.* end the grant/,
    ],
  ])('P54 deletes although the provider %s, and says so', async (_name, overrides, why) => {
    const provider = world.provider(overrides)
    const vault = await world.open({ clients: { simulated: { ...world.server.client(), provider } } })
    await vault.save(ada, world.granted())
    const result = await vault.disconnect(ada)
    expect(result.revoked).toBe(false)
    expect(result.why).toMatch(why)
    expect(await vault.connections()).toEqual([])
  })

  it('deletes although our registration is gone', async () => {
    const vault = await world.open({ clients: {} })
    await vault.save(ada, world.granted())
    expect(await vault.disconnect(ada)).toMatchObject({ revoked: false })
    expect(await vault.connections()).toEqual([])
  })

  it('does not wait for a silent provider longer than it was told', async () => {
    world.server.script('revocation', [{ hang: true }])
    const vault = await world.open()
    await vault.save(ada, world.granted())
    const result = await vault.disconnect(ada, { timeoutMs: 50 })
    expect(result).toMatchObject({ revoked: false })
    expect(result.why).toContain('50 ms')
    expect(await vault.connections()).toEqual([])
  })

  it('leaves alone what the person grants again while it is under way', async () => {
    world.server.configure({ latencyMs: { revocation: 60 } })
    const vault = await world.open()
    await vault.save(ada, world.granted())
    const ending = vault.disconnect(ada)
    await until(() => world.server.counts.requests.revocation === 1)
    await vault.save(ada, world.granted())
    expect(await ending).toMatchObject({ revoked: true })
    expect(world.server.counts.requests.revocation).toBe(1)
    expect(await vault.connection(ada)).toMatchObject({ status: 'active', generation: 2 })
    expect(world.eventTypes).toEqual(['connected', 'connected'])
  })

  it('revokes an access token that has no refresh token', async () => {
    world.server.configure({ refreshTokens: 'never' })
    const vault = await world.open()
    const tokens = world.granted()
    await vault.save(ada, tokens)
    expect(await vault.disconnect(ada)).toMatchObject({ revoked: true })
    expect(world.server.isActive(tokens.accessToken)).toBe(false)
  })

  it('renews an ended access token first where only a live one can end the grant', async () => {
    world.server.configure({ revocationFormat: 'bearer' })
    const vault = await world.open()
    const tokens = world.granted()
    await vault.save(ada, tokens)
    world.pass(3601)
    expect(await vault.disconnect(ada)).toMatchObject({ revoked: true })
    expect(world.server.consents().every(({ revoked }) => revoked !== undefined)).toBe(true)
  })

  it('that a crash interrupted leaves nothing usable, and is finished by the next try', async () => {
    const store = memoryStore({ now: () => world.now })
    const vault = await world.open({ store, key: generateKey() })
    const tokens = world.granted()
    const { id } = await vault.save(ada, tokens)
    await store.markRevoked(id)
    expect(await failure(() => vault.token(ada))).toMatchObject({ code: 'not_connected' })
    expect(await vault.connection(ada)).toBeUndefined()
    expect(await vault.connections()).toMatchObject([{ status: 'revoked', reason: 'disconnecting' }])
    expect(await vault.disconnect(ada)).toMatchObject({ revoked: true })
    expect(world.server.isActive(tokens.accessToken)).toBe(false)
    expect(await vault.connections()).toEqual([])
  })

  it('cannot be undone by a refresh that is under way, and its tokens are revoked too', async () => {
    world.server.configure({ latencyMs: { refresh: 80 }, reuseRevokesGrant: false })
    const vault = await world.open()
    await vault.save(ada, world.granted())
    world.pass(3601)
    const refreshed = failure(() => vault.token(ada))
    await until(() => world.server.counts.requests.refresh === 1)
    await vault.disconnect(ada)
    expect(await refreshed).toMatchObject({ code: 'not_connected' })
    expect(await vault.connections()).toEqual([])
    expect(world.server.consents().every(({ revoked }) => revoked !== undefined)).toBe(true)
  })
})

describe('confirming that a grant is over', () => {
  type Facts = Parameters<typeof world.server.provider>[0]

  /** Disconnects at a provider that has these endpoints; the requests that were sent to find out. */
  async function disconnect(facts: Facts, arrange = () => {}) {
    const provider = defineProvider(world.server.provider({ issuer: undefined, ...facts }))
    const vault = await world.open({ clients: { simulated: { ...world.server.client(), provider } } })
    const tokens = world.granted()
    await vault.save(ada, tokens)
    arrange()
    const { revoked, confirmed, why } = await vault.disconnect(ada)
    const asked = world.server.requests().map(({ endpoint }) => endpoint)
    return { revoked, confirmed, why, asked: asked.filter((endpoint) => endpoint !== 'revocation') }
  }
  const unasked = { introspectionUrl: undefined, userinfoUrl: undefined }
  /** A provider that takes revocations and does nothing. */
  const lies = () => world.server.script('revocation', [{ status: 200 }, { status: 200 }])

  it.each([
    ['by introspection of both tokens', {}, ['introspection', 'introspection']],
    ['by the who-am-I', { introspectionUrl: undefined }, ['userinfo']],
  ] as const)('%s', async (_name, facts, asked) => {
    expect(await disconnect(facts)).toMatchObject({ revoked: true, confirmed: true, why: undefined, asked })
  })

  it('by the who-am-I for clients with a certificate, where tokens are bound to one', async () => {
    const { userinfoUrl } = world.server.provider()
    const mtlsEndpoints = userinfoUrl === undefined ? {} : { userinfoUrl }
    const elsewhere = {
      introspectionUrl: undefined,
      userinfoUrl: `${world.server.url}/elsewhere`,
      mtlsEndpoints,
    }
    const found = await disconnect({ ...elsewhere, certificateBoundTokens: true })
    expect(found).toMatchObject({ confirmed: true, asked: ['userinfo'] })
    expect((await disconnect(elsewhere)).confirmed).toBeUndefined()
  })

  it('by a refresh that has to fail, where that cannot replace anything', async () => {
    world.server.configure({ rotation: false })
    const found = await disconnect({ ...unasked, refreshTokenRotation: false })
    expect(found).toMatchObject({ confirmed: true, asked: ['token'] })
    expect(world.server.counts.refreshes).toBe(0)
  })

  it('not at all where only a refresh that replaces the token could tell', async () => {
    const found = await disconnect(unasked)
    expect(found).toMatchObject({ revoked: true, confirmed: undefined, asked: [] })
    expect(found.why).toContain('no way to check')
  })

  it('not with an access token that has ended: that proves nothing', async () => {
    const found = await disconnect({ introspectionUrl: undefined }, () => world.pass(3601))
    expect(found).toMatchObject({ revoked: true, confirmed: undefined, asked: [] })
  })

  it.each([
    ['introspection', {}, 'still calls the refresh token active'],
    ['who-am-I', { introspectionUrl: undefined }, 'still accepts the access token, until 2026-01-01T01:00'],
  ] as const)('says what still works, after a second look: %s', async (_name, facts, why) => {
    const found = await disconnect(facts, lies)
    expect(found).toMatchObject({ revoked: true, confirmed: false, why: expect.stringContaining(why) })
    expect(found.asked).toHaveLength(2)
    expect(world.server.counts.refreshes).toBe(0)
  })

  it('ends what a refresh that should have failed brought', async () => {
    world.server.configure({ rotation: false })
    const found = await disconnect({ ...unasked, refreshTokenRotation: false }, lies)
    expect(found).toMatchObject({ confirmed: false, why: expect.stringContaining('refresh token') })
    const [, issued = ''] = world.server.issuedSecrets().filter((secret) => secret.includes('_access_'))
    expect(world.server.isActive(issued)).toBe(false)
  })

  it('ends a refresh token, too, that the provider replaces against what is known of it', async () => {
    await disconnect({ ...unasked, refreshTokenRotation: false }, lies)
    expect(world.server.counts.refreshes).toBe(1)
    const alive = world.server.issuedSecrets().filter((secret) => world.server.isActive(secret))
    expect(alive).toEqual([])
  })

  it('gives a provider a moment', async () => {
    const first = { body: { active: true } }
    const found = await disconnect({}, () => world.server.script('introspection', [first]))
    expect(found).toMatchObject({ confirmed: true, why: undefined })
  })

  it('takes the next way where our client may not introspect', async () => {
    const refused = { error: 'access_denied', status: 403 }
    const found = await disconnect({}, () => world.server.script('introspection', [refused]))
    expect(found).toMatchObject({ confirmed: true, asked: ['introspection', 'userinfo'] })
  })

  it('asks the issuer for the ways to ask, when the row names none', async () => {
    const found = await disconnect({ ...unasked, issuer: world.server.url })
    expect(found).toMatchObject({
      confirmed: true,
      asked: ['metadata', 'metadata', 'introspection', 'introspection'],
    })
  })

  it('is left out when told so', async () => {
    const vault = await world.open()
    await vault.save(ada, world.granted())
    expect(await vault.disconnect(ada, { confirm: false })).not.toHaveProperty('confirmed')
    expect(world.server.requests('introspection')).toEqual([])
  })
})

describe('authorizations under way', () => {
  async function begin(vault: Vault, user?: string) {
    const { provider, client } = await vault.registration('simulated')
    const redirectUri = 'https://app.example/callback'
    const options = { redirectUri, scopes: ['a'], now: () => world.now, account: 'work' }
    const { url, pending } = await authorizationUrl(provider, client, {
      ...options,
      ...(user ? { user } : {}),
    })
    await vault.putPending(pending)
    return { pending, callback: await world.server.consent(url) }
  }

  it('P53 are finished by another process on the same store', async () => {
    const [url, key] = [world.newUrl(), generateKey()]
    const [one, two] = [await world.open({ url, key }), await world.open({ url, key })]
    const { callback } = await begin(one, 'ada')
    const connection = await two.finish(callback)
    expect(connection).toMatchObject({ user: 'ada', account: 'work', scopes: ['a'], status: 'active' })
    expect(world.server.isActive((await one.token(ada)).accessToken)).toBe(true)
  })

  it('that are being finished are kept before the vault closes', async () => {
    const [url, key] = [world.newUrl(), generateKey()]
    const vault = await world.open({ url, key })
    const { callback } = await begin(vault, 'ada')
    world.server.configure({ latencyMs: { token: 80 } })
    const finished = vault.finish(callback)
    await until(() => world.server.counts.requests.token === 1)
    await vault.close()
    expect(await finished).toMatchObject({ status: 'active' })
    expect(await failure(() => vault.finish(callback))).toMatchObject({ code: 'closed' })
    expect(await (await world.open({ url, key })).connections()).toHaveLength(1)
  })

  it('are finished once', async () => {
    const vault = await world.open()
    const { callback } = await begin(vault, 'ada')
    await vault.finish(callback)
    expect(await failure(() => vault.finish(callback))).toMatchObject({
      name: 'CallbackError',
      code: 'authorization_expired',
    })
    expect(world.server.counts.requests.token).toBe(1)
  })

  it('are finished by whoever began them, and not by somebody who was handed the link', async () => {
    const vault = await world.open()
    for (const user of ['victim', undefined]) {
      const { callback } = await begin(vault, 'mallory')
      expect(await failure(() => vault.finish(callback, { user }))).toMatchObject({
        name: 'CallbackError',
        code: 'state_mismatch',
      })
    }
    expect(await vault.connections()).toEqual([])
    expect(world.server.counts.requests.token).toBe(0)
    const { callback } = await begin(vault, 'ada')
    expect(await vault.finish(callback, { user: 'ada' })).toMatchObject({ user: 'ada' })
  })

  it('P49 are over at their end', async () => {
    const vault = await world.open()
    const { pending, callback } = await begin(vault, 'ada')
    world.now = pending.expiresAt
    expect(await failure(() => vault.finish(callback))).toMatchObject({ code: 'authorization_expired' })
    expect(await vault.takePending(pending.state)).toBeUndefined()
  })

  it('need a state that is known, and a user', async () => {
    const vault = await world.open()
    expect(await failure(() => vault.finish('https://app.example/callback?code=x'))).toMatchObject({
      code: 'state_missing',
    })
    const { callback } = await begin(vault)
    expect(await failure(() => vault.finish(callback))).toMatchObject({ code: 'invalid_argument' })
    expect(world.server.counts.requests.token).toBe(0)
  })

  it('come back as they were put, once', async () => {
    const vault = await world.open({ url: world.newUrl(), key: generateKey() })
    const { pending } = await begin(vault, 'ada')
    expect(await vault.takePending('another state')).toBeUndefined()
    expect(await vault.takePending(pending.state)).toEqual(pending)
    expect(await vault.takePending(pending.state)).toBeUndefined()
  })
})
