// The contract of every store, as one suite: run unchanged on each of them.
// Not part of the package; a new store's test calls `storeContract` with a way to open a fresh one.
import { describe, expect, it } from 'vitest'
import { StoreError } from '../errors.ts'
import type { Page, RowFilter, Store } from './store.ts'
import { auditContract } from './store-audit.contract.ts'
import { dueContract } from './store-due.contract.ts'
import {
  answer,
  bytes,
  grant,
  key,
  outage,
  StoreFixture,
  type StoreUnderTest,
  start,
  thrown,
} from './store-fixture.contract.ts'
import { historyContract } from './store-history.contract.ts'
import { keyContract } from './store-keys.contract.ts'
import { refreshContract } from './store-refresh.contract.ts'

export type { StoreUnderTest } from './store-fixture.contract.ts'

/** Declares the suite for one kind of store. */
export function storeContract(name: string, underTest: StoreUnderTest): void {
  describe(`${name} keeps the store contract`, () => {
    const fixture = new StoreFixture(underTest)
    describe('the store', () => theStore(fixture))
    describe('grants', () => grants(fixture))
    describe('addresses', () => addresses(fixture))
    describe('listing', () => listing(fixture))
    describe('reading a token', () => readingToken(fixture))
    refreshContract(fixture)
    describe('history', () => historyContract(fixture, underTest.watches ?? false))
    describe('due times', () => dueContract(fixture))
    describe('pending authorizations', () => pending(fixture))
    describe('named values', () => namedValues(fixture))
    describe('sealing keys', () => keyContract(fixture))
    describe('audit lines', () => auditContract(fixture))
  })
}

function theStore(fixture: StoreFixture): void {
  it('has a name for messages', () => {
    expect(fixture.store.name).toMatch(/\w/)
  })

  it('has the clock that leases and back-off go by, in whole milliseconds', async () => {
    expect(fixture.store.now()).toBe(start)
    fixture.now += 1234
    expect(fixture.store.now()).toBe(start + 1234)
    await fixture.store.putGrant(grant())
    expect((await fixture.row()).createdAt).toBe(start + 1234)
  })

  it('P51 shares nothing with another new store', async () => {
    const other = await fixture.another()
    await fixture.store.putGrant(grant())
    expect(await other.list({ tenant: 't' })).toEqual([])
    expect(await other.putGrant(grant())).toBe(true)
    await other.close()
    expect(await fixture.row()).toMatchObject({ id: 'id-1' })
  })

  it('refuses everything once it is closed, and closes twice', async () => {
    const { store } = fixture
    await store.close()
    await store.close()
    for (const [name, call] of Object.entries(everyCall(store))) {
      const error = await thrown(call)
      expect(error, name).toBeInstanceOf(StoreError)
      expect(error, name).toMatchObject({ code: 'closed' })
    }
  })
}

/** Each method, by name: a new one has to be added here. */
function everyCall(
  store: Store,
): Record<Exclude<keyof Store, 'name' | 'origin' | 'now' | 'watch' | 'close'>, () => unknown> {
  const [id, owner] = ['id-1', 'one']
  return {
    get: () => store.get(id),
    find: () => store.find('t', 'ada', 'slack'),
    list: () => store.list({ tenant: 't' }),
    history: () => store.history(id),
    touch: () => store.touch([id]),
    putGrant: () => store.putGrant(grant()),
    nextDue: () => store.nextDue('t'),
    claimDue: () => store.claimDue('t', 'slack', 1, 1000),
    acquireLease: () => store.acquireLease(id, 1, owner, 1000),
    extendLease: () => store.extendLease(id, owner, 1000),
    releaseLease: () => store.releaseLease(id, owner),
    writeIntent: () => store.writeIntent(id, owner, 1, 'hash', 1000),
    saveTokens: () => store.saveTokens(id, owner, 1, answer),
    recordFailure: () => store.recordFailure(id, owner, 1, outage),
    markNeedsReconnect: () => store.markNeedsReconnect(id, owner, 1, 'refused'),
    markRevoked: () => store.markRevoked(id),
    deleteRevoked: () => store.deleteRevoked(id),
    putPending: () => store.putPending('key', bytes(1), start + 1000, 'key-1'),
    takePending: () => store.takePending('key'),
    forgetUser: () => store.forgetUser('t', 'ada', 'person'),
    getMeta: () => store.getMeta('name'),
    putMetaIfAbsent: () => store.putMetaIfAbsent('name', bytes(1)),
    replaceMeta: () => store.replaceMeta('name', bytes(1), bytes(2)),
    keys: () => store.keys(),
    addKey: () => store.addKey(key('key-2')),
    makePrimary: () => store.makePrimary('key-1'),
    removeKey: () => store.removeKey('key-1'),
    keyUse: () => store.keyUse(),
    sealedOtherwise: () => store.sealedOtherwise('key-1', 1),
    metaSealedOtherwise: () => store.metaSealedOtherwise('key-1'),
    reseal: () => store.reseal(id, bytes(1), bytes(2), 'key-1'),
    auditHead: () => store.auditHead('t'),
    appendAudit: () => store.appendAudit('t', [{ seq: 1, at: start, entry: '{}', hash: bytes(1) }]),
    auditLines: () => store.auditLines('t', 0, 1),
  }
}

