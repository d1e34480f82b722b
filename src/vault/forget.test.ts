// A person leaves: everything they have here ends, whatever is under way, and a second run finds nothing.
import { describe, expect, it } from 'vitest'
import { ada, failure, until, vaultFixture } from '../../test/vault/fixture.ts'
import { authorizationUrl } from '../oauth/index.ts'
import { defineProvider } from '../providers/index.ts'
import { generateKey } from '../seal.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../testing/index.ts'
import type { ForgetProgress, Vault, VaultOptions } from './index.ts'
import { memoryStore } from './memory-store.ts'

const world = vaultFixture()

/** Two vaults on one file: two processes, as far as the store can tell. */
async function pair(options: VaultOptions = {}): Promise<[Vault, Vault]> {
  const shared = { url: world.newUrl(), key: generateKey(), ...options }
  return [await world.open(shared), await world.open(shared)]
}

async function begin(vault: Vault, user: string) {
  const { provider, client } = await vault.registration('simulated')
  const options = { redirectUri: 'https://app.example/callback', scopes: ['a'], now: () => world.now }
  const { url, pending } = await authorizationUrl(provider, client, { ...options, user })
  await vault.putPending(pending)
  return { callback: await world.server.consent(url), pending }
}

function allRevoked(server: AuthorizationServer): boolean {
  return server.consents().every(({ revoked }) => revoked !== undefined)
}

describe('forgetting a person', () => {
  it('ends all their connections and drops what is kept besides; a second run has nothing to do', async () => {
    const store = memoryStore({ now: () => world.now })
    const vault = await world.open({ store, key: generateKey() })
    const saved = []
    for (const account of ['default', 'work', 'home'])
      saved.push(await vault.save({ ...ada, account }, world.granted()))
    await vault.save({ ...ada, user: 'grace' }, world.granted())
    const { callback } = await begin(vault, 'ada')
    const progress: ForgetProgress[] = []
    const forgotten = await vault.forget('ada', { onProgress: (step) => progress.push(step) })
    expect(forgotten).toMatchObject({ user: 'ada', pending: 1, unrevoked: [] })
    expect(forgotten.connections.map(({ connection }) => connection.account).sort()).toEqual([
      'default',
      'home',
      'work',
    ])
    for (const each of forgotten.connections) expect(each).toMatchObject({ revoked: true, confirmed: true })
    expect(progress.map(({ done, total }) => [done, total])).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ])
    expect(await vault.connections()).toMatchObject([{ user: 'grace', status: 'active' }])
    expect(world.server.consents().filter(({ revoked }) => revoked === undefined)).toHaveLength(1)
    for (const { id } of saved) expect(await store.history(id)).toEqual([])
    expect(await failure(() => vault.finish(callback))).toMatchObject({ code: 'authorization_expired' })
    expect(await vault.forget('ada')).toEqual({ user: 'ada', connections: [], pending: 0, unrevoked: [] })
  })

  it('is written down: each connection, and the whole', async () => {
    const store = memoryStore({ now: () => world.now })
    const vault = await world.open({ store, key: generateKey() })
    await vault.save(ada, world.granted())
    await vault.forget('ada')
    const lines = []
    for await (const { action, user, detail } of vault.audit.lines()) lines.push({ action, user, detail })
    expect(lines.slice(-2)).toEqual([
      { action: 'disconnect', user: 'ada', detail: { revoked: true, confirmed: true } },
      { action: 'forget', user: 'ada', detail: { connections: 1, pending: 0, unrevoked: 0 } },
    ])
  })

  it('leaves the same user of another tenant alone', async () => {
    const [one] = await pair({ tenant: 'one' })
    const other = await world.open({ tenant: 'two' })
    await one.save(ada, world.granted())
    await other.save(ada, world.granted())
    await one.forget('ada')
    expect(await other.connections()).toMatchObject([{ status: 'active' }])
  })

  it('lets nobody save a person who was forgotten from coming back later', async () => {
    const vault = await world.open()
    await vault.save(ada, world.granted())
    await vault.forget('ada')
    expect(await vault.save(ada, world.granted())).toMatchObject({ status: 'active' })
    const { callback } = await begin(vault, 'ada')
    expect(await vault.finish(callback)).toMatchObject({ status: 'active' })
  })

  it('needs a user', async () => {
    const vault = await world.open()
    expect(await failure(() => vault.forget(''))).toMatchObject({ code: 'invalid_argument' })
    expect(await failure(() => vault.forget(undefined as unknown as string))).toMatchObject({
      code: 'invalid_argument',
    })
  })
})

