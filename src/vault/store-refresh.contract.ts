// The part of the store contract that a refresh is made of: leases, intents, saving, failures, disconnecting.
// Not part of the package; `store.contract.ts` runs it on every store.
import { beforeEach, describe, expect, it } from 'vitest'
import { answer, bytes, grant, outage, type StoreFixture, start } from './store-fixture.contract.ts'

/** Declares it. */
export function refreshContract(fixture: StoreFixture): void {
  describe('leases', () => leases(fixture))
  describe('intents', () => intents(fixture))
  describe('saving', () => saving(fixture))
  describe('failures', () => failures(fixture))
  describe('disconnecting', () => disconnecting(fixture))
}

function leases(fixture: StoreFixture): void {
  beforeEach(async () => {
    await fixture.store.putGrant(grant())
  })

  it('gives a free lease to one owner and returns the row with it', async () => {
    expect(await fixture.lease('one')).toMatchObject({
      leaseOwner: 'one',
      leaseUntil: start + 1000,
      generation: 1,
    })
    expect(await fixture.lease('two')).toBeUndefined()
    expect(await fixture.lease('one')).toBeUndefined()
  })

  it('gives an expired lease to the next owner, on the millisecond', async () => {
    await fixture.lease('one')
    fixture.now += 999
    expect(await fixture.lease('two')).toBeUndefined()
    fixture.now += 1
    expect(await fixture.lease('two')).toMatchObject({ leaseOwner: 'two' })
  })

  it('gives a lease that a clock which has gone back since made endless to the next owner', async () => {
    fixture.now += 600_001
    await fixture.lease('one')
    fixture.now -= 599_000
    expect(await fixture.lease('two')).toBeUndefined()
    fixture.now -= 1001
    expect(await fixture.lease('two')).toMatchObject({ leaseOwner: 'two', leaseUntil: fixture.now + 1000 })
  })

  it('gives no lease on another generation, a dead grant, or a row that is gone', async () => {
    expect(await fixture.lease('one', 2)).toBeUndefined()
    expect(await fixture.store.acquireLease('id-9', 1, 'one', 1000)).toBeUndefined()
    await fixture.lease('one')
    await fixture.store.markNeedsReconnect('id-1', 'one', 1, 'refused')
    expect(await fixture.lease('two')).toBeUndefined()
  })

  it('prolongs the lease of its owner alone', async () => {
    await fixture.lease('one')
    fixture.now += 500
    expect(await fixture.store.extendLease('id-1', 'two', 1000)).toBe(false)
    expect(await fixture.store.extendLease('id-1', 'one', 1000)).toBe(true)
    expect((await fixture.row()).leaseUntil).toBe(fixture.now + 1000)
  })

  it('frees the lease of its owner alone, and leaves an intent for the next one to see', async () => {
    await fixture.lease('one')
    await fixture.store.writeIntent('id-1', 'one', 1, 'hash', 1000)
    expect(await fixture.store.releaseLease('id-1', 'two')).toBe(false)
    expect(await fixture.store.releaseLease('id-1', 'one')).toBe(true)
    expect(await fixture.row()).toMatchObject({ leaseOwner: null, leaseUntil: null, intentHash: 'hash' })
    expect(await fixture.lease('two')).toMatchObject({ leaseOwner: 'two', intentHash: 'hash' })
  })
}

