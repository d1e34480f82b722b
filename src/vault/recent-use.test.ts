// Use is written down behind everybody's back: seldom, in batches, and it harms nothing when it fails.
import { describe, expect, it } from 'vitest'
import { VirtualTime } from '../../test/vault/virtual-world.ts'
import { StoreError } from '../errors.ts'
import { RecentUse } from './recent-use.ts'

const hour = 3_600_000

function recording(fail = () => false) {
  const time = new VirtualTime()
  const touched: string[][] = []
  const touch = (ids: readonly string[]) => {
    touched.push([...ids])
    if (fail()) throw new StoreError('store_busy', 'busy')
  }
  const use = new RecentUse({ store: { touch }, idle: time.sleep })
  return { time, touched, use }
}

describe('a use', () => {
  it('is written once an hour and connection, a moment later, with those of others', async () => {
    const { time, touched, use } = recording()
    for (let call = 0; call < 100; call += 1) {
      use.notice({ id: 'a', usedAt: time.ms - hour }, time.ms)
      use.notice({ id: 'b', usedAt: time.ms - 5 * hour }, time.ms)
      use.notice({ id: 'c', usedAt: time.ms - hour + 1 }, time.ms)
    }
    expect(touched).toEqual([])
    await time.advance(1000)
    expect(touched).toEqual([['a', 'b']])
    await time.advance(hour)
    expect(touched).toHaveLength(1)
  })

  it('of very many is written in several steps', async () => {
    const { time, touched, use } = recording()
    for (let row = 0; row < 1200; row += 1) use.notice({ id: `${row}`, usedAt: 0 }, time.ms)
    await time.advance(1000)
    expect(touched.map(({ length }) => length)).toEqual([500, 500, 200])
  })

  it('that the store does not take is said again by the next', async () => {
    let failing = true
    const { time, touched, use } = recording(() => failing)
    use.notice({ id: 'a', usedAt: 0 }, time.ms)
    await time.advance(1000)
    failing = false
    use.notice({ id: 'a', usedAt: 0 }, time.ms)
    await time.advance(1000)
    expect(touched).toEqual([['a'], ['a']])
  })

  it('is written when the vault is closed, and none is noticed after', async () => {
    const { time, touched, use } = recording()
    use.notice({ id: 'a', usedAt: 0 }, time.ms)
    await use.close()
    use.notice({ id: 'b', usedAt: 0 }, time.ms)
    await time.advance(2000)
    expect(touched).toEqual([['a']])
  })
})
