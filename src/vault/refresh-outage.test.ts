// Refreshing through trouble, on a virtual clock: provider down, client refused, store unable, vault closing.
import { describe, expect, it } from 'vitest'
import {
  caught,
  only,
  outage,
  refused,
  settle,
  start,
  tokensOf,
  World,
  withFailing,
} from '../../test/vault/virtual-world.ts'
import { NetworkError, StoreError, TokenEndpointError } from '../errors.ts'

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

  it('is left alone after three attempts, also when chance asks for no pause', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process({ random: () => 0 })
    const result = caught(one.refresher.refresh(row))
    for (let attempt = 0; attempt < 5; attempt++) {
      await settle()
      one.requests[attempt]?.fail(outage())
    }
    await settle()
    expect(one.requests).toHaveLength(3)
    expect(await result).toMatchObject({ name: 'RefreshFailedError', retryable: true })
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
