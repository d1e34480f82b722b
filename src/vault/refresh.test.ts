// The refresh protocol, step by step, on a virtual clock: several processes are several refreshers on one store.
import { describe, expect, it } from 'vitest'
import {
  AuthorizationRequiredError,
  ConfigurationError,
  NetworkError,
  RefreshFailedError,
  StoreError,
  TimeoutError,
  TokenEndpointError,
} from '../errors.ts'
import { type Registration, TokenSet } from '../oauth/index.ts'
import { defineProvider } from '../providers/index.ts'
import { fingerprint, generateKey, Keyring, SealingKey } from '../seal.ts'
import { memoryStore } from './memory-store.ts'
import { Refresher, type RefreshParts } from './refresh.ts'
import { SealedTokens } from './sealed-tokens.ts'
import type { ConnectionRow, Store } from './store.ts'

const start = Date.UTC(2026, 0, 1)
const place = { id: 'id', tenant: 't', user: 'ada', provider: 'acme', account: 'default' }
const registration: Registration = {
  client: { clientId: 'client' },
  provider: defineProvider({
    id: 'acme',
    authorizationUrl: 'https://acme.test/authorize',
    tokenUrl: 'https://acme.test/token',
  }),
}
const settle = () => new Promise((resolve) => setImmediate(resolve))

/** A process's own time: its sleepers wake only while it is advanced. */
class VirtualTime {
  ms = start
  #sleepers: { at: number; wake: () => void }[] = []

  now = () => this.ms

  sleep = (ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      if (signal.aborted) return resolve()
      const sleeper = { at: this.ms + ms, wake: resolve }
      this.#sleepers.push(sleeper)
      signal.addEventListener('abort', () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
        resolve()
      })
    })

  async advance(ms: number): Promise<void> {
    const end = this.ms + ms
    for (;;) {
      await settle()
      this.#sleepers.sort((a, b) => a.at - b.at)
      const [next] = this.#sleepers
      if (next === undefined || next.at > end) break
      this.#sleepers.shift()
      this.ms = Math.max(this.ms, next.at)
      next.wake()
    }
    this.ms = end
    await settle()
  }
}

/** A request in the provider's hands: the test decides when and how it ends. */
interface Request {
  refreshToken: string | undefined
  answer: (tokens: TokenSet) => void
  fail: (error: unknown) => void
}

/** One process. */
interface Process {
  refresher: Refresher
  time: VirtualTime
  requests: Request[]
  events: string[]
  abandoned: TokenSet[]
}

class World {
  storeTime = start
  readonly sealed = new SealedTokens(new Keyring(SealingKey.parse(generateKey())), 300)
  store: Store = memoryStore({ now: () => this.storeTime })

  async connect(tokens = expired(1)): Promise<ConnectionRow> {
    await this.store.putGrant({
      ...place,
      generation: 1,
      ...this.sealed.seal({ ...place, generation: 1 }, tokens),
    })
    return this.row()
  }

  async row(): Promise<ConnectionRow> {
    const row = await this.store.get('id')
    if (row === undefined) throw new Error('no row')
    return row
  }

  async tokens(): Promise<TokenSet> {
    return this.sealed.open(await this.row())
  }

  process(changes: Partial<RefreshParts> = {}): Process {
    const time = new VirtualTime()
    time.ms = this.storeTime
    const requests: Request[] = []
    const events: string[] = []
    const abandoned: TokenSet[] = []
    const refresher = new Refresher({
      ...{ store: this.store, sealed: this.sealed, now: time.now, sleep: time.sleep, random: () => 0.5 },
      ...{ leaseMs: 1000, waitMs: 60_000, registration: async () => registration },
      refresh: (_registration, { refreshToken }) =>
        new Promise((answer, fail) => requests.push({ refreshToken, answer, fail })),
      abandon: async (_registration, tokens) => void abandoned.push(tokens),
      emit: (type) => void events.push(type),
      ...changes,
    })
    return { refresher, time, requests, events, abandoned }
  }

