// The contract of every store, as one suite: run unchanged on each of them.
// Not part of the package; a new store's test calls `storeContract` with a way to open a fresh one.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StoreError } from '../errors.ts'
import type { ConnectionRow, Grant, NewGrant, Store } from './store.ts'

/** How the suite gets a new, empty store with a clock of its own. */
export interface StoreUnderTest {
  open(clock: { now: () => number }): Store | Promise<Store>
}

const start = Date.UTC(2026, 0, 1)
const bytes = (...values: number[]) => Uint8Array.from(values)

function grant(changes: Partial<NewGrant> = {}): NewGrant {
  return {
    ...{ id: 'id-1', tenant: 't', user: 'ada', provider: 'slack', account: 'default', generation: 1 },
    ...{
      scopes: '["a","b"]',
      expiresAt: start + 3_600_000,
      receivedAt: start,
      refreshDueAt: start + 3_300_000,
      dueAt: start + 3_300_000,
    },
    ...{ keyId: 'key-1', sealed: bytes(1, 2, 3), ...changes },
  }
}

const key = { id: 'key-1', check: bytes(7), wrapped: null }

const answer: Grant = {
  ...{ scopes: '["a"]', expiresAt: start + 7_200_000, receivedAt: start + 1000, refreshDueAt: null },
  ...{ dueAt: null, keyId: 'key-1', sealed: bytes(4, 5) },
}