describe('a provider in trouble', () => {
  it('does not hold up the others, and is reported', async () => {
    await using other = await startAuthorizationServer({ now: () => world.now })
    const unable = await startAuthorizationServer({ now: () => world.now })
    const simulated = { ...world.server.client(), provider: world.provider() }
    const entry = (server: AuthorizationServer, id: string, revocationUrl?: string) => ({
      ...server.client(),
      provider: defineProvider({
        ...server.provider({
          issuer: undefined,
          ...(revocationUrl === '' ? { revocationUrl: undefined } : {}),
        }),
        id,
      }),
    })
    const silent = entry(other, 'silent')
    const clients = { simulated, silent, unable: entry(unable, 'unable'), mute: entry(other, 'mute', '') }
    const vault = await world.open({ clients })
    for (const provider of Object.keys(clients)) await vault.save({ user: 'ada', provider }, world.granted())
    other.script('revocation', [{ hang: true }, { hang: true }])
    await unable.close()
    const { connections, unrevoked } = await vault.forget('ada', { timeoutMs: 200 })
    expect([...unrevoked].sort()).toEqual(['mute', 'silent', 'unable'])
    const why = Object.fromEntries(connections.map((each) => [each.connection.provider, each.why]))
    expect(why).toEqual({
      simulated: undefined,
      silent: expect.stringContaining('200 ms'),
      unable: expect.stringContaining('could not be told'),
      mute: expect.stringContaining('no revocation endpoint'),
    })
    expect(await vault.connections()).toEqual([])
  })
})

describe('what is under way', () => {
  it('a refresh in another process brings nothing back, and its tokens are revoked', async () => {
    const [one, two] = await pair()
    await one.save(ada, world.granted())
    world.server.configure({ latencyMs: { refresh: 80 }, reuseRevokesGrant: false })
    world.pass(3601)
    const refreshed = failure(() => two.token(ada))
    await until(() => world.server.counts.requests.refresh === 1)
    await one.forget('ada')
    expect(await refreshed).toMatchObject({ code: 'not_connected' })
    expect(await two.connections()).toEqual([])
    expect(allRevoked(world.server)).toBe(true)
  })

  it('a consent that is being finished in another process is ended again', async () => {
    const [one, two] = await pair()
    await one.save({ ...ada, account: 'work' }, world.granted())
    const { callback } = await begin(two, 'ada')
    world.server.configure({ latencyMs: { token: 80 } })
    const finished = failure(() => two.finish(callback))
    await until(() => world.server.counts.requests.token === 1)
    expect(await one.forget('ada')).toMatchObject({ pending: 0, connections: [{}] })
    expect(await finished).toMatchObject({
      ...{ name: 'AuthorizationRequiredError', code: 'not_connected' },
      message: expect.stringContaining('was forgotten'),
    })
    expect(await two.connections()).toEqual([])
    expect(allRevoked(world.server)).toBe(true)
  })

  it('a consent that was saved just before is found, and whoever saved it is told', async () => {
    const store = memoryStore({ now: () => world.now })
    const key = generateKey()
    const [one, two] = [await world.open({ store, key }), await world.open({ store, key })]
    const put = store.putGrant.bind(store)
    store.putGrant = async (...grant) => {
      const kept = await put(...grant)
      await one.forget('ada')
      return kept
    }
    expect(await failure(() => two.save(ada, world.granted()))).toMatchObject({ code: 'not_connected' })
    expect(await one.connections()).toEqual([])
    expect(allRevoked(world.server)).toBe(true)
  })

  it('a consent that comes back in the middle finds nothing to finish', async () => {
    const store = memoryStore({ now: () => world.now })
    const vault = await world.open({ store, key: generateKey() })
    const { callback } = await begin(vault, 'ada')
    const put = store.putMetaIfAbsent.bind(store)
    let finished: Promise<unknown> | undefined
    store.putMetaIfAbsent = async (name, ...rest) => {
      const written = await put(name, ...rest)
      if (name === 'forgotten') finished = failure(() => vault.finish(callback))
      return written
    }
    expect(await vault.forget('ada')).toMatchObject({ pending: 1 })
    expect(await finished).toMatchObject({ code: 'authorization_expired' })
    expect(await vault.connections()).toEqual([])
  })

  it('can be stopped, and gone on with', async () => {
    const vault = await world.open()
    for (let index = 0; index < 30; index += 1)
      await vault.save({ ...ada, account: `${index}` }, world.granted())
    const stop = new AbortController()
    const onProgress = () => stop.abort(new Error('enough'))
    const error = await failure(() => vault.forget('ada', { signal: stop.signal, onProgress }))
    expect(error.message).toBe('enough')
    const left = (await vault.connections()).length
    expect(left).toBeGreaterThan(10)
    expect((await vault.forget('ada')).connections).toHaveLength(left)
    expect(await vault.connections()).toEqual([])
  })

  it('goes on with what a crash interrupted', async () => {
    const store = memoryStore({ now: () => world.now })
    const vault = await world.open({ store, key: generateKey() })
    const { id } = await vault.save(ada, world.granted())
    await store.markRevoked(id)
    expect((await vault.forget('ada')).connections).toMatchObject([{ revoked: true }])
  })
})
