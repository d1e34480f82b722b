// The vault's face: connections, opening, closing, and that no secret ever shows.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ada, failure, until, vaultFixture } from '../../test/vault/fixture.ts'
import { authorizationUrl } from '../oauth/index.ts'
import { generateKey } from '../seal.ts'
import { Vault } from './index.ts'
import { memoryStore } from './memory-store.ts'

const world = vaultFixture()

describe('connections', () => {
  it('are saved, found and listed without any secret', async () => {
    const vault = await world.open()
    const tokens = world.granted()
    const connection = await vault.save(ada, tokens)
    expect(connection).toEqual({
      ...{ id: connection.id, tenant: 'default', user: 'ada', provider: 'simulated', account: 'default' },
      ...{ scopes: ['a', 'b'], status: 'active', generation: 1, expiresAt: tokens.expiresAt },
      ...{ createdAt: new Date(world.now), updatedAt: new Date(world.now) },
    })
    expect(await vault.connection(ada)).toEqual(connection)
    expect(await vault.connections()).toEqual([connection])
    expect(await vault.connections({ user: 'bob' })).toEqual([])
    expect(await vault.connection({ user: 'bob', provider: 'simulated' })).toBeUndefined()
    expect(world.eventTypes).toEqual(['connected'])
  })

  it('are replaced by a new consent, whatever its scopes', async () => {
    const vault = await world.open()
    const first = await vault.save(ada, world.granted(['a', 'b']))
    world.pass(10)
    const narrower = await vault.save(ada, world.granted(['a']))
    expect(narrower).toMatchObject({ id: first.id, generation: 2, scopes: ['a'], createdAt: first.createdAt })
    const wider = await vault.save(ada, world.granted(['a', 'b', 'c']))
    expect(wider).toMatchObject({ id: first.id, generation: 3, scopes: ['a', 'b', 'c'] })
    expect(await vault.connections()).toHaveLength(1)
  })

  it('of several accounts: the one named, the only one, the default one, or a question', async () => {
    const vault = await world.open()
    const [work, home] = [world.granted(), world.granted()]
    await vault.save({ ...ada, account: 'work' }, work)
    expect((await vault.token(ada)).accessToken).toBe(work.accessToken)
    await vault.save({ ...ada, account: 'home' }, home)
    expect((await vault.token({ ...ada, account: 'home' })).accessToken).toBe(home.accessToken)
    const error = await failure(() => vault.token(ada))
    expect(error).toMatchObject({ name: 'ConfigurationError', code: 'account_ambiguous' })
    expect(error.message).toContain('"home", "work"')
    expect(await failure(() => vault.connection(ada))).toMatchObject({ code: 'account_ambiguous' })
    const labelled = world.granted()
    await vault.save(ada, labelled)
    expect((await vault.token(ada)).accessToken).toBe(labelled.accessToken)
    expect((await vault.connections(ada)).map(({ account }) => account)).toEqual(['default', 'home', 'work'])
  })

  it('of one tenant are not seen by another on the same file', async () => {
    const [url, key] = [world.newUrl(), generateKey()]
    const one = await world.open({ url, key, tenant: 'one' })
    const two = await world.open({ url, key, tenant: 'two' })
    await one.save(ada, world.granted())
    expect(await two.connections()).toEqual([])
    expect(await failure(() => two.token(ada))).toMatchObject({ code: 'not_connected' })
    expect(await failure(() => two.disconnect(ada))).toMatchObject({ code: 'not_connected' })
    expect(await one.connections()).toHaveLength(1)
  })

  it.each([
    { user: '' },
    { user: 'x'.repeat(1001) },
    { user: '\ud800' },
    { user: 'ada\0' },
    { provider: '' },
    { account: '' },
  ])('need a proper address, not %j', async (change) => {
    const vault = await world.open()
    const address = { ...ada, ...change }
    for (const run of [
      () => vault.token(address),
      () => vault.save(address, world.granted()),
      () => vault.source(address),
      () => vault.disconnect(address),
      () => vault.connection(address),
      () => vault.connections(change),
    ])
      expect(await failure(run)).toMatchObject({ name: 'TypeError', code: 'invalid_argument' })
  })
})

