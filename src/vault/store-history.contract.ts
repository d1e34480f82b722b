// The part of the store contract about a connection's history.
// Not part of the package; `store.contract.ts` runs it on every store.
import { beforeEach, expect, it } from 'vitest'
import { type HistoryEntry, historyLimit } from './store.ts'
import { answer, bytes, dayMs, grant, outage, type StoreFixture, start } from './store-fixture.contract.ts'

/** Declares it. @param watches whether the store tells of what is committed. */
export function historyContract(fixture: StoreFixture, watches: boolean): void {
  beforeEach(async () => {
    await fixture.store.putGrant(grant(), '{"a":1}')
  })

  it('tells of a consent, the first and the next', async () => {
    const address = { tenant: 't', user: 'ada', provider: 'slack', account: 'default' }
    const connected = {
      ...{ connectionId: 'id-1', type: 'connected', ...address, generation: 1, reason: null },
      ...{ at: start, lastAt: start, count: 1, note: '{"a":1}', seq: expect.any(Number) },
    }
    expect(await fixture.store.history('id-1')).toEqual([connected])
    fixture.now += 5
    await fixture.store.putGrant(grant({ generation: 2 }))
    const again = { ...connected, generation: 2, at: fixture.now, lastAt: fixture.now, note: null }
    expect(await fixture.store.history('id-1')).toEqual([connected, again])
    expect(await fixture.store.history('id-9')).toEqual([])
  })

  it('tells of a refresh, with the generation after it', async () => {
    await fixture.lease('one')
    await fixture.store.saveTokens('id-1', 'one', 1, answer, '{"ms":7}')
    expect(await fixture.last()).toMatchObject({
      ...{ type: 'refreshed', generation: 2, note: '{"ms":7}', reason: null },
    })
  })

  it('tells why a person is needed', async () => {
    await fixture.lease('one')
    await fixture.store.markNeedsReconnect('id-1', 'one', 1, 'refused', '{}')
    expect(await fixture.last()).toMatchObject({
      ...{ type: 'needs_reconnect', generation: 1, reason: 'refused', note: '{}' },
    })
  })

  it('tells nothing of what did not happen, nor of what is no event', async () => {
    await fixture.store.putGrant(grant({ id: 'id-2' }))
    await fixture.store.putGrant(grant({ generation: 3 }))
    await fixture.store.saveTokens('id-1', 'one', 2, answer)
    await fixture.store.recordFailure('id-1', 'one', 1, outage)
    await fixture.store.markNeedsReconnect('id-1', 'one', 1, 'refused')
    await fixture.lease('one')
    await fixture.store.writeIntent('id-1', 'one', 1, 'hash', 1000)
    await fixture.store.extendLease('id-1', 'one', 1000)
    await fixture.store.releaseLease('id-1', 'one')
    await fixture.store.touch(['id-1'])
    await fixture.store.markRevoked('id-1')
    expect(await fixture.told()).toEqual(['connected'])
    expect(await fixture.told('id-2')).toEqual([])
  })

  failuresInRow(fixture)
  takeOvers(fixture)
  theEnd(fixture)

  it('is numbered in order, over all connections', async () => {
    await fixture.store.putGrant(grant({ id: 'id-2', user: 'bob' }))
    await fixture.store.putGrant(grant({ generation: 2 }))
    const [first, third] = await fixture.store.history('id-1')
    const [second] = await fixture.store.history('id-2')
    expect(first?.seq).toBeLessThan(second?.seq ?? 0)
    expect(second?.seq).toBeLessThan(third?.seq ?? 0)
  })

  it(`keeps the last ${historyLimit} entries`, async () => {
    for (let generation = 2; generation <= historyLimit + 12; generation += 1)
      await fixture.store.putGrant(grant({ generation }))
    const kept = await fixture.store.history('id-1')
    expect(kept).toHaveLength(historyLimit)
    expect(kept.map(({ generation }) => generation)).toEqual(
      Array.from({ length: historyLimit }, (_, index) => index + 13),
    )
  })

  it(
    watches
      ? 'is told as it is committed'
      : 'is not told of: that takes a store that hears of other processes',
    async () => {
      const heard: HistoryEntry[] = []
      const stop = await fixture.store.watch?.(
        (entry) => heard.push(entry),
        () => {},
      )
      expect(stop !== undefined).toBe(watches)
      if (stop === undefined) return
      await fixture.lease('one')
      await fixture.store.recordFailure('id-1', 'one', 1, outage)
      await fixture.lease('one')
      await fixture.store.recordFailure('id-1', 'one', 1, outage)
      await fixture.lease('one')
      await fixture.store.saveTokens('id-1', 'one', 1, answer, '{"ms":7}')
      await expect.poll(() => heard.length).toBe(3)
      expect(heard.map(({ type, count }) => [type, count])).toEqual([
        ['refresh_failed', 1],
        ['refresh_failed', 2],
        ['refreshed', 1],
      ])
      expect(heard.at(-1)).toEqual(await fixture.last())
      await stop()
    },
  )
}