  /** Time passes, for the store and for the processes that are not stopped. */
  async pass(ms: number, ...processes: Process[]): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) {
      this.storeTime += 100
      for (const { time } of processes) await time.advance(100)
    }
  }
}

/** The token set of a generation; the provider rotates. */
function tokensOf(generation: number, receivedAt: number, expiresAt = receivedAt + 3_600_000): TokenSet {
  return new TokenSet({
    ...{ accessToken: `access-${generation}`, refreshToken: `refresh-${generation}`, scopes: ['a'] },
    ...{ receivedAt: new Date(receivedAt), expiresAt: new Date(expiresAt) },
  })
}

const expired = (generation: number) => tokensOf(generation, start - 3_600_000, start - 1000)
const refused = (error: string, status = 400) =>
  new TokenEndpointError({ provider: 'acme', status, error, request: 'refresh_token' })
const outage = () => refused('server_error', 503)
const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => {
      throw new Error('nothing was thrown')
    },
    (error: unknown) => error,
  )

function only<T>(list: readonly T[]): T {
  const [first] = list
  if (list.length !== 1 || first === undefined) throw new Error(`expected one, got ${list.length}`)
  return first
}

describe('one process', () => {
  it('sends one request for a hundred callers', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process()
    const callers = Array.from({ length: 100 }, () => one.refresher.refresh(row))
    await world.pass(2000, one)
    only(one.requests).answer(tokensOf(2, world.storeTime))
    const served = await Promise.all(callers)
    expect(new Set(served.map(({ accessToken }) => accessToken))).toEqual(new Set(['access-2']))
    expect(one.events).toEqual(['refreshed'])
  })

  it('writes the intent durably before it sends', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process()
    const result = one.refresher.refresh(row)
    await settle()
    expect(await world.row()).toMatchObject({
      intentAt: start,
      intentHash: fingerprint('refresh-1'),
      leaseUntil: start + 1000,
    })
    only(one.requests).answer(tokensOf(2, start))
    await result
    expect(await world.row()).toMatchObject({ intentHash: null, leaseOwner: null, generation: 2 })
  })

  it('sends nothing when the intent cannot be written', async () => {
    const world = new World()
    const row = await world.connect()
    const full = new StoreError('store_full', 'full')
    const one = world.process({ store: withFailing(world.store, 'writeIntent', () => full) })
    expect(await caught(one.refresher.refresh(row))).toBe(full)
    expect(one.requests).toEqual([])
    expect((await world.row()).leaseOwner).toBeNull()
  })

  it('shows nobody a token before it is saved', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process()
    const result = one.refresher.refresh(row)
    await settle()
    only(one.requests).answer(tokensOf(2, start))
    const tokens = await result
    expect((await world.tokens()).accessToken).toBe(tokens.accessToken)
  })

  it('releases the lease after a failed refresh', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process()
    const result = caught(one.refresher.refresh(row))
    await settle()
    only(one.requests).fail(refused('invalid_client', 401))
    expect(await result).toBeInstanceOf(RefreshFailedError)
    expect(await world.row()).toMatchObject({
      leaseOwner: null,
      leaseUntil: null,
      status: 'active',
      failures: 1,
    })
  })

  it('takes no lease when our registration is missing', async () => {
    const world = new World()
    const row = await world.connect()
    const missing = new ConfigurationError('client_missing', 'no client')
    const one = world.process({
      registration: async () => {
        throw missing
      },
    })
    expect(await caught(one.refresher.refresh(row))).toBe(missing)
    expect(await world.row()).toEqual(row)
  })

  it('asks for consent where the provider renews nothing', async () => {
    const world = new World()
    const row = await world.connect()
    const provider = { ...registration.provider, refresh: 'none' as const }
    const one = world.process({ registration: async () => ({ ...registration, provider }) })
    expect(await caught(one.refresher.refresh(row))).toMatchObject({ code: 'needs_reconnect' })
    expect(one.requests).toEqual([])
  })
})