describe('opening', () => {
  it('P51 two stores in memory share nothing', async () => {
    const [one, two] = [await world.open(), await world.open()]
    await one.save(ada, world.granted())
    expect(await two.connections()).toEqual([])
  })

  it('finds file and key by the environment', async () => {
    const data = world.newFolder()
    const env = { TOOLGRANT_DATA: data, TOOLGRANT_KEY: generateKey() }
    const one = await Vault.open({ env, clients: {} })
    await one.save(ada, world.granted())
    await one.close()
    expect(readdirSync(data)).toEqual(['vault.db'])
    const two = await Vault.open({ env: { ...env, TOOLGRANT_VAULT: join(data, 'vault.db') }, clients: {} })
    expect(await two.connections()).toHaveLength(1)
    await two.close()
  })

  it('takes a store of your own, also one that answers later', async () => {
    const kept = memoryStore({ now: () => world.now })
    const store = new Proxy(kept, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target)
        if (typeof member !== 'function') return member
        if (name === 'now') return member.bind(target)
        return async (...values: unknown[]) => member.apply(target, values)
      },
    })
    const vault = await world.open({ store, key: generateKey() })
    const tokens = world.granted()
    await vault.save(ada, tokens)
    expect(await vault.token(ada)).toEqual(tokens)
    const source = vault.source(ada)
    expect(source.token()).toBeInstanceOf(Promise)
    const first = await source.token()
    expect(source.token()).toBe(first)
    world.pass(3601)
    expect((await vault.token(ada)).accessToken).not.toBe(tokens.accessToken)
    expect(await failure(() => vault.token({ ...ada, user: 'bob' }))).toMatchObject({ code: 'not_connected' })
    const connection = await vault.connection(ada)
    await vault.disconnect(ada)
    expect(await kept.get(connection?.id ?? '')).toBeUndefined()
    await vault.close()
    expect(await failure(() => kept.list({ tenant: 'default' }))).toMatchObject({ code: 'closed' })
  })

  it('refuses a store that another key sealed, and changes nothing', async () => {
    const [url, key] = [world.newUrl(), generateKey()]
    const one = await world.open({ url, key })
    await one.save(ada, world.granted())
    await one.close()
    const error = await failure(() => world.open({ url, key: generateKey() }))
    expect(error).toMatchObject({ name: 'KeyError', code: 'key_wrong' })
    expect(error.message).toContain('vault.db')
    const again = await world.open({ url, key })
    expect(await again.connections()).toHaveLength(1)
  })

  it('refuses what this version does not open', async () => {
    const error = await failure(() => world.open({ url: 'mysql://ada:canary@db/vault' }))
    expect(error).toMatchObject({ name: 'ConfigurationError', code: 'config_invalid' })
    expect(inspect(error)).not.toContain('canary')
  })

  it.each([
    { tenant: '' },
    { tenant: 'a\0' },
    { earlySeconds: -1 },
    { leaseMs: Number.NaN },
    { leaseMs: 0 },
    { leaseMs: 1000.5 },
    { cacheSize: -1 },
  ])('refuses %j', async (options) => {
    expect(await failure(() => world.open(options))).toMatchObject({ code: 'invalid_argument' })
  })
})

describe('closing', () => {
  it('waits for a refresh that is under way, so that its answer is saved', async () => {
    world.server.configure({ latencyMs: { refresh: 80 } })
    const [url, key] = [world.newUrl(), generateKey()]
    const vault = await world.open({ url, key })
    await vault.save(ada, world.granted())
    world.pass(3400)
    await vault.token(ada)
    await until(() => world.server.counts.requests.refresh === 1)
    await vault.close()
    const again = await world.open({ url, key })
    expect(await again.connection(ada)).toMatchObject({ generation: 2 })
    expect(world.server.isActive((await again.token(ada)).accessToken)).toBe(true)
  })

  it('leaves nothing usable, twice', async () => {
    const vault = await world.open()
    await vault.save(ada, world.granted())
    const source = vault.source(ada)
    await source.token()
    await vault.close()
    await vault[Symbol.asyncDispose]()
    for (const run of [
      () => vault.token(ada),
      () => source.token(),
      () => vault.connections(),
      () => vault.save(ada, world.granted()),
      () => vault.takePending('state'),
    ])
      expect(await failure(run)).toMatchObject({ name: 'StoreError', code: 'closed' })
  })

  it('is not disturbed by a listener that throws', async () => {
    const vault = await world.open({
      onEvent: () => {
        throw new Error('listener')
      },
    })
    await vault.save(ada, world.granted())
    const rejecting = await world.open({ onEvent: async () => Promise.reject(new Error('listener')) })
    await rejecting.save(ada, world.granted())
  })
})

it('P50 P59 no secret is in a message, an inspection, an event or the store file', async () => {
  const [url, key] = [world.newUrl(), generateKey()]
  const vault = await world.open({ url, key })
  const shown: unknown[] = [vault, vault.source(ada)]
  const { provider, client } = await vault.registration('simulated')
  const redirectUri = 'https://app.example/callback'
  const { pending } = await authorizationUrl(provider, client, { redirectUri, user: 'ada' })
  await vault.putPending(pending)
  shown.push(
    await vault.save(ada, world.granted()),
    await vault.save({ ...ada, account: 'work' }, world.granted()),
  )
  world.pass(3601)
  shown.push(await vault.token({ ...ada, account: 'work' }))
  world.server.script('refresh', [{ error: 'invalid_client' }])
  shown.push(await failure(() => vault.token({ ...ada, account: 'default' })))
  world.server.revokeGrants()
  world.pass(3601)
  shown.push(await failure(() => vault.token({ ...ada, account: 'work' })))
  shown.push(await failure(() => vault.token(ada, { scopes: ['c'] })))
  shown.push(await vault.disconnect({ ...ada, account: 'work' }), await vault.connections(), world.events)
  const text = shown
    .map((value) => inspect(value, { depth: 12, showHidden: true }) + JSON.stringify(value))
    .join('\n')
  const path = url.slice('sqlite:'.length)
  const bytes = Buffer.concat(
    readdirSync(join(path, '..')).map((file) => readFileSync(join(path, '..', file))),
  )
  expect(bytes.length).toBeGreaterThan(4096)
  const secrets = [...world.server.issuedSecrets(), key, pending.state, pending.codeVerifier ?? '']
  expect(secrets.length).toBeGreaterThan(6)
  for (const secret of secrets) {
    expect(text.includes(secret)).toBe(false)
    expect(bytes.includes(secret)).toBe(false)
  }
})