function grants(fixture: StoreFixture): void {
  it('keeps every member of a new grant', async () => {
    expect(await fixture.store.putGrant(grant())).toBe(true)
    expect(await fixture.row()).toEqual({
      ...grant(),
      ...{ status: 'active', reason: null, failures: 0, retryAt: null },
      ...{ leaseOwner: null, leaseUntil: null, intentAt: null, intentHash: null },
      ...{ grantedAt: start, usedAt: start, createdAt: start, updatedAt: start },
    })
    expect(await fixture.store.get('id-2')).toBeUndefined()
  })

  it('keeps a grant without an end', async () => {
    await fixture.store.putGrant(grant({ expiresAt: null, refreshDueAt: null, dueAt: null }))
    expect(await fixture.row()).toMatchObject({ expiresAt: null, refreshDueAt: null, dueAt: null })
  })

  it('keeps a large sealed value as it is', async () => {
    const sealed = Uint8Array.from({ length: 40_000 }, (_, index) => (index * 31) % 256)
    await fixture.store.putGrant(grant({ sealed }))
    expect(Buffer.compare((await fixture.row()).sealed, sealed)).toBe(0)
  })

  it('lets one of two new grants for one address win', async () => {
    expect(await fixture.store.putGrant(grant())).toBe(true)
    expect(await fixture.store.putGrant(grant({ id: 'id-2' }))).toBe(false)
    expect((await fixture.store.list({ tenant: 't' })).map(({ id }) => id)).toEqual(['id-1'])
  })

  it('does not take an id twice', async () => {
    await fixture.store.putGrant(grant())
    expect(await fixture.store.putGrant(grant({ user: 'bob' }))).toBe(false)
    expect(await fixture.row()).toMatchObject({ user: 'ada' })
  })

  it('does not replace what is not there', async () => {
    expect(await fixture.store.putGrant(grant({ generation: 2 }))).toBe(false)
    expect(await fixture.store.list({ tenant: 't' })).toEqual([])
  })

  it('replaces a grant of the generation before, and nothing else', async () => {
    await fixture.store.putGrant(grant())
    await fixture.lease('owner')
    await fixture.store.writeIntent('id-1', 'owner', 1, 'hash', 1000)
    await fixture.store.recordFailure('id-1', 'owner', 1, { reason: 'x', retryInMs: 5, uncertain: true })
    fixture.now += 5000
    expect(await fixture.store.putGrant(grant({ generation: 3 }))).toBe(false)
    expect(await fixture.store.putGrant(grant({ generation: 2, id: 'id-2' }))).toBe(false)
    const again = grant({ generation: 2, scopes: '[]', sealed: bytes(9), dueAt: start + 9 })
    expect(await fixture.store.putGrant(again)).toBe(true)
    expect(await fixture.row()).toEqual({
      ...again,
      ...{ status: 'active', reason: null, failures: 0, retryAt: null },
      ...{ leaseOwner: null, leaseUntil: null, intentAt: null, intentHash: null },
      ...{ grantedAt: fixture.now, usedAt: fixture.now, createdAt: start, updatedAt: fixture.now },
    })
  })

  it('revives one that is dead, or being disconnected', async () => {
    await fixture.store.putGrant(grant())
    await fixture.lease('one')
    await fixture.store.markNeedsReconnect('id-1', 'one', 1, 'refused')
    expect(await fixture.store.putGrant(grant({ generation: 2 }))).toBe(true)
    expect(await fixture.row()).toMatchObject({ status: 'active', reason: null })
    await fixture.store.markRevoked('id-1')
    expect(await fixture.store.putGrant(grant({ generation: 3 }))).toBe(true)
    expect(await fixture.row()).toMatchObject({ status: 'active', reason: null, generation: 3 })
  })
}

