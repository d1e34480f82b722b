// The narrow places of the refresh protocol, on a virtual clock: a process that stands still in the worst moment, a store
// whose acknowledgement is lost, a verdict that the store cannot take, a connection that is made again meanwhile.
import { describe, expect, it } from 'vitest'
import {
  caught,
  only,
  outage,
  type Process,
  place,
  refused,
  registration,
  settle,
  start,
  tokensOf,
  World,
  withAfter,
  withBefore,
  withFailing,
} from '../../test/vault/virtual-world.ts'
import { StoreError, TimeoutError } from '../errors.ts'
import { readHistoryNote } from './history-note.ts'

const busy = () => new StoreError('store_busy', 'busy')

describe('a process that stands still between its intent and its request', () => {
  /** One's intent is on the disk, but it learns of it only when `goOn` is called. */
  async function stopped() {
    const world = new World()
    const row = await world.connect()
    let goOn = () => {}
    let isStopped = true
    const standStill = () =>
      isStopped ? new Promise<void>((resolve) => (goOn = resolve)) : Promise.resolve()
    const one = world.process({ store: withAfter(world.store, 'writeIntent', standStill) })
    const two = world.process()
    const first = one.refresher.refresh(row)
    await settle()
    const resume = () => {
      isStopped = false
      goOn()
    }
    return { world, row, one, two, first, resume }
  }

  it('sends nothing when another took over, and serves what that one saved', async () => {
    const { world, row, one, two, first, resume } = await stopped()
    await world.pass(1100, two)
    const second = two.refresher.refresh(row)
    await world.pass(1300, two)
    only(two.requests).answer(tokensOf(2, world.storeTime))
    expect((await second).accessToken).toBe('access-2')
    resume()
    await world.pass(1000, one)
    expect((await first).accessToken).toBe('access-2')
    expect(one.requests).toEqual([])
  })

  it('sends nothing while the other is at it', async () => {
    const { world, row, one, two, first, resume } = await stopped()
    await world.pass(1100, two)
    const second = two.refresher.refresh(row)
    await world.pass(300, two)
    resume()
    await world.pass(2000, one, two)
    expect(one.requests).toEqual([])
    only(two.requests).answer(tokensOf(2, world.storeTime))
    await world.pass(500, one, two)
    expect([(await first).accessToken, (await second).accessToken]).toEqual(['access-2', 'access-2'])
  })

  it('proves its lease again and sends, when nobody took over', async () => {
    const { world, one, first, resume } = await stopped()
    world.storeTime += 900
    resume()
    await settle()
    expect((await world.row()).leaseUntil).toBe(start + 1900)
    only(one.requests).answer(tokensOf(2, world.storeTime))
    expect((await first).accessToken).toBe('access-2')
  })

  it('is stopped at the last moment, too: right before the request leaves', async () => {
    const world = new World()
    const row = await world.connect()
    const two = world.process()
    let leave = () => {}
    const sent: string[] = []
    const one = world.process({
      refresh: async (_registration, { refreshToken }, sending) => {
        await new Promise<void>((resolve) => (leave = resolve))
        await sending.assertInTime()
        sent.push(refreshToken ?? '')
        return tokensOf(2, world.storeTime)
      },
    })
    const first = one.refresher.refresh(row)
    await settle()
    await world.pass(1100, two)
    const second = two.refresher.refresh(row)
    await world.pass(1300, two)
    only(two.requests).answer(tokensOf(2, world.storeTime))
    await second
    leave()
    await world.pass(500, one)
    expect((await first).accessToken).toBe('access-2')
    expect(sent).toEqual([])
  })

  it('gives up after three proofs that came too late, retryably', async () => {
    const world = new World()
    const row = await world.connect()
    const late = async () => {
      world.storeTime += 400
    }
    const one = world.process({ store: withAfter(world.store, 'writeIntent', late) })
    const error = await caught(one.refresher.refresh(row))
    expect(error).toMatchObject({ name: 'RefreshFailedError', retryable: true })
    expect(one.requests).toEqual([])
    expect(await world.row()).toMatchObject({ status: 'active', leaseOwner: null, failures: 0 })
  })
})