function failuresInRow(fixture: StoreFixture): void {
  const fail = async (reason: string, note?: string) => {
    await fixture.lease('one')
    await fixture.store.recordFailure('id-1', 'one', 1, { ...outage, reason }, note)
    fixture.now += 1000
  }

  it('counts failures of one reason in a row, in one entry', async () => {
    await fail('outage', '{"n":1}')
    const first = await fixture.last()
    expect(first).toMatchObject({
      ...{ type: 'refresh_failed', reason: 'outage', at: start, lastAt: start, count: 1, note: '{"n":1}' },
    })
    await fail('outage', '{"n":2}')
    await fail('outage')
    expect(await fixture.told()).toEqual(['connected', 'refresh_failed'])
    expect(await fixture.last()).toEqual({ ...first, lastAt: start + 2000, count: 3, note: null })
  })

  it('begins another entry for another reason, and after anything else', async () => {
    await fail('outage')
    await fail('timeout')
    await fail('outage')
    await fixture.lease('one')
    await fixture.store.saveTokens('id-1', 'one', 1, answer)
    await fixture.store.acquireLease('id-1', 2, 'one', 1000)
    await fixture.store.recordFailure('id-1', 'one', 2, { ...outage, reason: 'outage' })
    const told = (await fixture.store.history('id-1')).map(({ type, reason, count }) => [type, reason, count])
    expect(told).toEqual([
      ['connected', null, 1],
      ['refresh_failed', 'outage', 1],
      ['refresh_failed', 'timeout', 1],
      ['refresh_failed', 'outage', 1],
      ['refreshed', null, 1],
      ['refresh_failed', 'outage', 1],
    ])
  })
}

function takeOvers(fixture: StoreFixture): void {
  it('tells of a lease whose owner let it run out, and of the intent that was left', async () => {
    await fixture.lease('one')
    fixture.now += 1000
    await fixture.lease('two')
    expect(await fixture.last()).toMatchObject({ type: 'lease_taken_over', generation: 1, reason: null })
    expect(JSON.parse((await fixture.last())?.note ?? '')).toEqual({ intent: false })
    await fixture.store.writeIntent('id-1', 'two', 1, 'hash', 1000)
    fixture.now += 1000
    await fixture.lease('three')
    expect(JSON.parse((await fixture.last())?.note ?? '')).toEqual({ intent: true })
    expect(await fixture.told()).toEqual(['connected', 'lease_taken_over', 'lease_taken_over'])
  })

  it('does not take a lease for taken over that was free, or the owner’s own', async () => {
    await fixture.lease('one')
    await fixture.store.releaseLease('id-1', 'one')
    await fixture.lease('two')
    fixture.now += 1000
    await fixture.lease('two')
    expect(await fixture.lease('three')).toBeUndefined()
    expect(await fixture.told()).toEqual(['connected'])
  })
}

function theEnd(fixture: StoreFixture): void {
  it('ends with one entry, for a day', async () => {
    await fixture.store.putGrant(grant({ generation: 2 }))
    expect(await fixture.store.deleteRevoked('id-1', '{}')).toBe(false)
    await fixture.store.markRevoked('id-1')
    fixture.now += 10
    await fixture.store.deleteRevoked('id-1', '{"by":"disconnect"}')
    const end = { type: 'revoked', generation: 2, at: fixture.now, note: '{"by":"disconnect"}', user: 'ada' }
    expect(await fixture.store.history('id-1')).toMatchObject([end])
    fixture.now += dayMs - 1
    expect(await fixture.store.history('id-1')).toMatchObject([end])
    fixture.now += 1
    expect(await fixture.store.history('id-1')).toEqual([])
  })

  it('of one connection is not that of the next at its address', async () => {
    await fixture.store.markRevoked('id-1')
    await fixture.store.deleteRevoked('id-1')
    await fixture.store.putGrant(grant({ id: 'id-2', sealed: bytes(8) }))
    expect([await fixture.told(), await fixture.told('id-2')]).toEqual([['revoked'], ['connected']])
  })
}