function addresses(fixture: StoreFixture): void {
  const odd = [
    '../../x',
    '%',
    '_',
    "'",
    '"; DROP TABLE connection; --',
    '\\',
    'ada ',
    'ADA',
    '*',
    '🔑',
    'é',
    'e\u0301',
  ]

  it('P48 P49 takes odd names as nothing but data', async () => {
    for (const [index, name] of odd.entries()) {
      const place = { tenant: name, user: name, provider: name, account: name }
      expect(await fixture.store.putGrant(grant({ id: `id-${index}`, ...place }))).toBe(true)
    }
    for (const [index, name] of odd.entries()) {
      const found = await fixture.store.list({ tenant: name, user: name, provider: name, account: name })
      expect(found.map(({ id }) => id)).toEqual([`id-${index}`])
      expect(found[0]).toMatchObject({ tenant: name, user: name, provider: name, account: name })
      expect(await fixture.store.list({ tenant: name })).toHaveLength(1)
      expect((await fixture.store.find(name, name, name)).map(({ id }) => id)).toEqual([`id-${index}`])
      expect((await fixture.store.find(name, name, name, name)).map(({ id }) => id)).toEqual([`id-${index}`])
    }
  })
}

function listing(fixture: StoreFixture): void {
  const places = [
    ['t', 'bob', 'slack', 'default'],
    ['t', 'ada', 'slack', 'work'],
    ['t', 'ada', 'slack', 'default'],
    ['t', 'ada', 'github', 'default'],
    ['other', 'ada', 'slack', 'default'],
  ] as const
  const names = async (filter: Omit<RowFilter, 'tenant'>, page?: Page) =>
    (await fixture.store.list({ tenant: 't', ...filter }, page)).map(({ id }) => id)
  const put = async (all: readonly (readonly [string, string, string, string])[]) => {
    for (const [tenant, user, provider, account] of all) {
      const id =
        tenant === 't' ? `${user} ${provider} ${account}` : `${tenant} ${user} ${provider} ${account}`
      await fixture.store.putGrant(grant({ id, tenant, user, provider, account }))
    }
  }

  it('goes by any part of the address, in order, never across tenants', async () => {
    await put(places)
    const everything = ['ada github default', 'ada slack default', 'ada slack work', 'bob slack default']
    expect(await names({})).toEqual(everything)
    expect(await names({ user: undefined })).toEqual(everything)
    expect(await names({ user: 'ada', provider: 'slack' })).toEqual(['ada slack default', 'ada slack work'])
    expect(await names({ user: 'ada', provider: 'slack', account: 'work' })).toEqual(['ada slack work'])
    const slack = ['ada slack default', 'bob slack default']
    expect(await names({ provider: 'slack', account: 'default' })).toEqual(slack)
    expect(await names({ user: 'nobody' })).toEqual([])
  })

  it('is in the order of UTF-8 bytes', async () => {
    const users = ['B', '\ufffd', 'a', 'é', '🔑', 'aa', 'Z', 'a b']
    await put(users.map((user) => ['t', user, 'p', 'd'] as const))
    const found = (await fixture.store.list({ tenant: 't' })).map(({ user }) => user)
    expect(found).toEqual(users.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
    expect(found.slice(-2)).toEqual(['\ufffd', '🔑'])
  })

  it('goes on behind a row, page by page, whether that is there or not', async () => {
    await put(places)
    expect(await names({}, { limit: 2 })).toEqual(['ada github default', 'ada slack default'])
    const after = { user: 'ada', provider: 'slack', account: 'default' }
    expect(await names({}, { after, limit: 1 })).toEqual(['ada slack work'])
    expect(await names({}, { after, limit: 9 })).toEqual(['ada slack work', 'bob slack default'])
    expect(await names({ provider: 'slack' }, { after, limit: 9 })).toEqual([
      'ada slack work',
      'bob slack default',
    ])
    const gone = { user: 'ada', provider: 'h', account: 'z' }
    expect(await names({}, { after: gone, limit: 1 })).toEqual(['ada slack default'])
    expect(await names({}, { after: { ...after, user: 'zoe' }, limit: 9 })).toEqual([])
  })
}

function readingToken(fixture: StoreFixture): void {
  it('finds what it needs, by account', async () => {
    for (const account of ['work', 'default', 'Z'])
      await fixture.store.putGrant(grant({ id: account, account, sealed: bytes(account.length) }))
    await fixture.store.putGrant(grant({ id: 'else', user: 'bob' }))
    const needed = (account: string) => ({
      ...{ id: account, tenant: 't', user: 'ada', provider: 'slack', account, generation: 1 },
      ...{ status: 'active', refreshDueAt: start + 3_300_000, retryAt: null, usedAt: start },
      sealed: bytes(account.length),
    })
    const found = await fixture.store.find('t', 'ada', 'slack')
    expect(found).toHaveLength(3)
    for (const [index, account] of ['Z', 'default', 'work'].entries())
      expect(found[index]).toMatchObject(needed(account))
    expect(await fixture.store.find('t', 'ada', 'slack', 'work')).toMatchObject([needed('work')])
    expect(await fixture.store.find('t', 'ada', 'github')).toEqual([])
    expect(await fixture.store.find('t', 'ada', 'slack', 'play')).toEqual([])
    expect(await fixture.store.find('u', 'ada', 'slack')).toEqual([])
  })

  it('finds dead and disconnected rows too, as they are now', async () => {
    await fixture.store.putGrant(grant())
    await fixture.lease('one')
    await fixture.store.recordFailure('id-1', 'one', 1, outage)
    expect(await fixture.store.find('t', 'ada', 'slack')).toMatchObject([{ retryAt: start + 500 }])
    await fixture.lease('one')
    await fixture.store.saveTokens('id-1', 'one', 1, answer)
    expect(await fixture.store.find('t', 'ada', 'slack')).toMatchObject([
      { generation: 2, refreshDueAt: null, retryAt: null, sealed: answer.sealed },
    ])
    await fixture.store.markRevoked('id-1')
    expect(await fixture.store.find('t', 'ada', 'slack')).toMatchObject([{ status: 'revoked' }])
  })
}

function pending(fixture: StoreFixture): void {
  it('are taken once', async () => {
    await fixture.store.putPending('key', bytes(1), start + 1000, 'key-1')
    expect(await fixture.store.takePending('other')).toBeUndefined()
    expect(await fixture.store.takePending('key')).toEqual(bytes(1))
    expect(await fixture.store.takePending('key')).toBeUndefined()
  })

  it('P49 end at their time, on the millisecond', async () => {
    await fixture.store.putPending('one', bytes(1), start + 1000, 'key-1')
    await fixture.store.putPending('two', bytes(2), start + 1000, 'key-1')
    fixture.now += 999
    expect(await fixture.store.takePending('one')).toEqual(bytes(1))
    fixture.now += 1
    expect(await fixture.store.takePending('two')).toBeUndefined()
  })

  it('are dropped by the next one when they are over', async () => {
    await fixture.store.putPending('one', bytes(1), start + 1000, 'key-1')
    fixture.now += 1000
    await fixture.store.putPending('two', bytes(2), start + 5000, 'key-1')
    fixture.now -= 500
    expect(await fixture.store.takePending('one')).toBeUndefined()
    expect(await fixture.store.takePending('two')).toEqual(bytes(2))
  })

  it('are forgotten with the person who began them, and with them what remains of the history', async () => {
    const { store } = fixture
    await store.putPending('one', bytes(1), start + 1000, 'key-1', 'person-1')
    await store.putPending('two', bytes(2), start + 1000, 'key-1', 'person-1')
    await store.putPending('three', bytes(3), start + 1000, 'key-1', 'person-2')
    await store.putPending('four', bytes(4), start + 1000, 'key-1')
    for (const [id, user] of [
      ['gone', 'ada'],
      ['bob', 'bob'],
    ] as const) {
      await store.putGrant(grant({ id, user }))
      await store.markRevoked(id)
      await store.deleteRevoked(id)
    }
    await store.putGrant(grant())
    expect(await store.forgetUser('t', 'ada', 'person-1')).toBe(2)
    expect(await store.forgetUser('t', 'ada', 'person-1')).toBe(0)
    expect(await store.takePending('one')).toBeUndefined()
    expect(await store.takePending('three')).toEqual(bytes(3))
    expect(await store.takePending('four')).toEqual(bytes(4))
    expect([await fixture.told('gone'), await fixture.told('bob')]).toEqual([[], ['revoked']])
    expect(await fixture.told()).toEqual(['connected'])
  })

  it('of another tenant’s user of that name stay', async () => {
    await fixture.store.putGrant(grant({ tenant: 'u' }))
    await fixture.store.markRevoked('id-1')
    await fixture.store.deleteRevoked('id-1')
    expect(await fixture.store.forgetUser('t', 'ada', 'person-1')).toBe(0)
    expect(await fixture.told()).toEqual(['revoked'])
  })
}

function namedValues(fixture: StoreFixture): void {
  it('are kept: the first of two of one name', async () => {
    expect(await fixture.store.getMeta('name')).toBeUndefined()
    expect(await fixture.store.putMetaIfAbsent('name', bytes(1))).toBe(true)
    expect(await fixture.store.putMetaIfAbsent('name', bytes(2))).toBe(false)
    expect(await fixture.store.getMeta('name')).toEqual(bytes(1))
    expect(await fixture.store.getMeta('other')).toBeUndefined()
  })

  it('are replaced as long as they are what they were', async () => {
    expect(await fixture.store.replaceMeta('name', bytes(1), bytes(2))).toBe(false)
    await fixture.store.putMetaIfAbsent('name', bytes(1))
    expect(await fixture.store.replaceMeta('name', bytes(1), bytes(2, 2))).toBe(true)
    expect(await fixture.store.replaceMeta('name', bytes(1), bytes(3))).toBe(false)
    expect(await fixture.store.getMeta('name')).toEqual(bytes(2, 2))
  })
}