describe('several processes', () => {
  it('send one request; the losers wait for its answer', async () => {
    const world = new World()
    const row = await world.connect()
    const processes = [world.process(), world.process(), world.process()]
    const results = processes.map(({ refresher }) => refresher.refresh(row))
    await world.pass(2000, ...processes)
    const requests = processes.flatMap((process) => process.requests)
    only(requests).answer(tokensOf(2, world.storeTime))
    await world.pass(1000, ...processes)
    const served = await Promise.all(results)
    expect(served.map(({ accessToken }) => accessToken)).toEqual(['access-2', 'access-2', 'access-2'])
    expect(processes.flatMap(({ events }) => events)).toEqual(['refreshed'])
  })

  it('keep out while the owner extends its lease, however slow the provider', async () => {
    const world = new World()
    const row = await world.connect()
    const [one, two] = [world.process(), world.process()]
    const first = one.refresher.refresh(row)
    await settle()
    const second = two.refresher.refresh(row)
    await world.pass(40_000, one, two)
    expect(two.requests).toEqual([])
    only(one.requests).answer(tokensOf(2, world.storeTime))
    await world.pass(1000, one, two)
    expect((await first).accessToken).toBe('access-2')
    expect((await second).accessToken).toBe('access-2')
  })

  it('give up waiting after the limit, retryably', async () => {
    const world = new World()
    const row = await world.connect()
    const [one, two] = [world.process(), world.process({ waitMs: 5000 })]
    const first = one.refresher.refresh(row)
    await settle()
    const second = caught(two.refresher.refresh(row))
    await world.pass(6000, one, two)
    expect(await second).toMatchObject({ name: 'RefreshFailedError', retryable: true })
    only(one.requests).answer(tokensOf(2, world.storeTime))
    await first
  })

  it('take turns when the first one fails for the moment', async () => {
    const world = new World()
    const row = await world.connect()
    const [one, two] = [world.process(), world.process()]
    const first = one.refresher.refresh(row)
    await settle()
    const second = two.refresher.refresh(row)
    only(one.requests).fail(outage())
    await world.pass(2000, one, two)
    const requests = [...one.requests.slice(1), ...two.requests]
    only(requests).answer(tokensOf(2, world.storeTime))
    await world.pass(1000, one, two)
    expect([(await first).accessToken, (await second).accessToken]).toEqual(['access-2', 'access-2'])
  })
})

describe('after a crash', () => {
  const crash = async (world: World, hash = fingerprint('refresh-1')) => {
    await world.store.acquireLease('id', 1, 'crashed', 1000)
    await world.store.writeIntent('id', 'crashed', 1, hash, 1000)
  }

  it('the next owner waits for the lease to end, then tries the stored refresh token once', async () => {
    const world = new World()
    const row = await world.connect()
    await crash(world)
    const one = world.process()
    const result = one.refresher.refresh(row)
    await world.pass(900, one)
    expect(one.requests).toEqual([])
    await world.pass(400, one)
    expect(only(one.requests).refreshToken).toBe('refresh-1')
    one.requests[0]?.answer(tokensOf(2, world.storeTime))
    expect((await result).accessToken).toBe('access-2')
  })

  it('invalid_grant then reads "interrupted", not "revoked", and is asked no more', async () => {
    const world = new World()
    const row = await world.connect()
    await crash(world)
    const one = world.process()
    const result = caught(one.refresher.refresh(row))
    await world.pass(1500, one)
    only(one.requests).fail(refused('invalid_grant'))
    const error = await result
    expect(error).toBeInstanceOf(AuthorizationRequiredError)
    expect(error).toMatchObject({ code: 'needs_reconnect', scopes: ['a'] })
    expect(String(error)).toContain('interrupted')
    expect(await world.row()).toMatchObject({ status: 'needs_reconnect', reason: 'interrupted' })
    expect(one.events).toEqual(['needs_reconnect'])
    expect(await caught(one.refresher.refresh(row))).toMatchObject({ code: 'needs_reconnect' })
    expect(one.requests).toHaveLength(1)
  })

  it('an intent for another refresh token says nothing about this one', async () => {
    const world = new World()
    const row = await world.connect()
    await crash(world, fingerprint('refresh-0'))
    const one = world.process()
    const result = caught(one.refresher.refresh(row))
    await world.pass(1500, one)
    only(one.requests).fail(refused('invalid_grant'))
    await result
    expect(await world.row()).toMatchObject({ reason: 'refused' })
  })

  it('a time-out leaves the same doubt, through an outage in between', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process()
    const result = caught(one.refresher.refresh(row))
    await settle()
    one.requests[0]?.fail(new TimeoutError('slow', 1))
    await world.pass(1000, one)
    one.requests[1]?.fail(outage())
    await world.pass(2000, one)
    one.requests[2]?.fail(refused('invalid_grant'))
    await result
    expect(one.requests).toHaveLength(3)
    expect(await world.row()).toMatchObject({ status: 'needs_reconnect', reason: 'interrupted' })
  })
})