function intents(fixture: StoreFixture): void {
  beforeEach(async () => {
    await fixture.store.putGrant(grant())
    await fixture.lease('one')
  })

  it('are written by the owner of this generation alone, and prolong the lease', async () => {
    fixture.now += 500
    expect(await fixture.store.writeIntent('id-1', 'two', 1, 'hash', 1000)).toBe(false)
    expect(await fixture.store.writeIntent('id-1', 'one', 2, 'hash', 1000)).toBe(false)
    expect(await fixture.store.writeIntent('id-1', 'one', 1, 'hash', 1000)).toBe(true)
    expect(await fixture.row()).toMatchObject({
      intentAt: fixture.now,
      intentHash: 'hash',
      leaseUntil: fixture.now + 1000,
    })
  })

  it('make a row that the scheduler looks after due when the lease ends, at the latest', async () => {
    expect((await fixture.row()).dueAt).toBeGreaterThan(fixture.now + 1000)
    await fixture.store.writeIntent('id-1', 'one', 1, 'hash', 1000)
    expect((await fixture.row()).dueAt).toBe(fixture.now + 1000)
    await fixture.store.writeIntent('id-1', 'one', 1, 'hash', 5000)
    expect((await fixture.row()).dueAt).toBe(fixture.now + 1000)
    await fixture.store.putGrant(grant({ generation: 2, dueAt: null }))
    await fixture.lease('one', 2)
    await fixture.store.writeIntent('id-1', 'one', 2, 'hash', 1000)
    expect((await fixture.row()).dueAt).toBeNull()
  })

  it('are refused while the connection is being disconnected', async () => {
    await fixture.store.markRevoked('id-1')
    expect(await fixture.store.writeIntent('id-1', 'one', 1, 'hash', 1000)).toBe(false)
  })

  it('outlive their owner, for the next one to see', async () => {
    await fixture.store.writeIntent('id-1', 'one', 1, 'hash', 1000)
    fixture.now += 5000
    expect(await fixture.lease('two')).toMatchObject({
      leaseOwner: 'two',
      intentAt: start,
      intentHash: 'hash',
    })
  })
}

function saving(fixture: StoreFixture): void {
  beforeEach(async () => {
    await fixture.store.putGrant(grant())
    await fixture.lease('one')
    await fixture.store.writeIntent('id-1', 'one', 1, 'hash', 1000)
  })

  it('keeps the answer as the next generation and frees lease and intent', async () => {
    fixture.now += 100
    expect(await fixture.store.saveTokens('id-1', 'one', 1, answer)).toBe(true)
    expect(await fixture.row()).toMatchObject({
      ...answer,
      ...{ generation: 2, status: 'active', leaseOwner: null, leaseUntil: null },
      ...{ intentAt: null, intentHash: null, grantedAt: start, createdAt: start, updatedAt: fixture.now },
    })
  })

  it('clears failures and back-off', async () => {
    await fixture.store.recordFailure('id-1', 'one', 1, { reason: 'outage', retryInMs: 10, uncertain: false })
    fixture.now += 10
    await fixture.lease('two')
    await fixture.store.saveTokens('id-1', 'two', 1, answer)
    expect(await fixture.row()).toMatchObject({ failures: 0, retryAt: null, reason: null })
  })

  it('lets a late owner save, without freeing the lease that another holds by fixture.now', async () => {
    fixture.now += 2000
    await fixture.lease('two')
    expect(await fixture.store.saveTokens('id-1', 'one', 1, answer)).toBe(true)
    expect(await fixture.row()).toMatchObject({
      generation: 2,
      leaseOwner: 'two',
      leaseUntil: fixture.now + 1000,
    })
    expect(await fixture.store.markNeedsReconnect('id-1', 'two', 1, 'refused')).toBe(false)
    expect(await fixture.row()).toMatchObject({ status: 'active' })
  })

  it('never overwrites what somebody else saved meanwhile', async () => {
    fixture.now += 2000
    await fixture.lease('two')
    await fixture.store.saveTokens('id-1', 'two', 1, { ...answer, sealed: bytes(7) })
    expect(await fixture.store.saveTokens('id-1', 'one', 1, answer)).toBe(false)
    expect(await fixture.row()).toMatchObject({ generation: 2, sealed: bytes(7) })
  })

  it('revives a grant that the next owner took for dead', async () => {
    fixture.now += 2000
    await fixture.lease('two')
    await fixture.store.markNeedsReconnect('id-1', 'two', 1, 'interrupted')
    expect(await fixture.store.saveTokens('id-1', 'one', 1, answer)).toBe(true)
    expect(await fixture.row()).toMatchObject({ generation: 2, status: 'active', reason: null })
  })

  it('does not bring back a connection that is being disconnected, or is gone', async () => {
    await fixture.store.markRevoked('id-1')
    expect(await fixture.store.saveTokens('id-1', 'one', 1, answer)).toBe(false)
    await fixture.store.deleteRevoked('id-1')
    expect(await fixture.store.saveTokens('id-1', 'one', 1, answer)).toBe(false)
    expect(await fixture.store.get('id-1')).toBeUndefined()
  })
}

