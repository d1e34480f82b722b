// An outage of twelve hours over 500 connections; four days over 10 000 are `npm run simulate -- --outage`.
import { expect, it } from 'vitest'
import { outageProblems, simulateOutage } from '../../test/simulation/outage.ts'

it('an outage of twelve hours costs no connection and no valid token, and ends without a rush', async () => {
  const report = await simulateOutage({
    ...{ connections: 500, days: 0.5, seed: 7, readsPerMinute: 2, crowdSeconds: 15 },
  })
  expect(outageProblems(report)).toEqual([])
  expect(report).toMatchObject({ dead: 0, refusedThoughValid: 0, wronglyRefused: 0, reuseViolations: 0 })
  expect(report.readsOfValid).toBeGreaterThan(200)
  expect(report.readsOfEnded).toBeGreaterThan(200)
  // A probe a minute or so from each of two processes, and what failed before their circuits opened.
  expect(report.during).toBeLessThan(10_000)
  expect(report.recoveredAfterSeconds).toBeLessThan(600)
}, 20_000)
