// What subscribers hear: in order, once, whatever they do; and from other processes, where the store can tell of them.
import { describe, expect, it } from 'vitest'
import { ada, failure, until, vaultFixture } from '../../test/vault/fixture.ts'
import { WatchedStore } from '../../test/vault/watched-store.ts'
import { generateKey } from '../seal.ts'
import type { VaultEvent } from './event.ts'
import { pause } from './pause.ts'

const world = vaultFixture()
const bob = { ...ada, user: 'bob' }

/** What a list of events says: type, generation, and whether it was done here. */
const story = (events: readonly VaultEvent[]) =>
  events.map(({ type, connection, here }) => `${type} ${connection.generation}${here ? ' here' : ''}`)

describe('a listener', () => {
  it('hears everything in order, and nothing after it was taken away', async () => {
    const vault = await world.open()
    const heard: VaultEvent[] = []
    const stop = vault.subscribe((event) => void heard.push(event))
    await vault.save(ada, world.granted())
    world.server.configure({ tokenAnswer: { extra: { scope: 'a' } } })
    world.pass(3601)
    await vault.token(ada)
    world.server.revokeGrants()
    await failure(() => vault.refresh(ada, { force: true }))
    await vault.disconnect(ada)
    expect(story(heard)).toEqual([
      ...['connected 1 here', 'refreshed 2 here', 'scope_changed 2 here'],
      ...['needs_reconnect 2 here', 'revoked 2 here'],
    ])
    expect(heard.map(({ connection }) => connection.status)).toEqual([
      ...['active', 'active', 'active', 'needs_reconnect', 'revoked'],
    ])
    expect(heard[3]?.error).toMatchObject({ code: 'needs_reconnect' })
    stop()
    await vault.save(ada, world.granted())
    expect(heard).toHaveLength(5)
  })

  it('that throws, rejects or is slow harms neither the vault nor the others', async () => {
    const vault = await world.open({
      onEvent: () => {
        throw new Error('mine')
      },
    })
    const heard: string[] = []
    vault.subscribe((async () => {
      throw new Error('mine, later')
    }) as () => void)
    vault.subscribe((() => new Promise(() => {})) as () => void)
    vault.subscribe(({ type }) => void heard.push(type))
    await vault.save(ada, world.granted())
    world.pass(3601)
    await vault.token(ada)
    expect(heard).toEqual(['connected', 'refreshed'])
  })

  it('that changes connections while it hears gets every event after the one before', async () => {
    const vault = await world.open()
    const heard: string[] = []
    vault.subscribe(({ type, connection }) => {
      if (type === 'connected' && connection.user === 'ada') void vault.save(bob, world.granted())
    })
    vault.subscribe(({ type, connection }) => void heard.push(`${type} ${connection.user}`))
    await vault.save(ada, world.granted())
    await until(() => heard.length === 2)
    expect(heard).toEqual(['connected ada', 'connected bob'])
  })

  it('is not told of an answer that came too late', async () => {
    world.server.configure({ latencyMs: { refresh: 50 } })
    const vault = await world.open()
    await vault.save(ada, world.granted())
    world.pass(3601)
    const reading = failure(() => vault.token(ada))
    await until(() => world.server.counts.requests.refresh === 1)
    await vault.disconnect(ada)
    await reading
    expect(world.eventTypes).toEqual(['connected', 'revoked'])
  })
})

