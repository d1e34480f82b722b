// The part of the store contract about audit lines.
// Not part of the package; `store.contract.ts` runs it on every store.
import { expect, it } from 'vitest'
import type { AuditLine } from './store.ts'
import { bytes, type StoreFixture, start } from './store-fixture.contract.ts'

/** Declares it. */
export function auditContract(fixture: StoreFixture): void {
  const line = (seq: number, entry = `{"n":${seq}}`): AuditLine => ({
    ...{ seq, at: start + seq, entry, hash: bytes(seq % 256, 1, 2) },
  })
  const numbers = async (afterSeq: number, limit: number) =>
    (await fixture.store.auditLines('t', afterSeq, limit)).map(({ seq }) => seq)

  it('are kept as they are, in order', async () => {
    expect(await fixture.store.auditHead('t')).toBeUndefined()
    expect(await fixture.store.auditLines('t', 0, 10)).toEqual([])
    const odd = line(2, `{"é":"🔑' ; -- ${'x'.repeat(5000)}"}`)
    expect(await fixture.store.appendAudit('t', [line(1), odd])).toBe(true)
    expect(await fixture.store.auditHead('t')).toEqual(odd)
    expect(await fixture.store.auditLines('t', 0, 10)).toEqual([line(1), odd])
  })

  it('follow the last one that is there, or are refused, all of them', async () => {
    expect(await fixture.store.appendAudit('t', [line(2)])).toBe(false)
    await fixture.store.appendAudit('t', [line(1)])
    expect(await fixture.store.appendAudit('t', [line(1, '{}'), line(2)])).toBe(false)
    expect(await fixture.store.appendAudit('t', [line(3)])).toBe(false)
    expect(await fixture.store.auditLines('t', 0, 10)).toEqual([line(1)])
    expect(await fixture.store.appendAudit('t', [line(2)])).toBe(true)
    expect(await numbers(0, 10)).toEqual([1, 2])
  })

  it('are each tenant’s own', async () => {
    await fixture.store.appendAudit('t', [line(1), line(2)])
    expect(await fixture.store.auditHead('u')).toBeUndefined()
    expect(await fixture.store.appendAudit('u', [line(1, '"u"')])).toBe(true)
    expect(await fixture.store.auditHead('t')).toEqual(line(2))
    expect(await fixture.store.auditLines('u', 0, 10)).toEqual([line(1, '"u"')])
  })

  it('are read piece by piece', async () => {
    await fixture.store.appendAudit(
      't',
      Array.from({ length: 12 }, (_, index) => line(index + 1)),
    )
    expect(await numbers(0, 5)).toEqual([1, 2, 3, 4, 5])
    expect(await numbers(5, 5)).toEqual([6, 7, 8, 9, 10])
    expect(await numbers(10, 5)).toEqual([11, 12])
    expect(await numbers(12, 5)).toEqual([])
  })
}