describe('a lost acknowledgement', () => {
  const lost = (times: number) => {
    let left = times
    return async () => {
      left -= 1
      if (left >= 0) throw busy()
    }
  }

  it('of the saving is not taken for somebody else’s newer token', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process({ store: withAfter(world.store, 'saveTokens', lost(1)) })
    const result = one.refresher.refresh(row)
    await settle()
    only(one.requests).answer(tokensOf(2, start))
    await world.pass(200, one)
    expect((await result).accessToken).toBe('access-2')
    expect(await world.row()).toMatchObject({ generation: 2, leaseOwner: null })
    expect(one.events).toEqual(['refresh_failed', 'refreshed'])
  })

  it('of the verdict costs no second probe', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process({ store: withAfter(world.store, 'markNeedsReconnect', lost(1)) })
    const result = caught(one.refresher.refresh(row))
    await settle()
    only(one.requests).fail(refused('invalid_grant'))
    await world.pass(200, one)
    expect(await result).toMatchObject({ code: 'needs_reconnect' })
    expect(one.requests).toHaveLength(1)
  })
})

describe('an outcome that the store cannot take', () => {
  async function unable(name: 'markNeedsReconnect' | 'recordFailure') {
    const world = new World()
    const row = await world.connect()
    let failing = true
    const store = withFailing(world.store, name, () => (failing ? busy() : undefined))
    const mend = () => {
      failing = false
    }
    return { world, row, one: world.process({ store }), mend }
  }

  it('that the grant is dead: nobody probes again, and it is written as soon as it can be', async () => {
    const { world, row, one, mend } = await unable('markNeedsReconnect')
    const two = world.process()
    const result = caught(one.refresher.refresh(row))
    await settle()
    only(one.requests).fail(refused('invalid_grant'))
    await world.pass(6000, one)
    expect(await result).toMatchObject({ name: 'StoreError', code: 'store_unavailable' })
    const again = caught(one.refresher.refresh(row))
    const other = caught(two.refresher.refresh(row))
    await world.pass(1000, one, two)
    mend()
    await world.pass(3000, one, two)
    expect(await again).toMatchObject({ code: 'needs_reconnect' })
    expect(await other).toMatchObject({ code: 'needs_reconnect' })
    expect([...one.requests, ...two.requests]).toHaveLength(1)
    expect(one.events).toEqual(['needs_reconnect'])
  })

  it('that the provider is down: it is left alone all the same', async () => {
    const { world, row, one, mend } = await unable('recordFailure')
    const result = caught(one.refresher.refresh(row))
    await settle()
    only(one.requests).fail(outage())
    await world.pass(6000, one)
    await result
    expect(one.requests).toHaveLength(1)
    mend()
    await world.pass(2000, one)
    expect(await world.row()).toMatchObject({ failures: 1, leaseOwner: null })
  })
})

describe('a store that is out for longer than the lease', () => {
  it('costs nothing: who takes over waits for the owner that has the answer', async () => {
    const world = new World()
    const row = await world.connect()
    let isOut = false
    const out = () => (isOut ? busy() : undefined)
    const failing = withFailing(withFailing(world.store, 'saveTokens', out), 'extendLease', out)
    const one = world.process({ store: failing })
    const two = world.process()
    const first = one.refresher.refresh(row)
    await settle()
    isOut = true
    only(one.requests).answer(tokensOf(2, start))
    await world.pass(4000, one)
    isOut = false
    const second = two.refresher.refresh(row)
    await world.pass(2000, one, two)
    expect([(await first).accessToken, (await second).accessToken]).toEqual(['access-2', 'access-2'])
    expect(two.requests).toEqual([])
    expect(await world.row()).toMatchObject({ generation: 2, leaseOwner: null })
  })

  it('costs nothing, either, when who takes over stood still since before that owner began', async () => {
    const world = new World()
    const row = await world.connect()
    let isOut = false
    const out = () => (isOut ? busy() : undefined)
    const failing = withFailing(withFailing(world.store, 'saveTokens', out), 'extendLease', out)
    const one = world.process({ store: failing })
    let goOn = () => {}
    let still: Promise<void> | undefined = new Promise<void>((resolve) => (goOn = resolve))
    const two = world.process({ store: withBefore(world.store, 'acquireLease', () => still) })
    const second = two.refresher.refresh(row)
    await settle()
    const first = one.refresher.refresh(row)
    await settle()
    isOut = true
    only(one.requests).answer(tokensOf(2, start))
    await world.pass(4000, one)
    still = undefined
    goOn()
    await settle()
    isOut = false
    await world.pass(2000, one, two)
    expect(two.requests).toEqual([])
    expect([(await first).accessToken, (await second).accessToken]).toEqual(['access-2', 'access-2'])
  })

  it('is waited for by nobody whose predecessor said how it ended', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process({ random: () => 0 })
    const result = one.refresher.refresh(row)
    await settle()
    one.requests[0]?.fail(new TimeoutError('slow', 1))
    await settle()
    expect(one.requests).toHaveLength(2)
    one.requests[1]?.answer(tokensOf(2, world.storeTime))
    await result
  })
})