describe('two processes on a store that tells', () => {
  /** Time runs ten times as fast here. */
  const sleep = (ms: number, signal: AbortSignal) => pause(ms / 10, signal)

  async function two(before?: () => Promise<void>) {
    const shared = new WatchedStore(() => world.now)
    const key = generateKey()
    const heard: [VaultEvent[], VaultEvent[]] = [[], []]
    const one = await world.open({
      ...{ store: shared.process(), key, audit: 'off', sleep },
      onEvent: (event) => void heard[0].push(event),
    })
    const other = await world.open({
      ...{ store: shared.process(before), key, audit: 'off' },
      onEvent: (event) => void heard[1].push(event),
    })
    return { shared, one, other, heard }
  }

  it('hear the same, and exactly one of them that it did it', async () => {
    const { one, other, heard } = await two()
    await one.save(ada, world.granted())
    world.pass(3601)
    await other.token(ada)
    world.server.revokeGrants()
    await failure(() => one.refresh(ada, { force: true }))
    await other.disconnect(ada)
    await until(() => heard.every((list) => list.length === 4))
    expect(story(heard[0])).toEqual([
      'connected 1 here',
      'refreshed 2',
      'needs_reconnect 2 here',
      'revoked 2',
    ])
    expect(story(heard[1])).toEqual([
      'connected 1',
      'refreshed 2 here',
      'needs_reconnect 2',
      'revoked 2 here',
    ])
    expect(heard[0][2]?.error).toBeDefined()
    expect(heard[1][2]?.error).toBeUndefined()
    expect(heard[1][3]?.connection).toMatchObject({ status: 'revoked', user: 'ada', provider: 'simulated' })
  })

  it('of two tenants hear nothing of each other', async () => {
    const shared = new WatchedStore(() => world.now)
    const key = generateKey()
    const heard: VaultEvent[] = []
    const options = { key, audit: 'off', sleep } as const
    const one = await world.open({ ...options, store: shared.process(), tenant: 'one', onEvent: () => {} })
    const onEvent = (event: VaultEvent) => void heard.push(event)
    const other = await world.open({ ...options, store: shared.process(), tenant: 'other', onEvent })
    await one.save(ada, world.granted())
    await one.disconnect(ada)
    await other.save(bob, world.granted())
    await until(() => heard.length > 0)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(heard.map(({ connection }) => [connection.tenant, connection.user])).toEqual([['other', 'bob']])
  })

  it('keep the order per connection although rows are read in between', async () => {
    let slow = 0
    const { one, other, heard } = await two(async () => {
      slow += 1
      await new Promise((resolve) => setTimeout(resolve, slow === 1 ? 60 : 0))
    })
    void other
    for (let round = 0; round < 3; round += 1) await one.save(ada, world.granted())
    await until(() => heard[1].length === 3)
    for (const list of heard) expect(list.map(({ connection }) => connection.generation)).toEqual([1, 2, 3])
  })

  it('hear of a connection as it was then, also when they hear it late', async () => {
    const { shared, one, heard } = await two()
    await one.save(ada, world.granted())
    world.pass(3601)
    world.server.revokeGrants()
    shared.hold()
    await failure(() => one.token(ada))
    await one.save(ada, world.granted(['c']))
    shared.release()
    await until(() => heard[1].length === 3)
    expect(heard[1].map(({ type, connection }) => [type, connection.status, connection.generation])).toEqual([
      ...[
        ['connected', 'active', 1],
        ['needs_reconnect', 'needs_reconnect', 1],
        ['connected', 'active', 2],
      ],
    ])
    expect(heard[1][1]?.connection.reason).toBe('refused')
  })

  it('are not told of what was overtaken while the line was broken', async () => {
    const { shared, one, other, heard } = await two()
    shared.hold()
    await one.save(ada, world.granted())
    const notice = shared.lose()
    await other.save(ada, world.granted())
    await until(() => heard[0].length === 1)
    notice()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(story(heard[0])).toEqual(['connected 2'])
    expect(story(heard[1])).toEqual(['connected 2 here'])
  })

  it('serve nothing from memory that the other has ended', async () => {
    const { one, other } = await two()
    await one.save(ada, world.granted())
    const source = other.source(ada)
    const first = await source.token()
    expect(source.token()).toBe(first)
    await one.disconnect(ada)
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(await failure(() => source.token())).toMatchObject({ code: 'not_connected' })
  })

  it('do not remember what was read before the other ended it', async () => {
    let read = () => {}
    let goOn = () => {}
    const shared = new WatchedStore(() => world.now)
    const key = generateKey()
    const one = await world.open({ store: shared.process(), key, audit: 'off' })
    const store = shared.process()
    const find = store.find.bind(store)
    const late = new Proxy(store, {
      get: (target, name) => {
        if (name !== 'find') return Reflect.get(target, name, target)
        return async (...values: Parameters<typeof find>) => {
          const rows = await find(...values)
          read()
          await new Promise<void>((resolve) => (goOn = resolve))
          return rows
        }
      },
    })
    const other = await world.open({ store: late, key, audit: 'off' })
    await one.save(ada, world.granted())
    const isRead = new Promise<void>((resolve) => (read = resolve))
    const source = other.source(ada)
    const reading = source.token()
    await isRead
    await one.disconnect(ada)
    await new Promise((resolve) => setTimeout(resolve, 5))
    goOn()
    await reading
    const again = failure(() => source.token())
    await new Promise((resolve) => setTimeout(resolve, 5))
    goOn()
    expect(await again).toMatchObject({ code: 'not_connected' })
  })

  it('clear their memory, and tell of their own doings, when entries were lost', async () => {
    const { shared, one, other, heard } = await two()
    await one.save(ada, world.granted())
    await until(() => heard[1].length === 1)
    const source = other.source(ada)
    const first = await source.token()
    shared.hold()
    await one.save(ada, world.granted())
    expect(source.token()).toBe(first)
    shared.lose()()
    expect((await source.token()).accessToken).not.toBe(first?.accessToken)
    await until(() => heard[0].length === 2)
    expect(story(heard[0])).toEqual(['connected 1 here', 'connected 2 here'])
    expect(story(heard[1])).toEqual(['connected 1'])
  })

  it('tell of what has not come round when they are closed, and wait for it a moment', async () => {
    const { shared, one, heard } = await two()
    shared.hold()
    await one.save(ada, world.granted())
    expect(heard[0]).toEqual([])
    const began = performance.now()
    await one.close()
    expect(performance.now() - began).toBeGreaterThan(90)
    expect(story(heard[0])).toEqual(['connected 1 here'])
    shared.release()
  })
})

it('a store that cannot tell at this place is told of directly', async () => {
  const store = new Proxy(new WatchedStore(() => world.now).process(), {
    get: (target, name) => (name === 'watch' ? async () => undefined : Reflect.get(target, name, target)),
  })
  const vault = await world.open({ store, key: generateKey(), audit: 'off' })
  await vault.save(ada, world.granted())
  expect(world.eventTypes).toEqual(['connected'])
})
