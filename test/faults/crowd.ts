// Many processes on one connection whose token has ended, and a provider that takes its time: one refresh request an
// expiry, and everybody is served.
import { TokenSet } from '../../src/oauth/index.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../../src/testing/index.ts'
import { Vault } from '../../src/vault/index.ts'
import { FaultProcess } from './fault-process.ts'
import { openStoreAt, type StoreHost, type StorePlace } from './store-place.ts'
import type { Ask, Served } from './worker.ts'

/** How large, how slow. */
export interface CrowdOptions {
  host: StoreHost
  processes: number
  callersEach: number
  latencyMs: number
  leaseMs: number
  /** How many processes are started at a time. */
  startedAtATime?: number
}

/** What came of it. One member of the lists for each expiry. */
export interface CrowdFigures {
  store: string
  processes: number
  latencyMs: number
  leaseMs: number
  expiries: number
  refreshRequests: number[]
  served: number[]
  callers: number
  reuseViolations: number
  untilAllServedMs: number[]
}

/** Two expiries: the token has ended; then an API refuses the new one. */
export async function runCrowd(options: CrowdOptions): Promise<CrowdFigures> {
  const { host, latencyMs, callersEach } = options
  const { key } = host
  const place = host.place(0)
  const server = await startAuthorizationServer({ latencyMs: { refresh: latencyMs } })
  const crowd = await gather(options, place, key)
  try {
    await using vault = await Vault.open({ store: await openStoreAt(place), key, clients: {} })
    const ask = await connect(server, vault, options)
    const first = await everybody(crowd, server, ask)
    const [{ accessToken: rejected } = {}] = first.answers
    const second = await everybody(crowd, server, { ...ask, rejected })
    return {
      ...{ store: host.kind, processes: crowd.length, latencyMs, leaseMs: options.leaseMs, expiries: 2 },
      ...{ callers: crowd.length * callersEach, reuseViolations: server.counts.reuseViolations },
      refreshRequests: [first.requests, second.requests],
      served: [servedBy(server, first.answers), servedBy(server, second.answers)],
      untilAllServedMs: [first.tookMs, second.tookMs],
    }
  } finally {
    await Promise.all(crowd.map((each) => each.kill()))
    await server.close()
  }
}

/** Whether it came out as it has to: one request an expiry, nobody left out, no reuse. */
export function isSound({ refreshRequests, served, callers, reuseViolations }: CrowdFigures): boolean {
  return reuseViolations === 0 && refreshRequests.every((n) => n === 1) && served.every((n) => n === callers)
}

/** Starts them a few at a time: it is not the start that is tried. */
async function gather(
  { processes, leaseMs, startedAtATime = 4 }: CrowdOptions,
  place: StorePlace,
  key: string,
): Promise<FaultProcess[]> {
  const crowd: FaultProcess[] = []
  while (crowd.length < processes) {
    const next = Array.from(
      { length: Math.min(startedAtATime, processes - crowd.length) },
      () => new FaultProcess(),
    )
    crowd.push(...next)
    await Promise.all(next.map((each) => each.setUp({ place, key, leaseMs, refreshTimeoutMs: 60_000 })))
  }
  return crowd
}

async function connect(server: AuthorizationServer, vault: Vault, options: CrowdOptions): Promise<Ask> {
  const { accessToken, refreshToken } = server.grant({ user: 'ada', scopes: ['a'] })
  const now = Date.now()
  const ended = { receivedAt: new Date(now - 3_600_000), expiresAt: new Date(now - 1000) }
  const tokens = new TokenSet({ accessToken, refreshToken, scopes: ['a'], ...ended })
  const definition = server.provider({ id: 'crowded', issuer: undefined })
  const { id } = await vault.save({ user: 'ada', provider: 'crowded' }, tokens)
  return {
    ...{ connectionId: id, definition, client: server.client(), callers: options.callersEach },
    patienceMs: 0,
  }
}

async function everybody(crowd: readonly FaultProcess[], server: AuthorizationServer, ask: Ask) {
  const before = server.counts.requests.refresh
  const started = performance.now()
  const answers = await Promise.all(crowd.map((each) => each.ask(ask)))
  return {
    answers: answers.flatMap((answer) => answer?.callers ?? []),
    requests: server.counts.requests.refresh - before,
    tookMs: Math.round(performance.now() - started),
  }
}

/** Callers who hold a token that works. */
function servedBy(server: AuthorizationServer, answers: readonly Served[]): number {
  return answers.filter(({ accessToken }) => accessToken !== undefined && server.isActive(accessToken)).length
}