describe('a token that was saved late', () => {
  it('and is refused at its next use was lost to the interruption, not to a person', async () => {
    const world = new World()
    const row = await world.connect()
    const [one, two] = [world.process(), world.process()]
    const first = one.refresher.refresh(row)
    await settle()
    const second = caught(two.refresher.refresh(row))
    await world.pass(2500, two)
    only(two.requests).fail(refused('invalid_grant'))
    await world.pass(100, two)
    expect(await second).toMatchObject({ code: 'needs_reconnect' })
    only(one.requests).answer(tokensOf(2, world.storeTime, world.storeTime + 1))
    await first
    expect(await world.row()).toMatchObject({ status: 'active', generation: 2 })
    const again = caught(two.refresher.refresh(await world.row()))
    await settle()
    two.requests[1]?.fail(refused('invalid_grant'))
    expect(await again).toMatchObject({ code: 'needs_reconnect' })
    expect(await world.row()).toMatchObject({ status: 'needs_reconnect', reason: 'interrupted' })
  })
})

describe('a refusal that comes after a double spend that we know of', () => {
  it('was the saver that stood still in the very saving', async () => {
    const world = new World()
    const row = await world.connect()
    let goOn = () => {}
    const standStill = () => new Promise<void>((resolve) => (goOn = resolve))
    const one = world.process({ store: withBefore(world.store, 'saveTokens', standStill) })
    const two = world.process()
    const first = one.refresher.refresh(row)
    await settle()
    only(one.requests).answer(tokensOf(2, world.storeTime, world.storeTime + 1))
    await settle()
    const second = caught(two.refresher.refresh(row))
    await world.pass(2500, two)
    only(two.requests).fail(refused('invalid_grant'))
    await world.pass(100, two)
    expect(await second).toMatchObject({ code: 'needs_reconnect' })
    goOn()
    await settle()
    expect(await world.row()).toMatchObject({ status: 'active', generation: 2 })
    const again = caught(two.refresher.refresh(await world.row()))
    await settle()
    two.requests[1]?.fail(refused('invalid_grant'))
    await again
    expect(await world.row()).toMatchObject({ status: 'needs_reconnect', reason: 'interrupted' })
    first.catch(() => {})
  })

  it('was the sender of a token that had been replaced, who has not heard yet', async () => {
    const world = new World()
    const row = await world.connect()
    const [one, two] = [world.process(), world.process()]
    const first = caught(one.refresher.refresh(row))
    await settle()
    const second = two.refresher.refresh(row)
    await world.pass(2500, two)
    only(two.requests).answer(tokensOf(2, world.storeTime, world.storeTime + 1))
    await second
    const again = caught(two.refresher.refresh(await world.row()))
    await settle()
    two.requests[1]?.fail(refused('invalid_grant'))
    await again
    expect(await world.row()).toMatchObject({ status: 'needs_reconnect', reason: 'interrupted' })
    only(one.requests).fail(refused('invalid_grant'))
    await world.pass(100, one)
    await first
  })

  it('was the sender of a token that had been replaced', async () => {
    const world = new World()
    const row = await world.connect()
    const [one, two] = [world.process(), world.process()]
    const first = one.refresher.refresh(row)
    await settle()
    const second = two.refresher.refresh(row)
    await world.pass(2500, two)
    only(two.requests).answer(tokensOf(2, world.storeTime, world.storeTime + 1))
    await second
    only(one.requests).fail(refused('invalid_grant'))
    await world.pass(100, one)
    first.catch(() => {})
    expect(await world.row()).toMatchObject({ status: 'active', generation: 2, leaseOwner: null })
    const again = caught(two.refresher.refresh(await world.row()))
    await world.pass(100, two)
    two.requests[1]?.fail(refused('invalid_grant'))
    await again
    expect(await world.row()).toMatchObject({ status: 'needs_reconnect', reason: 'interrupted' })
  })
})