describe('a late finisher', () => {
  /** One is stopped (SIGSTOP) in the middle of its request; two takes over and sends its own. */
  async function takenOver() {
    const world = new World()
    const row = await world.connect()
    const [one, two] = [world.process(), world.process()]
    const first = one.refresher.refresh(row)
    await settle()
    const second = two.refresher.refresh(row)
    await world.pass(2000, two)
    expect(two.requests).toHaveLength(1)
    return { world, one, two, first, second, request: only(one.requests), takeover: only(two.requests) }
  }

  it('saves its answer although it lost the lease, and leaves the lease of the other alone', async () => {
    const { world, two, first, second, request, takeover } = await takenOver()
    request.answer(tokensOf(2, world.storeTime))
    expect((await first).accessToken).toBe('access-2')
    const row = await world.row()
    expect(row.generation).toBe(2)
    expect(row.leaseOwner).not.toBeNull()
    takeover.fail(refused('invalid_grant'))
    await world.pass(500, two)
    expect((await second).accessToken).toBe('access-2')
    expect(await world.row()).toMatchObject({ status: 'active', generation: 2, leaseOwner: null })
    expect(two.events).toEqual([])
  })

  it('revives a grant that was taken for dead meanwhile', async () => {
    const { world, two, first, second, request, takeover } = await takenOver()
    const gone = caught(second)
    takeover.fail(refused('invalid_grant'))
    await world.pass(500, two)
    expect(await gone).toMatchObject({ code: 'needs_reconnect' })
    expect(await world.row()).toMatchObject({ status: 'needs_reconnect', reason: 'interrupted' })
    request.answer(tokensOf(2, world.storeTime))
    expect((await first).accessToken).toBe('access-2')
    expect(await world.row()).toMatchObject({ status: 'active', generation: 2, reason: null })
  })

  it('with an older answer yields to what the other saved', async () => {
    const { world, one, two, first, second, request, takeover } = await takenOver()
    const early = world.storeTime
    await world.pass(500, two)
    takeover.answer(tokensOf(3, world.storeTime))
    expect((await second).accessToken).toBe('access-3')
    request.answer(tokensOf(2, early))
    await world.pass(500, one)
    expect((await first).accessToken).toBe('access-3')
    expect((await world.tokens()).refreshToken).toBe('refresh-3')
  })

  it('with the newer answer is saved over what the other saved', async () => {
    const { world, one, two, first, second, request, takeover } = await takenOver()
    takeover.answer(tokensOf(3, world.storeTime))
    await world.pass(500, two)
    await second
    request.answer(tokensOf(4, world.storeTime))
    await world.pass(500, one)
    expect((await first).accessToken).toBe('access-4')
    expect(await world.row()).toMatchObject({ generation: 3 })
    expect((await world.tokens()).refreshToken).toBe('refresh-4')
  })

  it('does not mark a grant dead that another is refreshing', async () => {
    const { world, one, two, first, second, request, takeover } = await takenOver()
    request.fail(refused('invalid_grant'))
    await world.pass(300, one, two)
    expect(await world.row()).toMatchObject({ status: 'active' })
    takeover.answer(tokensOf(2, world.storeTime))
    await world.pass(500, one, two)
    expect([(await first).accessToken, (await second).accessToken]).toEqual(['access-2', 'access-2'])
  })
})