/** Declares the suite for one kind of store. */
export function storeContract(name: string, underTest: StoreUnderTest): void {
  describe(`${name} keeps the store contract`, () => {
    let now = start
    let store: Store
    const row = async (id = 'id-1'): Promise<ConnectionRow> => {
      const found = await store.get(id)
      if (found === undefined) throw new Error(`no row ${id}`)
      return found
    }
    const lease = (owner: string, generation = 1) => store.acquireLease('id-1', generation, owner, 1000)

    beforeEach(async () => {
      now = start
      store = await underTest.open({ now: () => now })
      await store.addKey(key)
    })
    afterEach(() => store.close())

    describe('grants', () => {
      it('keeps every member of a new grant', async () => {
        expect(await store.putGrant(grant())).toBe(true)
        expect(await row()).toEqual({
          ...grant(),
          ...{ status: 'active', reason: null, failures: 0, retryAt: null },
          ...{ leaseOwner: null, leaseUntil: null, intentAt: null, intentHash: null },
          ...{ grantedAt: start, usedAt: start, createdAt: start, updatedAt: start },
        })
      })

      it('keeps a grant without an end', async () => {
        await store.putGrant(grant({ expiresAt: null, refreshDueAt: null }))
        expect(await row()).toMatchObject({ expiresAt: null, refreshDueAt: null })
      })

      it('lets one of two new grants for one address win', async () => {
        expect(await store.putGrant(grant())).toBe(true)
        expect(await store.putGrant(grant({ id: 'id-2' }))).toBe(false)
        expect((await store.list({ tenant: 't' })).map(({ id }) => id)).toEqual(['id-1'])
      })

      it('replaces a grant of the generation before, and nothing else', async () => {
        await store.putGrant(grant())
        await lease('owner')
        await store.writeIntent('id-1', 'owner', 1, 'hash', 1000)
        await store.recordFailure('id-1', 'owner', 1, { reason: 'x', retryInMs: 5, uncertain: true })
        now += 5000
        expect(await store.putGrant(grant({ generation: 3 }))).toBe(false)
        expect(await store.putGrant(grant({ generation: 2, id: 'id-2' }))).toBe(false)
        expect(await store.putGrant(grant({ generation: 2, scopes: '[]', sealed: bytes(9) }))).toBe(true)
        expect(await row()).toMatchObject({
          ...{ generation: 2, scopes: '[]', sealed: bytes(9), status: 'active', reason: null },
          ...{ failures: 0, retryAt: null, intentAt: null, intentHash: null, leaseOwner: null },
          ...{ grantedAt: now, createdAt: start, updatedAt: now },
        })
      })
    })

    describe('addresses', () => {
      const odd = [
        '../../x',
        '%',
        '_',
        "'",
        '"; DROP TABLE connection; --',
        '\0',
        'a\0b',
        'ada ',
        'ADA',
        '*',
        '🔑',
      ]

      it('P48 P49 takes odd names as nothing but data', async () => {
        for (const [index, name] of odd.entries())
          await store.putGrant(
            grant({ id: `id-${index}`, tenant: name, user: name, provider: name, account: name }),
          )
        for (const [index, name] of odd.entries()) {
          const found = await store.list({ tenant: name, user: name, provider: name, account: name })
          expect(found.map(({ id }) => id)).toEqual([`id-${index}`])
          expect(found[0]).toMatchObject({ tenant: name, user: name, provider: name, account: name })
          expect(await store.list({ tenant: name })).toHaveLength(1)
          expect((await store.find(name, name, name)).map(({ id }) => id)).toEqual([`id-${index}`])
          expect((await store.find(name, name, name, name)).map(({ id }) => id)).toEqual([`id-${index}`])
        }
      })

      it('lists by any part of the address, in order, never across tenants', async () => {
        const places = [
          ['t', 'bob', 'slack', 'default'],
          ['t', 'ada', 'slack', 'work'],
          ['t', 'ada', 'slack', 'default'],
          ['t', 'ada', 'github', 'default'],
          ['other', 'ada', 'slack', 'default'],
        ] as const
        for (const [tenant, user, provider, account] of places)
          await store.putGrant(
            grant({ id: `${tenant} ${user} ${provider} ${account}`, tenant, user, provider, account }),
          )
        const ids = async (filter: { user?: string; provider?: string; account?: string }) =>
          (await store.list({ tenant: 't', ...filter })).map(({ id }) => id.slice(2))
        expect(await ids({})).toEqual([
          'ada github default',
          'ada slack default',
          'ada slack work',
          'bob slack default',
        ])
        expect(await ids({ user: 'ada', provider: 'slack' })).toEqual(['ada slack default', 'ada slack work'])
        expect(await ids({ user: 'ada', provider: 'slack', account: 'work' })).toEqual(['ada slack work'])
        expect(await ids({ provider: 'slack', account: 'default' })).toEqual([
          'ada slack default',
          'bob slack default',
        ])
        expect(await ids({ user: 'nobody' })).toEqual([])
      })
    })

    it('finds what reading a token needs, by account', async () => {
      for (const account of ['work', 'default'])
        await store.putGrant(grant({ id: account, account, sealed: bytes(account.length) }))
      await store.putGrant(grant({ id: 'else', user: 'bob' }))
      const needed = ({ id, account, length }: { id: string; account: string; length: number }) => ({
        ...{ id, tenant: 't', user: 'ada', provider: 'slack', account, generation: 1, status: 'active' },
        ...{ refreshDueAt: start + 3_300_000, retryAt: null, sealed: bytes(length) },
      })
      const [first, second] = [
        needed({ id: 'default', account: 'default', length: 7 }),
        needed({ id: 'work', account: 'work', length: 4 }),
      ]
      const all = await store.find('t', 'ada', 'slack')
      expect(all).toHaveLength(2)
      expect(all[0]).toMatchObject(first)
      expect(all[1]).toMatchObject(second)
      expect(await store.find('t', 'ada', 'slack', 'work')).toMatchObject([second])
      expect(await store.find('t', 'ada', 'github')).toEqual([])
      expect(await store.find('t', 'ada', 'slack', 'play')).toEqual([])
    })

    describe('leases', () => {
      beforeEach(async () => {
        await store.putGrant(grant())
      })

      it('gives a free lease to one owner and returns the row with it', async () => {
        expect(await lease('one')).toMatchObject({
          leaseOwner: 'one',
          leaseUntil: start + 1000,
          generation: 1,
        })
        expect(await lease('two')).toBeUndefined()
        expect(await lease('one')).toBeUndefined()
      })

      it('gives an expired lease to the next owner, on the millisecond', async () => {
        await lease('one')
        now += 999
        expect(await lease('two')).toBeUndefined()
        now += 1
        expect(await lease('two')).toMatchObject({ leaseOwner: 'two' })
      })

      it('gives a lease that a clock which has gone back since made endless to the next owner', async () => {
        now += 600_001
        await lease('one')
        now -= 599_000
        expect(await lease('two')).toBeUndefined()
        now -= 1001
        expect(await lease('two')).toMatchObject({ leaseOwner: 'two', leaseUntil: now + 1000 })
      })

      it('gives no lease on another generation, a dead grant, or a row that is gone', async () => {
        expect(await lease('one', 2)).toBeUndefined()
        expect(await store.acquireLease('id-9', 1, 'one', 1000)).toBeUndefined()
        await lease('one')
        await store.markNeedsReconnect('id-1', 'one', 1, 'refused')
        expect(await lease('two')).toBeUndefined()
      })

      it('prolongs the lease of its owner alone', async () => {
        await lease('one')
        now += 500
        expect(await store.extendLease('id-1', 'two', 1000)).toBe(false)
        expect(await store.extendLease('id-1', 'one', 1000)).toBe(true)
        expect((await row()).leaseUntil).toBe(now + 1000)
      })

      it('frees the lease of its owner alone, and leaves an intent for the next one to see', async () => {
        await lease('one')
        await store.writeIntent('id-1', 'one', 1, 'hash', 1000)
        expect(await store.releaseLease('id-1', 'two')).toBe(false)
        expect(await store.releaseLease('id-1', 'one')).toBe(true)
        expect(await row()).toMatchObject({ leaseOwner: null, leaseUntil: null, intentHash: 'hash' })
        expect(await lease('two')).toMatchObject({ leaseOwner: 'two', intentHash: 'hash' })
      })
    })

    describe('intents', () => {
      beforeEach(async () => {
        await store.putGrant(grant())
        await lease('one')
      })

      it('are written by the owner of this generation alone, and prolong the lease', async () => {
        now += 500
        expect(await store.writeIntent('id-1', 'two', 1, 'hash', 1000)).toBe(false)
        expect(await store.writeIntent('id-1', 'one', 2, 'hash', 1000)).toBe(false)
        expect(await store.writeIntent('id-1', 'one', 1, 'hash', 1000)).toBe(true)
        expect(await row()).toMatchObject({ intentAt: now, intentHash: 'hash', leaseUntil: now + 1000 })
      })

      it('are refused while the connection is being disconnected', async () => {
        await store.markRevoked('id-1')
        expect(await store.writeIntent('id-1', 'one', 1, 'hash', 1000)).toBe(false)
      })

      it('outlive their owner, for the next one to see', async () => {
        await store.writeIntent('id-1', 'one', 1, 'hash', 1000)
        now += 5000
        expect(await lease('two')).toMatchObject({ leaseOwner: 'two', intentAt: start, intentHash: 'hash' })
      })
    })

    describe('saving', () => {
      beforeEach(async () => {
        await store.putGrant(grant())
        await lease('one')
        await store.writeIntent('id-1', 'one', 1, 'hash', 1000)
      })

      it('keeps the answer as the next generation and frees lease and intent', async () => {
        now += 100
        expect(await store.saveTokens('id-1', 'one', 1, answer)).toBe(true)
        expect(await row()).toMatchObject({
          ...answer,
          ...{ generation: 2, status: 'active', leaseOwner: null, leaseUntil: null },
          ...{ intentAt: null, intentHash: null, grantedAt: start, createdAt: start, updatedAt: now },
        })
      })

      it('clears failures and back-off', async () => {
        await store.recordFailure('id-1', 'one', 1, { reason: 'outage', retryInMs: 10, uncertain: false })
        now += 10
        await lease('two')
        await store.saveTokens('id-1', 'two', 1, answer)
        expect(await row()).toMatchObject({ failures: 0, retryAt: null, reason: null })
      })

      it('lets a late owner save, without freeing the lease that another holds by now', async () => {
        now += 2000
        await lease('two')
        expect(await store.saveTokens('id-1', 'one', 1, answer)).toBe(true)
        expect(await row()).toMatchObject({ generation: 2, leaseOwner: 'two', leaseUntil: now + 1000 })
        expect(await store.markNeedsReconnect('id-1', 'two', 1, 'refused')).toBe(false)
        expect(await row()).toMatchObject({ status: 'active' })
      })

      it('never overwrites what somebody else saved meanwhile', async () => {
        now += 2000
        await lease('two')
        await store.saveTokens('id-1', 'two', 1, { ...answer, sealed: bytes(7) })
        expect(await store.saveTokens('id-1', 'one', 1, answer)).toBe(false)
        expect(await row()).toMatchObject({ generation: 2, sealed: bytes(7) })
      })

      it('revives a grant that the next owner took for dead', async () => {
        now += 2000
        await lease('two')
        await store.markNeedsReconnect('id-1', 'two', 1, 'interrupted')
        expect(await store.saveTokens('id-1', 'one', 1, answer)).toBe(true)
        expect(await row()).toMatchObject({ generation: 2, status: 'active', reason: null })
      })

      it('does not bring back a connection that is being disconnected, or is gone', async () => {
        await store.markRevoked('id-1')
        expect(await store.saveTokens('id-1', 'one', 1, answer)).toBe(false)
        await store.deleteRevoked('id-1')
        expect(await store.saveTokens('id-1', 'one', 1, answer)).toBe(false)
        expect(await store.get('id-1')).toBeUndefined()
      })
    })

    describe('failures', () => {
      const outage = { reason: 'provider_unavailable', retryInMs: 500, uncertain: false }

      beforeEach(async () => {
        await store.putGrant(grant())
        await lease('one')
        await store.writeIntent('id-1', 'one', 1, 'hash', 1000)
      })

      it('are counted, set the back-off and free the lease', async () => {
        expect(await store.recordFailure('id-1', 'one', 1, outage)).toBe(true)
        expect(await row()).toMatchObject({
          ...{ failures: 1, retryAt: start + 500, reason: 'provider_unavailable', status: 'active' },
          ...{ leaseOwner: null, leaseUntil: null, intentAt: null, intentHash: null, generation: 1 },
        })
        await lease('two')
        await store.recordFailure('id-1', 'two', 1, outage)
        expect((await row()).failures).toBe(2)
      })

      it('leave the intent when the outcome is unknown', async () => {
        await store.recordFailure('id-1', 'one', 1, { ...outage, uncertain: true })
        expect(await row()).toMatchObject({ leaseOwner: null, intentAt: start, intentHash: 'hash' })
      })

      it('of a late owner change nothing', async () => {
        now += 2000
        await lease('two')
        expect(await store.recordFailure('id-1', 'one', 1, outage)).toBe(false)
        expect(await store.markNeedsReconnect('id-1', 'one', 1, 'refused')).toBe(false)
        expect(await row()).toMatchObject({ failures: 0, status: 'active', leaseOwner: 'two' })
      })

      it('that are final mark the grant, once', async () => {
        expect(await store.markNeedsReconnect('id-1', 'one', 2, 'refused')).toBe(false)
        expect(await store.markNeedsReconnect('id-1', 'one', 1, 'refused')).toBe(true)
        expect(await row()).toMatchObject({
          ...{ status: 'needs_reconnect', reason: 'refused', leaseOwner: null, intentAt: null },
          ...{ sealed: bytes(1, 2, 3), generation: 1 },
        })
        expect(await store.markNeedsReconnect('id-1', 'one', 1, 'refused')).toBe(false)
      })
    })

    describe('disconnecting', () => {
      beforeEach(async () => {
        await store.putGrant(grant())
      })

      it('marks first, deletes then', async () => {
        expect(await store.deleteRevoked('id-1')).toBe(false)
        expect(await store.markRevoked('id-1')).toMatchObject({
          id: 'id-1',
          status: 'revoked',
          generation: 1,
        })
        expect(await lease('one')).toBeUndefined()
        expect(await store.deleteRevoked('id-1')).toBe(true)
        expect(await store.list({ tenant: 't', user: 'ada', provider: 'slack' })).toEqual([])
        expect(await store.markRevoked('id-1')).toBeUndefined()
      })

      it('does not delete what a person has just connected again', async () => {
        await store.markRevoked('id-1')
        await store.putGrant(grant({ generation: 2 }))
        expect(await store.deleteRevoked('id-1')).toBe(false)
        expect(await row()).toMatchObject({ status: 'active', generation: 2 })
      })
    })

    describe('pending authorizations', () => {
      it('are taken once', async () => {
        await store.putPending('key', bytes(1), start + 1000, 'key-1')
        expect(await store.takePending('other')).toBeUndefined()
        expect(await store.takePending('key')).toEqual(bytes(1))
        expect(await store.takePending('key')).toBeUndefined()
      })

      it('P49 end at their time, on the millisecond', async () => {
        await store.putPending('one', bytes(1), start + 1000, 'key-1')
        await store.putPending('two', bytes(2), start + 1000, 'key-1')
        now += 999
        expect(await store.takePending('one')).toEqual(bytes(1))
        now += 1
        expect(await store.takePending('two')).toBeUndefined()
      })
    })

    it('keeps the first of two values of one name', async () => {
      expect(await store.getMeta('name')).toBeUndefined()
      expect(await store.putMetaIfAbsent('name', bytes(1))).toBe(true)
      expect(await store.putMetaIfAbsent('name', bytes(2))).toBe(false)
      expect(await store.getMeta('name')).toEqual(bytes(1))
    })

    it('refuses everything once it is closed, and closes twice', async () => {
      await store.close()
      await store.close()
      const calls: (() => unknown)[] = [
        () => store.get('id-1'),
        () => store.list({ tenant: 't' }),
        () => store.putGrant(grant()),
        () => store.takePending('key'),
        () => store.getMeta('name'),
      ]
      for (const call of calls) {
        const error = await (async () => call())().catch((caught: unknown) => caught)
        expect(error).toBeInstanceOf(StoreError)
        expect(error).toMatchObject({ code: 'closed' })
      }
    })

    it('P51 shares nothing with another new store', async () => {
      const other = await underTest.open({ now: () => now })
      await other.addKey(key)
      await store.putGrant(grant())
      expect(await other.list({ tenant: 't' })).toEqual([])
      expect(await other.putGrant(grant())).toBe(true)
      await other.close()
      expect(await row()).toMatchObject({ id: 'id-1' })
    })
  })
}