it('tokens that ended while their saving stood still are renewed again, once', async () => {
  const world = new World()
  const row = await world.connect()
  let goOn = () => {}
  let isStopped = true
  const standStill = () => (isStopped ? new Promise<void>((resolve) => (goOn = resolve)) : Promise.resolve())
  const one = world.process({ store: withBefore(world.store, 'saveTokens', standStill) })
  const result = one.refresher.refresh(row)
  await settle()
  only(one.requests).answer(tokensOf(2, world.storeTime, world.storeTime + 500))
  await settle()
  one.time.ms += 600
  world.storeTime += 600
  isStopped = false
  goOn()
  await settle()
  one.requests[1]?.answer(tokensOf(3, world.storeTime))
  expect((await result).accessToken).toBe('access-3')
})

describe('closing', () => {
  it('sends nothing any more', async () => {
    const world = new World()
    const row = await world.connect()
    let found = () => {}
    const one = world.process({
      prepare: () => new Promise((resolve) => (found = () => resolve(registration))),
    })
    const result = caught(one.refresher.refresh(row))
    await settle()
    const closing = one.refresher.close()
    found()
    await closing
    expect(await result).toMatchObject({ code: 'closed' })
    expect(one.requests).toEqual([])
    expect(await world.row()).toMatchObject({ leaseOwner: null, intentHash: null })
  })

  it('goes on saving an answer for a while when the store is unable to take it', async () => {
    const world = new World()
    const row = await world.connect()
    let failing = true
    const store = withFailing(world.store, 'saveTokens', () => (failing ? busy() : undefined))
    const one = world.process({ store })
    const result = one.refresher.refresh(row)
    await settle()
    only(one.requests).answer(tokensOf(2, start))
    await settle()
    const closing = one.refresher.close()
    await world.pass(3000, one)
    failing = false
    await world.pass(1000, one)
    await closing
    expect((await result).accessToken).toBe('access-2')
    expect(await world.row()).toMatchObject({ generation: 2 })
  })

  it('ends all the same when the store stays unable', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process({ store: withFailing(world.store, 'saveTokens', busy) })
    const result = caught(one.refresher.refresh(row))
    await settle()
    only(one.requests).answer(tokensOf(2, start))
    await settle()
    let closed = false
    const closing = one.refresher.close().then(() => {
      closed = true
    })
    await world.pass(9000, one)
    expect(closed).toBe(false)
    await world.pass(3000, one)
    await closing
    expect(await result).toMatchObject({ name: 'StoreError' })
  })
})

describe('a connection that was made again meanwhile', () => {
  it('is not ended by revoking what a refresh of the one before received', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process()
    const result = caught(one.refresher.refresh(row))
    await settle()
    await world.store.markRevoked('id')
    await world.store.deleteRevoked('id')
    const again = { ...place, id: 'again', generation: 1 }
    await world.store.putGrant({ ...again, ...world.sealed.seal(again, tokensOf(9, start)) })
    only(one.requests).answer(tokensOf(2, start))
    expect(await result).toMatchObject({ code: 'not_connected' })
    expect(one.abandoned).toEqual([])
  })
})

describe('a failure before the request', () => {
  it('is not uncertain: nothing was sent', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process({
      prepare: async () => {
        throw new TimeoutError('no metadata', 1000)
      },
    })
    const result = caught(one.refresher.refresh(row))
    await settle()
    const [entry] = (await world.store.history('id')).filter(({ type }) => type === 'refresh_failed')
    expect(entry?.reason).toBe('provider_unavailable')
    expect(entry && readHistoryNote(entry, 'refresh_failed')).toMatchObject({ kind: 'transient' })
    await one.refresher.close()
    await result
  })
})

it('a lost answer costs nothing where refresh tokens are not replaced: a refusal after it is a refusal', async () => {
  const world = new World()
  const row = await world.connect()
  const provider = { ...registration.provider, refreshTokenRotation: false }
  const one = world.process({ registration: async () => ({ ...registration, provider }) })
  const result = caught(one.refresher.refresh(row))
  await settle()
  one.requests[0]?.fail(new TimeoutError('slow', 1))
  await world.pass(1000, one)
  one.requests[1]?.fail(refused('invalid_grant'))
  await result
  expect(await world.row()).toMatchObject({ status: 'needs_reconnect', reason: 'refused' })
})

