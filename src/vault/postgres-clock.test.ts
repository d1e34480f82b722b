// The database's clock as seen from here: the offset that answers tell, and when it is time to ask again.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { DatabaseClock } from './postgres-clock.ts'

const wall = Date.UTC(2026, 0, 1)

beforeEach(() => {
  vi.useFakeTimers({ now: wall, toFake: ['Date', 'performance', 'setTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** An answer that took so long, from a database whose clock is so far ahead. */
function answer(clock: DatabaseClock, aheadMs: number, tookMs: number): void {
  const askedAt = performance.now()
  vi.advanceTimersByTime(tookMs / 2)
  const told = Date.now() + aheadMs
  vi.advanceTimersByTime(tookMs / 2)
  clock.learn(String(told), askedAt)
}

describe('the database’s clock', () => {
  it('is this machine’s until an answer tells how far off that is', () => {
    const clock = new DatabaseClock()
    expect(clock.isOld).toBe(true)
    expect(clock.now()).toBe(Date.now())
    answer(clock, 90_000, 20)
    expect(clock.isOld).toBe(false)
    expect(clock.now()).toBe(Date.now() + 90_000)
    vi.advanceTimersByTime(5000)
    expect(clock.now()).toBe(Date.now() + 90_000)
  })

  it('prefers a quick answer to a slow one, until the quick one is old', () => {
    const clock = new DatabaseClock()
    answer(clock, 1000, 2)
    answer(clock, 1300, 800)
    expect(clock.now() - Date.now()).toBe(1000)
    vi.advanceTimersByTime(61_000)
    expect(clock.isOld).toBe(true)
    answer(clock, 1020, 20)
    expect(clock.now() - Date.now()).toBe(1020)
  })

  it('follows the database to a machine whose clock is another', () => {
    const clock = new DatabaseClock()
    answer(clock, 0, 2)
    answer(clock, 5000, 40)
    expect(clock.now() - Date.now()).toBe(5000)
  })

  it('asks again when somebody sets this machine’s clock', () => {
    const clock = new DatabaseClock()
    answer(clock, 0, 2)
    const right = clock.now()
    vi.setSystemTime(Date.now() + 3_600_000)
    expect(clock.isOld).toBe(true)
    answer(clock, -3_600_000, 800)
    expect(clock.now()).toBe(right + 800)
    expect(clock.isOld).toBe(false)
  })

  it('ignores an answer without a time', () => {
    const clock = new DatabaseClock()
    clock.learn(undefined, 0)
    expect(clock.isOld).toBe(true)
  })

  it('gives way to one that is injected', () => {
    const clock = new DatabaseClock(() => 1234.7)
    expect(clock.now()).toBe(1234.7)
    expect(clock.parameter).toBe(1234)
    expect(clock.isOld).toBe(false)
    expect(new DatabaseClock().parameter).toBeNull()
  })
})