describe('a change meanwhile', () => {
  it('disconnected: the answer is not saved but handed over to be revoked', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process()
    const result = caught(one.refresher.refresh(row))
    await settle()
    await world.store.markRevoked('id')
    await world.store.deleteRevoked('id')
    only(one.requests).answer(tokensOf(2, start))
    expect(await result).toMatchObject({ code: 'not_connected' })
    expect(await world.store.get('id')).toBeUndefined()
    expect(one.abandoned.map(({ refreshToken }) => refreshToken)).toEqual(['refresh-2'])
  })

  it('connected again: the new consent wins over the late answer, and callers get it', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process()
    const result = one.refresher.refresh(row)
    await settle()
    world.storeTime += 100
    const consented = tokensOf(9, world.storeTime)
    await world.store.putGrant({
      ...{ ...place, generation: 2 },
      ...world.sealed.seal({ ...place, generation: 2 }, consented),
    })
    only(one.requests).answer(tokensOf(2, world.storeTime + 100))
    await world.pass(300, one)
    expect((await result).accessToken).toBe('access-9')
    expect((await world.tokens()).refreshToken).toBe('refresh-9')
    expect(await world.row()).toMatchObject({ generation: 2, leaseOwner: null })
    expect(one.abandoned).toEqual([])
  })
})

describe('an outage', () => {
  it('of a moment is sat out by those who wait', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process()
    const result = one.refresher.refresh(row)
    await settle()
    only(one.requests).fail(outage())
    await world.pass(600, one)
    one.requests[1]?.answer(tokensOf(2, world.storeTime))
    expect((await result).accessToken).toBe('access-2')
    expect(await world.row()).toMatchObject({ failures: 0, retryAt: null })
    expect(one.events).toEqual(['refresh_failed', 'refreshed'])
  })

  it('that lasts is P41 RefreshFailedError, retryable, and the provider is left alone until it is due', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process()
    const result = caught(one.refresher.refresh(row))
    for (let attempt = 0; attempt < 3; attempt++) {
      await settle()
      one.requests[attempt]?.fail(outage())
      await world.pass(attempt < 2 ? 1200 : 0, one)
    }
    const error = await result
    expect(error).toMatchObject({ name: 'RefreshFailedError', retryable: true, retryAfterSeconds: 2 })
    expect(String(error)).toContain('503')
    expect(await world.row()).toMatchObject({ status: 'active', failures: 3, reason: 'provider_unavailable' })

    const again = await caught(one.refresher.refresh(await world.row()))
    expect(again).toMatchObject({ name: 'RefreshFailedError', retryable: true })
    one.refresher.refreshInBackground(await world.row())
    await settle()
    expect(one.requests).toHaveLength(3)

    await world.pass(2100, one)
    const later = one.refresher.refresh(await world.row())
    await settle()
    one.requests[3]?.answer(tokensOf(2, world.storeTime))
    expect((await later).accessToken).toBe('access-2')
  })

  it('keeps the connection whatever the answer, and Retry-After is honoured', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process()
    const result = caught(one.refresher.refresh(row))
    await settle()
    const asked = {
      provider: 'acme',
      status: 429,
      error: 'slow_down',
      request: 'refresh_token',
      retryAfterSeconds: 120,
    }
    only(one.requests).fail(new TokenEndpointError(asked))
    expect(await result).toMatchObject({
      name: 'RefreshFailedError',
      retryable: true,
      retryAfterSeconds: 121,
    })
    expect((await world.row()).retryAt).toBeGreaterThanOrEqual(start + 120_000)
    expect(one.requests).toHaveLength(1)
  })

  it('without a connection to the provider clears the intent: nothing was sent', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process()
    const result = caught(one.refresher.refresh(row))
    await settle()
    const cause = Object.assign(new Error('x'), { code: 'ECONNREFUSED' })
    only(one.requests).fail(new NetworkError('none', { cause }))
    await settle()
    expect(await world.row()).toMatchObject({ intentHash: null, failures: 1 })
    await one.refresher.close()
    expect(await result).toMatchObject({ code: 'closed' })
  })
})

