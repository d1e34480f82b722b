import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { waitFor } from './wait.ts'

describe('waiting for shared work', () => {
  const reason = new Error('enough')

  it('ends as the work does, and leaves no listener', async () => {
    const { signal } = new AbortController()
    expect(await waitFor(Promise.resolve(7), signal)).toBe(7)
    await expect(waitFor(Promise.reject(reason), signal)).rejects.toBe(reason)
    await new Promise((resolve) => setImmediate(resolve))
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('without a signal is the work itself', () => {
    const work = Promise.resolve(7)
    expect(waitFor(work, undefined)).toBe(work)
  })

  it.each([
    ['already', AbortSignal.abort(reason)],
    [
      'later',
      (() => {
        const controller = new AbortController()
        setTimeout(() => controller.abort(reason), 5)
        return controller.signal
      })(),
    ],
  ])('is given up when the signal aborts %s, and the work goes on', async (_, signal) => {
    let finish: (value: number) => void = () => {}
    const work = new Promise<number>((resolve) => {
      finish = resolve
    })
    await expect(waitFor(work, signal)).rejects.toBe(reason)
    finish(7)
    expect(await work).toBe(7)
  })

  it('that fails after everybody gave up is no unhandled rejection', async () => {
    let fail: (error: Error) => void = () => {}
    const work = new Promise<number>((_, reject) => {
      fail = reject
    })
    await expect(waitFor(work, AbortSignal.abort(reason))).rejects.toBe(reason)
    fail(new Error('late'))
    await new Promise((resolve) => setImmediate(resolve))
  })
})
