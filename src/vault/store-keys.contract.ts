// The part of the store contract about sealing keys: which there are, and that nothing is sealed with another.
// Not part of the package; `store.contract.ts` runs it on every store.
import { expect, it } from 'vitest'
import { KeyError } from '../errors.ts'
import { answer, bytes, grant, key, type StoreFixture, start, thrown } from './store-fixture.contract.ts'

/** Declares it. */
export function keyContract(fixture: StoreFixture): void {
  table(fixture)
  removal(fixture)
  resealing(fixture)
  retired(fixture)
}

function table(fixture: StoreFixture): void {
  const ids = async () => (await fixture.store.keys()).map(({ id, primary }) => `${id}${primary ? '*' : ''}`)

  it('are known from when they are added; the first is the primary', async () => {
    expect(await fixture.store.keys()).toEqual([
      { ...key(), primary: true, createdAt: start, wrapped: null, check: bytes(7, 7) },
    ])
    fixture.now += 10
    const wrapped = { id: 'key-2', check: bytes(2), wrapped: bytes(1, 2, 3) }
    expect(await fixture.store.addKey(wrapped)).toBe(true)
    expect((await fixture.store.keys())[1]).toEqual({ ...wrapped, primary: false, createdAt: start + 10 })
  })

  it('are added once', async () => {
    expect(await fixture.store.addKey({ ...key(), check: bytes(9), wrapped: bytes(9) })).toBe(false)
    expect(await fixture.store.keys()).toMatchObject([{ id: 'key-1', check: bytes(7, 7), wrapped: null }])
  })

  it('get the check text that an older version did not keep', async () => {
    await fixture.store.addKey({ id: 'key-2', check: bytes(), wrapped: null })
    expect(await fixture.store.addKey({ id: 'key-2', check: bytes(5), wrapped: null })).toBe(true)
    expect(await fixture.store.addKey({ id: 'key-2', check: bytes(6), wrapped: null })).toBe(false)
    expect(await fixture.store.keys()).toMatchObject([{ id: 'key-1' }, { id: 'key-2', check: bytes(5) }])
  })

  it('are listed with the primary first, then the oldest first', async () => {
    for (const id of ['key-3', 'key-2', 'key-4']) {
      fixture.now += 1
      await fixture.store.addKey(key(id))
    }
    expect(await ids()).toEqual(['key-1*', 'key-3', 'key-2', 'key-4'])
    expect(await fixture.store.makePrimary('key-2')).toBe(true)
    expect(await fixture.store.makePrimary('key-2')).toBe(true)
    expect(await fixture.store.makePrimary('key-9')).toBe(false)
    expect(await ids()).toEqual(['key-2*', 'key-1', 'key-3', 'key-4'])
  })
}

function removal(fixture: StoreFixture): void {
  it('are removed when nothing is sealed with them', async () => {
    await fixture.store.addKey(key('key-2'))
    expect(await fixture.store.removeKey('key-2')).toBe(true)
    expect(await fixture.store.removeKey('key-2')).toBe(false)
    expect(await fixture.store.keys()).toMatchObject([{ id: 'key-1' }])
  })

  it('are not removed as long as they are the primary', async () => {
    expect(await fixture.store.removeKey('key-1')).toBe(false)
    await fixture.store.addKey(key('key-2'))
    await fixture.store.makePrimary('key-2')
    expect(await fixture.store.removeKey('key-1')).toBe(true)
  })

  it('are not removed as long as anything is sealed with them, of any tenant and status', async () => {
    const { store } = fixture
    await store.addKey(key('key-2'))
    const use = async () => (await store.keyUse()).find(({ keyId }) => keyId === 'key-2')
    const removedFor = async (connections: number, others: number) => {
      expect(await use()).toEqual({ keyId: 'key-2', connections, others })
      return store.removeKey('key-2')
    }
    await store.putGrant(grant({ tenant: 'u', keyId: 'key-2' }))
    await store.markRevoked('id-1')
    await store.putMetaIfAbsent('name', bytes(1), 'key-2')
    await store.putPending('key', bytes(1), start + 1000, 'key-2')
    expect(await removedFor(1, 2)).toBe(false)
    await store.deleteRevoked('id-1')
    expect(await removedFor(0, 2)).toBe(false)
    await store.replaceMeta('name', bytes(1), bytes(2), 'key-1')
    expect(await removedFor(0, 1)).toBe(false)
    fixture.now += 1000 // The authorization is over.
    expect(await removedFor(0, 0)).toBe(true)
  })

  it('tell how much is sealed with each, in their order', async () => {
    await fixture.store.addKey(key('key-2'))
    await fixture.store.addKey(key('key-3'))
    await fixture.store.makePrimary('key-3')
    await fixture.store.putGrant(grant({ keyId: 'key-2' }))
    await fixture.store.putGrant(grant({ id: 'id-2', user: 'bob', keyId: 'key-2' }))
    await fixture.store.putMetaIfAbsent('clear', bytes(1))
    await fixture.store.putMetaIfAbsent('sealed', bytes(1), 'key-3')
    expect(await fixture.store.keyUse()).toEqual([
      { keyId: 'key-3', connections: 0, others: 1 },
      { keyId: 'key-1', connections: 0, others: 0 },
      { keyId: 'key-2', connections: 2, others: 0 },
    ])
  })
}

