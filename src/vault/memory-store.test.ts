// The memory store keeps the contract of every store, and costs a scheduler what is due.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { memoryStore } from './memory-store.ts'
import { storeContract } from './store.contract.ts'
import { grant, key } from './store-fixture.contract.ts'

storeContract('the memory store', { open: ({ now }) => memoryStore({ now }) })

it('gives out due rows in their order, whatever happened to them before', () => {
  const times = fc.array(fc.nat(50), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(times, times, (dueTimes, uses) => {
      const store = memoryStore({ now: () => 1000 })
      store.addKey(key())
      const rows = dueTimes.map((dueAt, index) => grant({ id: `${index}`, user: `${index}`, dueAt }))
      for (const row of rows) store.putGrant({ ...row, refreshDueAt: row.dueAt })
      // Some are due at other times by now, and some twice at the same.
      for (const [index, dueAt] of uses.entries()) {
        const row = rows[index]
        if (row === undefined) continue
        Object.assign(row, { dueAt, generation: row.generation + 1 })
        store.putGrant(row)
      }
      const claimed = store.claimDue('t', 'slack', 100, 1) as readonly { id: string }[]
      const order = claimed.map(({ id }) => rows[Number(id)]?.dueAt)
      expect(order).toEqual(rows.map(({ dueAt }) => dueAt).toSorted((a, b) => Number(a) - Number(b)))
      expect(store.claimDue('t', 'slack', 100, 1)).toEqual([])
    }),
    { numRuns: 200 },
  )
})
