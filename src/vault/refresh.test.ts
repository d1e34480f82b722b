// The refresh protocol, step by step, on a virtual clock: one process, several, one that crashed, one that is late.
import { describe, expect, it } from 'vitest'
import {
  caught,
  only,
  outage,
  place,
  refused,
  registration,
  settle,
  start,
  tokensOf,
  World,
  withFailing,
} from '../../test/vault/virtual-world.ts'
import {
  AuthorizationRequiredError,
  ConfigurationError,
  RefreshFailedError,
  StoreError,
  TimeoutError,
} from '../errors.ts'
import { fingerprint } from '../seal.ts'

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

  it('finds out where to send it before it writes the intent: who stood still meanwhile sends nothing', async () => {
    const world = new World()
    const row = await world.connect()
    let found = () => {}
    const late = world.process({
      prepare: () => new Promise((resolve) => (found = () => resolve(registration))),
    })
    const other = world.process()
    const lateResult = late.refresher.refresh(row)
    await settle()
    expect(await world.row()).toMatchObject({ leaseUntil: start + 1000, intentAt: null })
    await world.pass(1100, other)
    const otherResult = other.refresher.refresh(row)
    await settle()
    only(other.requests).answer(tokensOf(2, world.storeTime))
    await otherResult
    found()
    expect((await lateResult).accessToken).toBe('access-2')
    expect(late.requests).toEqual([])
  })

  it('keeps the grant, and no intent, while nobody says where to send it', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process({
      prepare: async () => {
        throw new TimeoutError('no metadata', 1000)
      },
    })
    const result = caught(one.refresher.refresh(row))
    await world.pass(30_000, one)
    expect(await result).toBeInstanceOf(RefreshFailedError)
    expect(one.requests).toEqual([])
    expect(await world.row()).toMatchObject({ status: 'active', intentAt: null, leaseOwner: null })
  })

  it.each([
    ['invalid_client', 30_000],
    ['interaction_required', 300_000],
  ])('tries again after %s within %i ms', async (word, longestMs) => {
    const world = new World()
    await world.connect()
    const one = world.process({ random: () => 1 })
    let pauseMs = 0
    for (let failures = 0; failures < 12; failures += 1) {
      const result = caught(one.refresher.refresh(await world.row()))
      await settle()
      one.requests.at(-1)?.fail(refused(word))
      await world.pass(10, one)
      await result
      pauseMs = ((await world.row()).retryAt ?? 0) - world.storeTime
      await world.pass(pauseMs + 1, one)
    }
    expect(pauseMs).toBeGreaterThan(longestMs * 0.99)
    expect(pauseMs).toBeLessThanOrEqual(longestMs)
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
    await world.pass(1400, one)
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
    await world.pass(2500, one)
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
    await world.pass(2500, two)
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

  it('with an older answer yields to what the other saved, however late it is read', async () => {
    const { world, one, two, first, second, request, takeover } = await takenOver()
    await world.pass(500, two)
    takeover.answer(tokensOf(3, world.storeTime))
    expect((await second).accessToken).toBe('access-3')
    await world.pass(5000, two)
    request.answer(tokensOf(2, world.storeTime))
    await world.pass(500, one)
    expect((await first).accessToken).toBe('access-3')
    expect((await world.tokens()).refreshToken).toBe('refresh-3')
    expect(one.events).toEqual([])
  })

  it('whose request left last is saved over what the other saved', async () => {
    const { world, one, two, first, second, request, takeover } = await takenOver()
    request.answer(tokensOf(3, world.storeTime))
    await world.pass(500, one)
    await first
    takeover.answer(tokensOf(4, world.storeTime))
    await world.pass(500, two)
    expect((await second).accessToken).toBe('access-4')
    expect(await world.row()).toMatchObject({ generation: 3, leaseOwner: null })
    expect((await world.tokens()).refreshToken).toBe('refresh-4')
  })

  it('that the provider answered last, by its own clock, is saved over what the other saved', async () => {
    const { world, one, two, first, second, request, takeover } = await takenOver()
    takeover.sending.answeredAt(start)
    takeover.answer(tokensOf(3, world.storeTime))
    await world.pass(500, two)
    await second
    request.sending.answeredAt(start + 2000)
    request.answer(tokensOf(4, world.storeTime))
    await world.pass(500, one)
    expect((await first).accessToken).toBe('access-4')
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