function failures(fixture: StoreFixture): void {
  beforeEach(async () => {
    await fixture.store.putGrant(grant())
    await fixture.lease('one')
    await fixture.store.writeIntent('id-1', 'one', 1, 'hash', 1000)
  })

  it('are counted, set the back-off and free the lease', async () => {
    expect(await fixture.store.recordFailure('id-1', 'one', 1, outage)).toBe(true)
    expect(await fixture.row()).toMatchObject({
      ...{ failures: 1, retryAt: start + 500, reason: 'provider_unavailable', status: 'active' },
      ...{ leaseOwner: null, leaseUntil: null, intentAt: null, intentHash: null, generation: 1 },
    })
    await fixture.lease('two')
    await fixture.store.recordFailure('id-1', 'two', 1, outage)
    expect((await fixture.row()).failures).toBe(2)
  })

  it('leave the intent when the outcome is unknown', async () => {
    await fixture.store.recordFailure('id-1', 'one', 1, { ...outage, uncertain: true })
    expect(await fixture.row()).toMatchObject({ leaseOwner: null, intentAt: start, intentHash: 'hash' })
  })

  it('of a late owner change nothing', async () => {
    fixture.now += 2000
    await fixture.lease('two')
    expect(await fixture.store.recordFailure('id-1', 'one', 1, outage)).toBe(false)
    expect(await fixture.store.markNeedsReconnect('id-1', 'one', 1, 'refused')).toBe(false)
    expect(await fixture.row()).toMatchObject({ failures: 0, status: 'active', leaseOwner: 'two' })
  })

  it('that are final mark the grant, once', async () => {
    expect(await fixture.store.markNeedsReconnect('id-1', 'one', 2, 'refused')).toBe(false)
    expect(await fixture.store.markNeedsReconnect('id-1', 'one', 1, 'refused')).toBe(true)
    expect(await fixture.row()).toMatchObject({
      ...{ status: 'needs_reconnect', reason: 'refused', leaseOwner: null, intentAt: null },
      ...{ sealed: bytes(1, 2, 3), generation: 1 },
    })
    expect(await fixture.store.markNeedsReconnect('id-1', 'one', 1, 'refused')).toBe(false)
  })
}

function disconnecting(fixture: StoreFixture): void {
  beforeEach(async () => {
    await fixture.store.putGrant(grant())
  })

  it('marks first, deletes then', async () => {
    expect(await fixture.store.deleteRevoked('id-1')).toBe(false)
    expect(await fixture.store.markRevoked('id-1')).toMatchObject({
      id: 'id-1',
      status: 'revoked',
      generation: 1,
    })
    expect(await fixture.lease('one')).toBeUndefined()
    expect(await fixture.store.deleteRevoked('id-1')).toBe(true)
    expect(await fixture.store.list({ tenant: 't', user: 'ada', provider: 'slack' })).toEqual([])
    expect(await fixture.store.markRevoked('id-1')).toBeUndefined()
  })

  it('does not delete what a person has just connected again', async () => {
    await fixture.store.markRevoked('id-1')
    await fixture.store.putGrant(grant({ generation: 2 }))
    expect(await fixture.store.deleteRevoked('id-1')).toBe(false)
    expect(await fixture.row()).toMatchObject({ status: 'active', generation: 2 })
  })
}