function resealing(fixture: StoreFixture): void {
  it('are found with what they sealed, until it is sealed anew', async () => {
    const { store } = fixture
    for (const id of ['key-0', 'key-2']) await store.addKey(key(id))
    const keysOf = { a: 'key-0', b: 'key-1', c: 'key-2', d: 'key-2' }
    for (const [id, keyId] of Object.entries(keysOf))
      await store.putGrant(grant({ id, user: id, tenant: id, keyId }))
    const others = async (limit: number) =>
      (await store.sealedOtherwise('key-1', limit)).map(({ id }) => id).sort()
    expect(await others(9)).toEqual(['a', 'c', 'd'])
    expect(await others(2)).toHaveLength(2)
    expect(await store.reseal('a', bytes(1, 2, 3), bytes(8), 'key-1')).toBe(true)
    expect(await others(9)).toEqual(['c', 'd'])
    expect((await store.sealedOtherwise('key-1', 9)).find(({ id }) => id === 'c')).toEqual(
      await store.get('c'),
    )
  })

  it('change with what they seal, and nothing else does', async () => {
    await fixture.store.addKey(key('key-2'))
    await fixture.store.putGrant(grant())
    await fixture.lease('one')
    const before = await fixture.row()
    fixture.now += 10
    expect(await fixture.store.reseal('id-1', bytes(1, 2, 3), bytes(8), 'key-2')).toBe(true)
    expect(await fixture.row()).toEqual({ ...before, sealed: bytes(8), keyId: 'key-2' })
    expect(await fixture.store.reseal('id-1', bytes(1, 2, 3), bytes(9), 'key-1')).toBe(false)
    expect(await fixture.store.reseal('id-9', bytes(1, 2, 3), bytes(9), 'key-1')).toBe(false)
    expect(await fixture.row()).toEqual({ ...before, sealed: bytes(8), keyId: 'key-2' })
    expect(await fixture.told()).toEqual(['connected'])
  })

  it('change with a refresh and a consent', async () => {
    await fixture.store.addKey(key('key-2'))
    await fixture.store.putGrant(grant())
    await fixture.lease('one')
    await fixture.store.saveTokens('id-1', 'one', 1, { ...answer, keyId: 'key-2' })
    expect((await fixture.row()).keyId).toBe('key-2')
    await fixture.store.putGrant(grant({ generation: 3 }))
    expect((await fixture.row()).keyId).toBe('key-1')
  })

  it('are told with the names of what they sealed', async () => {
    await fixture.store.addKey(key('key-2'))
    await fixture.store.putMetaIfAbsent('clear', bytes(1))
    await fixture.store.putMetaIfAbsent('new', bytes(1), 'key-2')
    await fixture.store.putMetaIfAbsent('old', bytes(1), 'key-1')
    expect(await fixture.store.metaSealedOtherwise('key-2')).toEqual(['old'])
    await fixture.store.replaceMeta('old', bytes(1), bytes(2), 'key-2')
    expect(await fixture.store.metaSealedOtherwise('key-2')).toEqual([])
    expect([...(await fixture.store.metaSealedOtherwise('key-1'))].sort()).toEqual(['new', 'old'])
  })
}

function retired(fixture: StoreFixture): void {
  it('that were removed, or never added, seal nothing more', async () => {
    const { store } = fixture
    await store.addKey(key('key-2'))
    await store.removeKey('key-2')
    await store.putGrant(grant())
    await store.putMetaIfAbsent('name', bytes(1), 'key-1')
    await fixture.lease('one')
    const before = await fixture.row()
    const keyId = 'key-2'
    const calls: Record<string, () => unknown> = {
      putGrant: () => store.putGrant(grant({ id: 'id-2', user: 'bob', keyId })),
      replacing: () => store.putGrant(grant({ generation: 2, keyId })),
      saveTokens: () => store.saveTokens('id-1', 'one', 1, { ...answer, keyId }),
      putPending: () => store.putPending('key', bytes(1), start + 1000, keyId),
      putMetaIfAbsent: () => store.putMetaIfAbsent('other', bytes(1), keyId),
      replaceMeta: () => store.replaceMeta('name', bytes(1), bytes(2), keyId),
      reseal: () => store.reseal('id-1', bytes(1, 2, 3), bytes(8), keyId),
    }
    for (const [name, call] of Object.entries(calls)) {
      const error = await thrown(call)
      expect(error, name).toBeInstanceOf(KeyError)
      expect(error, name).toMatchObject({ code: 'key_retired', message: expect.stringContaining(keyId) })
    }
    expect(await fixture.row()).toEqual(before)
    expect(await fixture.told()).toEqual(['connected'])
    expect(await store.get('id-2')).toBeUndefined()
    expect(await store.getMeta('name')).toEqual(bytes(1))
    expect(await store.takePending('key')).toBeUndefined()
  })

  it('are not missed by a write that changes nothing', async () => {
    await fixture.store.putGrant(grant())
    const stale = { ...answer, keyId: 'key-2' }
    expect(await fixture.store.putGrant(grant({ generation: 5, keyId: 'key-2' }))).toBe(false)
    expect(await fixture.store.saveTokens('id-1', 'one', 7, stale)).toBe(false)
    expect(await fixture.store.reseal('id-1', bytes(9), bytes(8), 'key-2')).toBe(false)
  })
}
