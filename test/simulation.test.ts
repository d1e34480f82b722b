// The simulation of test/simulation: a few hundred worlds, what it found before, and that it would find it again.
import { describe, expect, it } from 'vitest'
import { invariants } from './simulation/invariants.ts'
import { mutations } from './simulation/mutations.ts'
import { scenarios } from './simulation/scenarios.ts'
import { runScenarios, runShards, traceSeeds } from './simulation/shards.ts'

/** What has to happen in a few hundred worlds, so that they prove something. */
const expected = [
  ...['calls served', 'refreshes carried out', 'answered within the grace', 'refresh refused'],
  ...['lease taken over', 'leases lost', 'interrupted refresh found', 'late answer saved'],
  ...['again after: failed', 'again after: unknown', 'again after: pending, sender gone'],
  ...['killed: after writeIntent', 'killed: request sent', 'killed: before saveTokens'],
  ...['stopped: after writeIntent', 'stopped: request sent', 'stopped: answer on its way'],
  ...[
    'suspended: after writeIntent',
    'fault: store_refuses',
    'fault: store_loses_answer',
    'fault: store_slow',
  ],
  ...['fault: request_lost', 'fault: answer_lost', 'fault: answer_504', 'fault: answer_slow'],
  ...['weather: down', 'weather: html', 'weather: busy', 'weather: unreachable', 'weather: silent'],
  ...['weather: slow', 'weather: client_refused', 'revoked at the provider', 'declared dead: user'],
  ...['event: needs_reconnect', 'event: refresh_failed', 'event: scope_changed', 'event: revoked'],
  ...['watch: entries', 'watch: gaps', 'processes that keep fresh', 'connections kept fresh'],
  ...['lost: sender died, no grace', 'lost: answer lost, no grace', 'vaults looked into'],
]

describe('simulated worlds', () => {
  it('hold every invariant, and much goes wrong in them', async () => {
    const { failed, coverage, seeds } = await runShards({ from: 1, to: 250, shards: 2 })
    expect(failed).toEqual([])
    expect(seeds).toBe(250)
    expect(expected.filter((name) => (coverage[name] ?? 0) === 0)).toEqual([])
  })

  it('are the same for the same seed, to the last byte', async () => {
    const [one, other, alone] = await Promise.all([traceSeeds(1, 12), traceSeeds(1, 12), traceSeeds(7, 7)])
    expect(one.join('\n').length).toBeGreaterThan(100_000)
    expect(other).toEqual(one)
    expect(alone).toEqual([one[6]])
  })
})

describe('what the simulation found', () => {
  it('is mended, and does happen', async () => {
    const names = Object.keys(scenarios)
    const { failed, worlds } = await runScenarios(names)
    expect(failed).toEqual([])
    const missing = worlds.flatMap(({ coverage }, index) =>
      (scenarios[names[index] ?? '']?.happened ?? []).filter((counter) => !coverage.has(counter)),
    )
    expect(missing).toEqual([])
  })

  it.concurrent.each(Object.entries(scenarios))('%s: breaks again', async (name, { broke, undone }) => {
    const { failed } = await runScenarios([name], undone)
    expect(failed.map(({ violation }) => violation.invariant)).toEqual([broke])
  })
})

describe('a vault that is broken on purpose', () => {
  const played = new Set(Object.values(scenarios).map(({ undone }) => undone))
  const others = Object.entries(mutations).filter(([name]) => !played.has(name))

  it.concurrent.each(others)('%s', async (name, { caughtBy, from = 1 }) => {
    const seeds = { from, to: from + 200, shards: 1 }
    const { failed } = await runShards({ ...seeds, mutation: name, until: caughtBy })
    const noticed = failed.map(({ violation }) => violation.invariant)
    expect(noticed.filter((id) => caughtBy.includes(id))).toHaveLength(1)
  })

  it('is noticed by every invariant', () => {
    const caught = new Set(Object.values(mutations).flatMap(({ caughtBy }) => caughtBy))
    expect(Object.keys(invariants).filter((id) => !caught.has(id as keyof typeof invariants))).toEqual([])
  })
})
