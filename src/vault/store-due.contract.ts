// The part of the store contract about due times: what a scheduler asks for, and what readers tell it.
// Not part of the package; `store.contract.ts` runs it on every store.
import { expect, it } from 'vitest'
import { answer, grant, outage, type StoreFixture, start } from './store-fixture.contract.ts'

/** Declares it. */
export function dueContract(fixture: StoreFixture): void {
  nextDue(fixture)
  claims(fixture)
  uses(fixture)
}

/** Puts rows that are due so many milliseconds after the start. */
async function putDue(
  fixture: StoreFixture,
  due: Record<string, [provider: string, dueInMs: number | null]>,
) {
  for (const [id, [provider, dueInMs]] of Object.entries(due)) {
    const dueAt = dueInMs === null ? null : start + dueInMs
    await fixture.store.putGrant(grant({ id, user: id, provider, dueAt, refreshDueAt: dueAt }))
  }
}

function nextDue(fixture: StoreFixture): void {
  it('are known for each provider: the earliest', async () => {
    expect(await fixture.store.nextDue('t')).toEqual([])
    await putDue(fixture, { a: ['slack', 300], b: ['slack', 200], c: ['github', 900], d: ['x', null] })
    await fixture.store.putGrant(grant({ id: 'other', tenant: 'u', dueAt: start + 1 }))
    const due = (await fixture.store.nextDue('t')).toSorted((a, b) => a.dueAt - b.dueAt)
    expect(due).toEqual([
      { provider: 'slack', dueAt: start + 200 },
      { provider: 'github', dueAt: start + 900 },
    ])
  })

  it('count for active rows alone', async () => {
    await fixture.store.putGrant(grant())
    await fixture.lease('one')
    await fixture.store.markNeedsReconnect('id-1', 'one', 1, 'refused')
    expect(await fixture.store.nextDue('t')).toEqual([])
    await fixture.store.putGrant(grant({ generation: 2 }))
    expect(await fixture.store.nextDue('t')).toHaveLength(1)
    await fixture.store.markRevoked('id-1')
    expect(await fixture.store.nextDue('t')).toEqual([])
  })

  it('move with a refresh, and with a failure to the end of its back-off', async () => {
    await fixture.store.putGrant(grant({ dueAt: start }))
    await fixture.lease('one')
    await fixture.store.recordFailure('id-1', 'one', 1, { ...outage, retryInMs: 499.5 })
    expect(await fixture.row()).toMatchObject({ dueAt: start + 500, retryAt: start + 500 })
    expect(await fixture.store.nextDue('t')).toEqual([{ provider: 'slack', dueAt: start + 500 }])
    await fixture.lease('one')
    await fixture.store.saveTokens('id-1', 'one', 1, { ...answer, dueAt: start + 7000 })
    expect(await fixture.store.nextDue('t')).toEqual([{ provider: 'slack', dueAt: start + 7000 }])
  })
}

function claims(fixture: StoreFixture): void {
  const claim = async (limit: number, provider = 'slack') =>
    (await fixture.store.claimDue('t', provider, limit, 60_000)).map(({ id }) => id)

  it('are claimed on the millisecond, the longest overdue first, each once', async () => {
    await putDue(fixture, { a: ['slack', 30], b: ['slack', 10], c: ['slack', 20], d: ['slack', 41] })
    await putDue(fixture, { e: ['github', 1], f: ['slack', null] })
    fixture.now += 9
    expect(await claim(10)).toEqual([])
    fixture.now += 31
    expect(await claim(2)).toEqual(['b', 'c'])
    expect(await claim(2)).toEqual(['a'])
    expect(await claim(2)).toEqual([])
    expect(await fixture.store.claimDue('u', 'slack', 10, 1000)).toEqual([])
    expect(await claim(10, 'github')).toEqual(['e'])
  })

  it('come up again when the claim is over', async () => {
    await putDue(fixture, { a: ['slack', 0], b: ['slack', 90_000] })
    expect(await fixture.store.claimDue('t', 'slack', 1, 60_000)).toMatchObject([
      { id: 'a', dueAt: start + 60_000, refreshDueAt: start, generation: 1, keyId: 'key-1' },
    ])
    expect(await fixture.row('a')).toMatchObject({ dueAt: start + 60_000, leaseOwner: null })
    expect(await fixture.store.nextDue('t')).toEqual([{ provider: 'slack', dueAt: start + 60_000 }])
    fixture.now += 59_999
    expect(await claim(1)).toEqual([])
    fixture.now += 1
    expect(await claim(9)).toEqual(['a'])
  })

  it('are claimed of active rows alone', async () => {
    await putDue(fixture, { 'id-1': ['slack', 0], b: ['slack', 0] })
    await fixture.lease('one')
    await fixture.store.markNeedsReconnect('id-1', 'one', 1, 'refused')
    await fixture.store.markRevoked('b')
    expect(await claim(10)).toEqual([])
  })
}

function uses(fixture: StoreFixture): void {
  it('come forward to the renewal when somebody uses an idle connection', async () => {
    await fixture.store.putGrant(grant({ dueAt: start + 500_000_000 }))
    await fixture.store.putGrant(grant({ id: 'id-2', user: 'bob', dueAt: start + 500_000_000 }))
    fixture.now += 1000
    await fixture.store.touch(['id-1', 'unknown'])
    expect(await fixture.row()).toMatchObject({
      usedAt: start + 1000,
      dueAt: start + 3_300_000,
      updatedAt: start,
    })
    expect(await fixture.row('id-2')).toMatchObject({ usedAt: start, dueAt: start + 500_000_000 })
    expect(await fixture.store.find('t', 'ada', 'slack')).toMatchObject([{ usedAt: start + 1000 }])
  })

  it('stay when they are earlier, in a back-off, or never', async () => {
    await fixture.store.putGrant(grant({ dueAt: start + 5 }))
    await fixture.store.putGrant(grant({ id: 'id-2', user: 'bob', refreshDueAt: null, dueAt: null }))
    await fixture.store.putGrant(grant({ id: 'id-3', user: 'eve', refreshDueAt: null, dueAt: start + 7 }))
    await fixture.store.touch(['id-1', 'id-2', 'id-3'])
    expect((await fixture.row()).dueAt).toBe(start + 5)
    expect((await fixture.row('id-2')).dueAt).toBeNull()
    expect((await fixture.row('id-3')).dueAt).toBe(start + 7)
    fixture.now += 4_000_000
    await fixture.lease('one')
    await fixture.store.recordFailure('id-1', 'one', 1, outage)
    await fixture.store.touch(['id-1'])
    expect((await fixture.row()).dueAt).toBe(fixture.now + 500)
  })

  it('are told of very many rows at once', async () => {
    const ids = Array.from({ length: 260 }, (_, index) => `id-${index}`)
    for (const id of ids.slice(0, 5)) await fixture.store.putGrant(grant({ id, user: id }))
    await fixture.store.putGrant(grant({ id: 'id-259', user: 'last' }))
    fixture.now += 1000
    await fixture.store.touch(ids)
    const usedAt = (await fixture.store.list({ tenant: 't' })).map((row) => row.usedAt)
    expect(usedAt).toEqual(usedAt.map(() => start + 1000))
  })

  it('are remembered as the latest, whatever order they are told in', async () => {
    await fixture.store.putGrant(grant())
    fixture.now += 5000
    await fixture.store.touch(['id-1'])
    fixture.now -= 3000
    await fixture.store.touch(['id-1', 'id-1'])
    await fixture.store.touch([])
    expect((await fixture.row()).usedAt).toBe(start + 5000)
  })
}
