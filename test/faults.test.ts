// A sample of `npm run faults`: processes that are killed, stopped and cut off at the steps of a refresh, on both stores.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isSound, runCrowd } from './faults/crowd.ts'
import { runScenarios, runTroubles } from './faults/harness.ts'
import { totalsOf, violationsOf } from './faults/report.ts'
import type { Fault, Scenario } from './faults/scenario.ts'
import { postgresHost, type StoreHost, sharedPostgresHost, sqliteHost } from './faults/store-place.ts'

const leaseMs = 1500
const hosts = new Map<'sqlite' | 'postgres', StoreHost>()
beforeAll(async () => {
  hosts.set('sqlite', sqliteHost())
  hosts.set('postgres', await sharedPostgresHost())
})
afterAll(() => Promise.all([...hosts.values()].map((each) => each.close())))

function hostOf(kind: 'sqlite' | 'postgres'): StoreHost {
  const host = hosts.get(kind)
  if (host === undefined) throw new Error(`There is no ${kind}.`)
  return host
}

const at = (how: 'killed' | 'stopped', step: Extract<Fault, { kind: 'step' }>['at']): Fault => ({
  ...{ kind: 'step', how, at: step },
})
const sample = (graceSeconds: number, ...faults: Fault[]): Scenario[] =>
  faults.map((fault) => ({ fault, graceSeconds, latencyMs: 300 }))

/** Before the provider has acted, or after the answer is stored: nothing is lost whatever the provider does. */
const harmless = sample(
  0,
  at('killed', 'before lease'),
  at('killed', 'before intent'),
  at('killed', 'before request'),
  at('killed', 'request in vain'),
  at('killed', 'after save'),
  at('killed', 'after failure'),
  at('stopped', 'after intent'),
  { kind: 'cut', what: 'request' },
)
/** In between: a grace window keeps the grant. */
const mended = sample(
  30,
  at('killed', 'request sent'),
  at('killed', 'answer received'),
  at('stopped', 'answer received'),
  { kind: 'cut', what: 'answer' },
)

/** The same without a grace window: nobody can keep it. */
const lostToAnybody = sample(
  0,
  at('killed', 'before save'),
  at('stopped', 'before request'),
  at('stopped', 'before save'),
)

// Most of it is waiting: for leases to end, for slow answers.
describe.concurrent.each([['sqlite'], ['postgres']] as const)('on %s', (kind) => {
  it('processes that die, stand still or lose an answer cost no grant that could be kept', async () => {
    const list = [...harmless, ...mended, ...lostToAnybody]
    const verdicts = await runScenarios(list, { host: hostOf(kind), lanes: 4, leaseMs })
    expect(violationsOf(verdicts)).toEqual([])

    const kept = verdicts.filter(({ scenario }) => !lostToAnybody.includes(scenario))
    const { lost, kills, served, asked, reuseViolations } = totalsOf(kept)
    expect({ lost, kills, reuseViolations }).toEqual({ lost: 0, kills: 8, reuseViolations: 0 })
    expect(served).toBe(asked)

    // A loss that nobody can prevent costs one probe, and the connection says `interrupted`: a violation otherwise.
    const gone = verdicts.filter(({ scenario }) => lostToAnybody.includes(scenario))
    expect(gone.map(({ requests }) => requests)).toEqual([2, 2, 2])
    expect(gone.map(({ excused }) => excused).sort()).toEqual([
      'killed between the provider’s answer and our disk',
      'stood still past its lease between the provider’s answer and our disk',
      'stood still past its lease in the moment of sending',
    ])
  })

  it('a crowd whose provider is slower than its lease costs one request an expiry', async () => {
    const crowd = { processes: 5, callersEach: 4, latencyMs: 2500, leaseMs: 1000 }
    const figures = await runCrowd({ host: hostOf(kind), ...crowd })
    expect(figures).toMatchObject({ refreshRequests: [1, 1], served: [20, 20], reuseViolations: 0 })
    expect(isSound(figures)).toBe(true)
  })
})

describe.concurrent('a store in trouble in the middle of a refresh costs nothing', () => {
  it.each([
    ['disk full', async () => sqliteHost()],
    ['database restarted', postgresHost],
  ] as const)('%s', async (_trouble, open) => {
    const host = await open()
    try {
      const verdicts = await runTroubles({ host, lanes: 1, leaseMs }, 'past the lease before save')
      if (typeof verdicts === 'string') return expect(verdicts).toContain('run it as root on Linux')
      expect(violationsOf(verdicts)).toEqual([])
      expect(verdicts.map(({ requests }) => requests)).toEqual([1])
    } finally {
      await host.close()
    }
  })
})

describe.concurrent('the harness notices a vault', () => {
  it('whose lease keeps nobody off', async () => {
    const list = sample(0, { kind: 'none' })
    const verdicts = await runScenarios(list, {
      host: hostOf('sqlite'),
      lanes: 1,
      leaseMs,
      mutation: 'stolen lease',
    })
    expect(violationsOf(verdicts).join('\n')).toMatch(/double spend/)
  })

  it('that hands out what it did not save', async () => {
    const list = sample(0, at('killed', 'after save'))
    const verdicts = await runScenarios(list, {
      host: hostOf('sqlite'),
      lanes: 1,
      leaseMs,
      mutation: 'unsaved',
    })
    expect(violationsOf(verdicts).join('\n')).toMatch(/grant lost/)
  })
})