describe('what history says', () => {
  async function notes(one: Process, world: World, answer: () => void) {
    const result = caught(one.refresher.refresh(await world.row())).catch(() => {})
    await settle()
    answer()
    await settle()
    await Promise.race([result, settle()])
    return world.store.history('id')
  }

  it('of a refresh: how long it took, and whether the refresh token was replaced', async () => {
    const world = new World()
    await world.connect()
    const one = world.process()
    const entries = await notes(one, world, () => {
      world.storeTime += 250
      only(one.requests).sending.answeredAt(start + 1000)
      only(one.requests).answer(tokensOf(2, start).with({ scopes: ['b', 'a'] }))
    })
    const entry = only(entries.filter(({ type }) => type === 'refreshed'))
    expect(readHistoryNote(entry, 'refreshed')).toEqual({
      ...{ ms: 250, rotated: true, scopes: ['b', 'a'], sentAt: start, answeredAt: start + 1000 },
    })
    expect(one.events).toEqual(['refreshed', 'scope_changed'])
  })

  it('of a failure: what was said, and when it is tried again', async () => {
    const world = new World()
    await world.connect()
    const one = world.process()
    const entries = await notes(one, world, () => only(one.requests).fail(refused('invalid_client', 401)))
    const entry = only(entries.filter(({ type }) => type === 'refresh_failed'))
    expect(readHistoryNote(entry, 'refresh_failed')).toEqual({
      ...{ kind: 'ours', status: 401, error: '"invalid_client"', retryInMs: 500 },
    })
  })

  it('of the end: the provider’s word for it, and whether a refresh was interrupted', async () => {
    const world = new World()
    await world.connect()
    const one = world.process()
    const entries = await notes(one, world, () => only(one.requests).fail(refused('invalid_grant')))
    const entry = only(entries.filter(({ type }) => type === 'needs_reconnect'))
    expect(readHistoryNote(entry, 'needs_reconnect')).toEqual({
      ...{ error: '"invalid_grant"', status: 400, interrupted: false },
    })
  })
})

describe('those who wait for another process', () => {
  /** The first row that it reads reaches it when `goOn` is called, and is old by then. */
  function slowReader(world: World, changes: Parameters<World['process']>[0] = {}) {
    let goOn = () => {}
    let isFirst = true
    const store = withAfter(world.store, 'get', async () => {
      if (isFirst) await new Promise<void>((resolve) => (goOn = resolve))
      isFirst = false
    })
    return { two: world.process({ ...changes, store }), goOn: () => goOn() }
  }

  it('keep the pause that it left behind when it failed just then', async () => {
    const world = new World()
    const row = await world.connect()
    const { two, goOn } = slowReader(world)
    const second = two.refresher.refresh(row)
    await settle()
    const one = world.process({ random: () => 1 })
    const first = caught(one.refresher.refresh(row))
    await settle()
    only(one.requests).fail(outage())
    await settle()
    goOn()
    await world.pass(800, two)
    expect(two.requests).toEqual([])
    expect(await world.row()).toMatchObject({ failures: 1, leaseOwner: null })
    await world.pass(400, two)
    only(two.requests).answer(tokensOf(2, world.storeTime))
    expect((await second).accessToken).toBe('access-2')
    await one.refresher.close()
    await first
  })

  it('look once more before they give up: the result may be there by then', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process()
    const first = one.refresher.refresh(row)
    await settle()
    const { two, goOn } = slowReader(world, { waitMs: -1 })
    const second = two.refresher.refresh(row)
    await settle()
    only(one.requests).answer(tokensOf(2, world.storeTime))
    await first
    goOn()
    expect((await second).accessToken).toBe('access-2')
  })

  it('are served also when they join a refresh in the background that is just giving up', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process()
    const first = one.refresher.refresh(row)
    await settle()
    // The last look before it gives up takes a while: that is when somebody joins.
    let reads = 0
    let goOn = () => {}
    const store = withAfter(world.store, 'get', async () => {
      reads += 1
      if (reads === 2) await new Promise<void>((resolve) => (goOn = resolve))
    })
    const two = world.process({ store })
    const background = caught(two.refresher.refresh(row, { background: true }))
    await settle()
    const joined = two.refresher.refresh(row)
    goOn()
    expect(await background).toMatchObject({ name: 'RefreshFailedError' })
    await world.pass(1000, one, two)
    only(one.requests).answer(tokensOf(2, world.storeTime))
    await world.pass(500, one, two)
    expect((await joined).accessToken).toBe('access-2')
    await first
    expect(two.requests).toEqual([])
  })

  it('only read meanwhile: nobody writes to the row but who has its lease', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process()
    const first = one.refresher.refresh(row)
    await settle()
    let attempts = 0
    const counting = withAfter(world.store, 'acquireLease', async () => {
      attempts += 1
    })
    const two = world.process({ store: counting })
    const second = two.refresher.refresh(row)
    await world.pass(20_000, one, two)
    only(one.requests).answer(tokensOf(2, world.storeTime))
    await world.pass(500, one, two)
    expect([(await first).accessToken, (await second).accessToken]).toEqual(['access-2', 'access-2'])
    expect(attempts).toBe(0)
  })
})

