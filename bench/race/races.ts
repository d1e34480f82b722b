// The races: what happens to the provider and the processes, what is measured, and by which rule a contender passes.
// Nothing here knows which contender runs.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AuthorizationServer, startAuthorizationServer } from '../../src/testing/index.ts'
import type { Contender, Place } from './contender.ts'
import type { Tally } from './racer.ts'
import { Team } from './team.ts'

/** What was measured. */
export interface Measured {
  /** Requests to refresh that the provider received. */
  refreshRequests: number
  /** How often it was sent a refresh token that it had replaced. */
  reuseViolations: number
  /** Callers whose call to the API was answered with 200. */
  served: number
  callers: number
  /** How often a person would have been sent to consent again. */
  consentsAsked: number
  /** Whether the refresh token that is stored afterwards works at the provider. */
  alive: boolean
  /** What the first caller who was not served was told. */
  told?: string
}

/** One race. */
export interface Race {
  id: string
  /** What happens, in a line. */
  what: string
  /** When a contender passes, in words; `passes` is the same in code. */
  rule: string
  passes: (measured: Measured) => boolean
  /** Spends its time waiting: all contenders may run it at once. */
  waits?: boolean
  server?: Parameters<typeof startAuthorizationServer>[0]
  run: (track: Track) => Promise<Tally>
}

/** Where a race is run. */
export interface Track {
  server: AuthorizationServer
  /** Starts so many processes of the contender. */
  team: (size: number) => Promise<Team>
}

const nothingLost = ({ alive, reuseViolations, served, callers }: Measured) =>
  alive && reuseViolations === 0 && served === callers
const nothingLostRule = 'the grant lives, no refresh token was sent twice, every caller is served'

/** All of them. */
export const races: readonly Race[] = [
  {
    id: 'crowd',
    what: '4 processes × 25 callers find the token expired; the provider answers after 200 ms',
    ...{ rule: nothingLostRule, passes: nothingLost },
    server: { latencyMs: { refresh: 200 } },
    run: async ({ team }) => (await team(4)).call(25),
  },
  {
    id: 'slow',
    what: '3 processes × 5 callers; the provider answers after 20 s, longer than locks usually last',
    ...{ rule: nothingLostRule, passes: nothingLost, waits: true },
    server: { latencyMs: { refresh: 20_000 } },
    run: async ({ team }) => (await team(3)).call(5),
  },
  {
    id: 'crash',
    what: 'a process is killed when the provider has rotated and before the answer is kept; another goes on, 30 s of grace',
    ...{ rule: 'the grant lives, the other process is served', waits: true },
    passes: ({ alive, served, callers }) => alive && served === callers,
    server: { rotationGraceSeconds: 30, latencyMs: { refresh: 1000 } },
    run: crash,
  },
  {
    id: 'late',
    what: 'a process stands still with its answer on the way, another refreshes twice meanwhile, then the first wakes up; 30 s of grace',
    rule: 'what is stored is the newest refresh token, the other process is served throughout',
    passes: ({ alive, served, callers }) => alive && served === callers,
    waits: true,
    server: { rotationGraceSeconds: 30, accessTokenSeconds: 6, latencyMs: { refresh: 1000 } },
    run: late,
  },
  {
    id: 'outage',
    what: 'the provider answers 503 once, then works; one caller tries up to 5 times, 2 s apart',
    rule: 'the grant lives, the caller is served, nobody is asked to consent again',
    passes: (measured) => nothingLost(measured) && measured.consentsAsked === 0,
    waits: true,
    run: async ({ server, team }) => {
      server.script('refresh', [{ status: 503 }])
      return (await team(1)).call(1, 5, 2000)
    },
  },
  {
    id: 'revoked',
    what: 'the person has revoked the grant; 2 processes take turns and call 10 times each',
    rule: 'nobody is served, and the provider is asked at most once',
    passes: ({ served, refreshRequests }) => served === 0 && refreshRequests <= 1,
    run: revoked,
  },
  {
    id: 'omitted',
    what: 'the provider does not rotate and leaves refresh_token out of its answers; the token expires twice',
    rule: 'the grant lives, both expiries are served',
    passes: ({ alive, served, callers }) => alive && served === callers,
    waits: true,
    server: { rotation: false, accessTokenSeconds: 6 },
    run: omitted,
  },
]

/** Runs a race for a contender. */
export async function runRace(race: Race, contender: Contender, id: string): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'toolgrant-race-'))
  const server = await startAuthorizationServer({ ...race.server, scopes: ['a'] })
  const place = placeOf(folder, server)
  const teams: Team[] = []
  try {
    const { accessToken, refreshToken = '' } = server.grant({ scopes: ['a'] })
    await contender.connect(place, { accessToken, refreshToken, expiresAt: Date.now() - 1000 })
    server.expireAccessTokens()
    const team = async (size: number) => {
      const started = await Team.start(id, place, size)
      teams.push(started)
      return started
    }
    const { calls: callers, ...tally } = await race.run({ server, team })
    const { requests, reuseViolations } = server.counts
    const seen = { refreshRequests: requests.refresh, reuseViolations }
    return { ...seen, ...tally, callers, alive: await isAlive(contender, place, server) }
  } finally {
    await Promise.all(teams.map((team) => team.kill()))
    await server.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

function placeOf(folder: string, server: AuthorizationServer): Place {
  const { clientId, clientSecret = '' } = server.client()
  const { authorizationUrl, tokenUrl, apiBaseUrl } = server.provider()
  const urls = { authorizationUrl: String(authorizationUrl), tokenUrl: String(tokenUrl) }
  return { folder, server: { url: server.url, ...urls, apiUrl: `${apiBaseUrl}/me`, clientId, clientSecret } }
}

async function isAlive(contender: Contender, place: Place, server: AuthorizationServer): Promise<boolean> {
  try {
    return server.isActive((await contender.stored(place)) ?? '')
  } catch {
    return false
  }
}

async function crash({ server, team }: Track): Promise<Tally> {
  const victim = await team(1)
  const other = await team(1)
  victim.call(1).catch(() => {})
  while (server.counts.refreshes === 0) await pause(5)
  await victim.kill()
  return other.call(3, 5, 1000)
}

async function late({ server, team }: Track): Promise<Tally> {
  const sleeper = await team(1)
  const other = await team(1)
  sleeper.call(1).catch(() => {})
  while (server.counts.refreshes === 0) await pause(5)
  sleeper.stop()
  const first = await other.call(1, 5, 1000)
  await pause(6500)
  const second = await other.call(1, 5, 1000)
  sleeper.resume()
  await pause(3000)
  return addedUp([first, second])
}

async function revoked({ server, team }: Track): Promise<Tally> {
  server.revokeGrants()
  const [one, other] = [await team(1), await team(1)]
  const rounds: Tally[] = []
  for (let round = 0; round < 10; round += 1) rounds.push(await one.call(1), await other.call(1))
  return addedUp(rounds)
}

async function omitted({ team }: Track): Promise<Tally> {
  const one = await team(1)
  const first = await one.call(1)
  await pause(6500)
  return addedUp([first, await one.call(1)])
}

function addedUp(tallies: readonly Tally[]): Tally {
  const sum = (of: (tally: Tally) => number) => tallies.reduce((total, tally) => total + of(tally), 0)
  const told = tallies.find((tally) => tally.told !== undefined)?.told
  return {
    ...{ served: sum(({ served }) => served), calls: sum(({ calls }) => calls) },
    consentsAsked: sum(({ consentsAsked }) => consentsAsked),
    ...(told === undefined ? {} : { told }),
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