describe('a client that the provider refuses', () => {
  it('is for the operator: not retryable, the connection kept, and the provider left alone for a while', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process({ random: () => 1 })
    const result = caught(one.refresher.refresh(row))
    await settle()
    only(one.requests).fail(refused('invalid_client', 401))
    const error = await result
    expect(error).toMatchObject({ name: 'RefreshFailedError', retryable: false })
    expect(String(error)).toContain('client secret')
    expect(await world.row()).toMatchObject({ status: 'active', reason: 'client_refused' })
    const again = await caught(one.refresher.refresh(await world.row()))
    expect(again).toMatchObject({ retryable: false })
    expect(one.requests).toHaveLength(1)
    await world.pass(1000, one)
    const mended = one.refresher.refresh(await world.row())
    await settle()
    one.requests[1]?.answer(tokensOf(2, world.storeTime))
    expect((await mended).accessToken).toBe('access-2')
  })
})

describe('a store that cannot take the answer', () => {
  async function received(failing: () => StoreError | undefined) {
    const world = new World()
    const row = await world.connect()
    const one = world.process({ store: withFailing(world.store, 'saveTokens', failing) })
    const result = one.refresher.refresh(row)
    await settle()
    only(one.requests).answer(tokensOf(2, world.storeTime))
    return { world, row, one, result }
  }

  it('for a moment: the answer is saved then', async () => {
    let failing = true
    const { world, one, result } = await received(() =>
      failing ? new StoreError('store_busy', 'busy') : undefined,
    )
    await world.pass(500, one)
    failing = false
    await world.pass(1000, one)
    expect((await result).accessToken).toBe('access-2')
    expect(one.events).toEqual(['refresh_failed', 'refreshed'])
  })

  it('for long: callers get a StoreError, and the answer is kept and saved without a second request', async () => {
    let failing = true
    const { world, row, one, result } = await received(() =>
      failing ? new StoreError('store_full', 'full') : undefined,
    )
    const error = caught(result)
    await world.pass(6000, one)
    expect(await error).toMatchObject({ name: 'StoreError', code: 'store_unavailable' })
    expect((await world.row()).leaseUntil).toBeGreaterThan(world.storeTime)
    const again = one.refresher.refresh(row)
    failing = false
    await world.pass(3000, one)
    expect((await again).accessToken).toBe('access-2')
    expect(one.requests).toHaveLength(1)
    expect(await world.row()).toMatchObject({ generation: 2, leaseOwner: null })
  })
})

describe('closing', () => {
  it('waits for the request that is under way, and its answer is saved', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process()
    const result = one.refresher.refresh(row)
    await settle()
    let closed = false
    const closing = one.refresher.close().then(() => {
      closed = true
    })
    await settle()
    expect(closed).toBe(false)
    only(one.requests).answer(tokensOf(2, start))
    await closing
    expect((await result).accessToken).toBe('access-2')
    expect(await world.row()).toMatchObject({ generation: 2 })
  })

  it('does not wait for other processes', async () => {
    const world = new World()
    const row = await world.connect()
    await world.store.acquireLease('id', 1, 'another', 60_000)
    const one = world.process()
    const result = caught(one.refresher.refresh(row))
    await settle()
    await one.refresher.close()
    expect(await result).toMatchObject({ name: 'StoreError', code: 'closed' })
    expect(one.requests).toEqual([])
  })
})

/** The same store, one method of which may throw. */
function withFailing(
  store: Store,
  name: 'writeIntent' | 'saveTokens',
  failing: () => Error | undefined,
): Store {
  return new Proxy(store, {
    get(target, property) {
      const error = property === name ? failing() : undefined
      if (error !== undefined)
        return () => {
          throw error
        }
      const value: unknown = Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