describe('a chain of processes that die one after the other', () => {
  it('is waited for twice as long as one of them, and no longer', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process({ waitMs: 5000 })
    let ended = 0
    await world.store.acquireLease('id', 1, 'dead-0', 2000)
    const result = caught(one.refresher.refresh(row)).then((error) => {
      ended = world.storeTime - start
      return error
    })
    for (let owner = 1; ended === 0 && owner < 20; owner += 1) {
      await world.pass(1900, one)
      await world.store.releaseLease('id', `dead-${owner - 1}`)
      await world.store.acquireLease('id', 1, `dead-${owner}`, 2000)
    }
    expect(await result).toMatchObject({ name: 'RefreshFailedError', retryable: true })
    expect(one.requests).toEqual([])
    expect(ended).toBeGreaterThan(9000)
    expect(ended).toBeLessThan(13_000)
  })
})

describe('a refusal that came late', () => {
  it('is remembered: who heard it does not ask again when it gets the lease', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process()
    const first = caught(one.refresher.refresh(row))
    await settle()
    // Another takes over, and dies before it has sent anything.
    world.storeTime += 1100
    await world.store.acquireLease('id', 1, 'dies', 1000)
    only(one.requests).fail(refused('invalid_grant'))
    await settle()
    expect(await world.row()).toMatchObject({ status: 'active', leaseOwner: 'dies' })
    await world.pass(3000, one)
    expect(await first).toMatchObject({ code: 'needs_reconnect' })
    expect(one.requests).toHaveLength(1)
    expect(one.events).toEqual(['needs_reconnect'])
  })

  it('says nothing about the tokens that somebody else has saved since', async () => {
    const world = new World()
    const row = await world.connect()
    const one = world.process()
    const first = one.refresher.refresh(row)
    await settle()
    await world.store.saveTokens(
      ...(['id', 'other', 1] as const),
      world.sealed.seal({ ...place, generation: 2 }, tokensOf(2, start, start + 5000)),
    )
    only(one.requests).fail(refused('invalid_grant'))
    await settle()
    expect((await first).accessToken).toBe('access-2')
    world.storeTime += 6000
    const again = one.refresher.refresh(await world.row())
    await settle()
    one.requests[1]?.answer(tokensOf(3, world.storeTime))
    expect((await again).accessToken).toBe('access-3')
  })
})

it('an attempt that took long is not followed by another for the same caller', async () => {
  const world = new World()
  const row = await world.connect()
  const one = world.process({ random: () => 0 })
  const result = caught(one.refresher.refresh(row))
  await world.pass(6000, one)
  only(one.requests).fail(new TimeoutError('slow', 6000))
  expect(await result).toMatchObject({ name: 'RefreshFailedError', retryable: true })
  expect(one.requests).toHaveLength(1)
})

describe('a failure that came late', () => {
  it('changes nothing, and gives the lease back, when a late answer was saved meanwhile', async () => {
    const world = new World()
    const row = await world.connect()
    const [one, two] = [world.process(), world.process()]
    const first = one.refresher.refresh(row)
    await settle()
    const second = two.refresher.refresh(row)
    await world.pass(2500, two)
    only(one.requests).answer(tokensOf(2, world.storeTime))
    await first
    only(two.requests).fail(outage())
    await settle()
    expect((await second).accessToken).toBe('access-2')
    expect(await world.row()).toMatchObject({ generation: 2, leaseOwner: null, failures: 0, retryAt: null })
    expect(two.events).toEqual([])
  })
})

it('a caller is not kept waiting for the revocation of what nobody wants', async () => {
  const world = new World()
  const row = await world.connect()
  let revoked = () => {}
  const one = world.process({ abandon: () => new Promise<void>((resolve) => (revoked = resolve)) })
  const result = caught(one.refresher.refresh(row))
  await settle()
  await world.store.markRevoked('id')
  only(one.requests).answer(tokensOf(2, start))
  expect(await result).toMatchObject({ code: 'not_connected' })
  let closed = false
  const closing = one.refresher.close().then(() => {
    closed = true
  })
  await settle()
  expect(closed).toBe(false)
  revoked()
  await closing
})
