// What a seed means: how many processes, which provider, which faults and how often. Versioned, because a seed that
// found something means something else once this file changes: what was found is kept as a scenario (scenarios.ts).
import { Random } from './random.ts'

/** Goes up with every change of what a seed means. */
export const generatorVersion = 2

/** How an authorization server treats refresh tokens. */
export interface ProviderBehaviour {
  /** Whether a refresh brings a new refresh token. */
  rotation: 'always' | 'never' | 'sometimes'
  /** For how long a refresh token that was replaced is still taken, in milliseconds. */
  graceMs: number
  /**
   * What a replaced token is answered with during the grace: the `same` new one again, `another` beside it, or one
   * `instead` of it, which is dead from then on.
   */
  graceAnswer: 'same' | 'another' | 'instead'
  /** A replaced token that comes again after the grace ends the whole grant. */
  reuseDetection: boolean
  /** Of an access token, in seconds. */
  lifetimeSeconds: number
  /** A refresh token that stays the same is not repeated in the answer. */
  omitsRefreshToken: boolean
  /** Answers say nothing about scopes. */
  omitsScope: boolean
  /** A refresh ends the access tokens before it. */
  endsOldAccess: boolean
  /** A refresh may bring fewer scopes than there were. */
  narrowsScopes: boolean
  /** Answers carry the provider's time, to the second. */
  tellsTime: boolean
  /** Revoking one token ends every grant of that person. */
  revokesAll: boolean
}

/** What is wrong with a provider for a while. */
export type Weather = 'down' | 'html' | 'busy' | 'unreachable' | 'silent' | 'slow' | 'client_refused'

/** When it is. In milliseconds of true time. */
export interface WeatherPhase {
  provider: string
  kind: Weather
  fromMs: number
  toMs: number
}

/** How often what goes wrong: probabilities for each step, 0 to 1. */
export interface FaultRates {
  /** The store refuses a step; nothing was applied. */
  storeRefuses: number
  /** A step was applied, and the process is told that it was not. */
  storeLosesAnswer: number
  /** A step of the store takes up to 5 s. */
  storeSlow: number
  /** A process dies at a step of the store or a request, before or after. */
  crash: number
  /** A process stands still at a step of the store or a request, before or after. */
  stop: number
  /** A request never arrives. */
  requestLost: number
  /** A request is carried out and its answer lost: no answer, a broken connection, half a body, a proxy's 504. */
  answerLost: number
  /** An answer takes 10 to 90 s. */
  answerSlow: number
  /** A lease ends early: somebody restored a backup, or moved the store's clock. */
  leaseLost: number
}

/** A machine's clock. */
export interface MachineClock {
  skewMs: number
  /** Parts per million by which it runs fast. */
  driftPpm: number
}

/** What people do. */
export interface Habits {
  /** How many of them ask for tokens again and again. */
  readers: number
  /** Their pause between two looks, on average, in milliseconds. */
  readEveryMs: number
  /** How often, as a probability for each look: consents again; disconnects; revokes at the provider. */
  consents: number
  disconnects: number
  revokes: number
  /** How often an operator does something: refreshes by hand, looks at a connection, runs a pass of what is due. */
  operations: number
  /** How often an API refuses a token that ought to be good. */
  rejections: number
}

/** All of it. */
export interface Parameters {
  seed: number
  /** Virtual time, in milliseconds, before everything heals. */
  durationMs: number
  clocks: readonly MachineClock[]
  /** Processes with `vault.keepFresh()` running: the first so many. */
  keepingFresh: number
  /** How many connections there are, over one or two providers. */
  connections: number
  providers: Readonly<Record<string, ProviderBehaviour>>
  /** `machine`: one file, steps without waiting. `server`: steps take time, and answers can be lost. */
  store: 'machine' | 'server'
  /** The store tells all processes of changes. */
  watch: boolean
  /** Processes judge expiry by their own clocks (the option `now`), not by the store's. */
  ownClock: boolean
  leaseMs: number
  refreshTimeoutMs: number
  earlySeconds: number
  cacheSize: number
  faults: FaultRates
  weather: readonly WeatherPhase[]
  habits: Habits
}

/** Nothing goes wrong. */
export const noFaults: FaultRates = {
  ...{ storeRefuses: 0, storeLosesAnswer: 0, storeSlow: 0, crash: 0, stop: 0 },
  ...{ requestLost: 0, answerLost: 0, answerSlow: 0, leaseLost: 0 },
}

/** What a seed means. */
export function parametersOf(seed: number): Parameters {
  const random = new Random(seed, 'parameters')
  const names = random.chance(0.3) ? ['acme', 'zeta'] : ['acme']
  const providers = Object.fromEntries(names.map((name) => [name, behaviour(random)]))
  const lifetimes = names.map((name) => providers[name]?.lifetimeSeconds ?? 0)
  const durationMs = Math.max(...lifetimes) * 1000 * random.between(2, 5)
  const processes = random.between(1, 4)
  return {
    ...{ seed, durationMs, providers },
    clocks: Array.from({ length: processes }, () => clock(random)),
    keepingFresh: random.chance(0.4) ? random.between(1, processes) : 0,
    connections: random.between(1, 3),
    store: random.chance(0.75) ? 'server' : 'machine',
    watch: random.chance(0.4),
    ownClock: random.chance(0.4),
    leaseMs: random.pick([2000, 5000, 15_000, 15_000]),
    refreshTimeoutMs: random.pick([10_000, 60_000, 60_000]),
    earlySeconds: random.pick([0, 60, 300, 300]),
    cacheSize: random.pick([0, 1, 1000]),
    faults: faults(random),
    weather: weather(random, names, durationMs),
    habits: habits(random, Math.min(...lifetimes)),
  }
}

function behaviour(random: Random): ProviderBehaviour {
  return {
    rotation: random.weighted({ always: 6, sometimes: 2, never: 2 }),
    graceMs: random.pick([0, 0, 30_000, 1_800_000]),
    graceAnswer: random.weighted({ same: 3, another: 3, instead: 1 }),
    reuseDetection: random.chance(0.8),
    lifetimeSeconds: random.pick([300, 900, 3600]),
    omitsRefreshToken: random.chance(0.7),
    omitsScope: random.chance(0.5),
    endsOldAccess: random.chance(0.3),
    narrowsScopes: random.chance(0.3),
    tellsTime: random.chance(0.6),
    revokesAll: random.chance(0.15),
  }
}

function clock(random: Random): MachineClock {
  const skewed = random.chance(0.4)
  return {
    skewMs: skewed ? random.between(-300_000, 300_000) : random.between(-20, 20),
    driftPpm: random.chance(0.3) ? random.between(-200, 200) : 0,
  }
}

/** Most kinds of faults do not happen at all with a given seed: what goes wrong meets what works. */
function faults(random: Random): FaultRates {
  const rate = (share: number, least: number, most: number) => {
    const drawn = least * (most / least) ** random.next()
    return random.chance(share) ? drawn : 0
  }
  return {
    storeRefuses: rate(0.35, 0.002, 0.15),
    storeLosesAnswer: rate(0.35, 0.002, 0.1),
    storeSlow: rate(0.35, 0.002, 0.1),
    crash: rate(0.4, 0.001, 0.03),
    stop: rate(0.4, 0.001, 0.03),
    requestLost: rate(0.3, 0.01, 0.3),
    answerLost: rate(0.3, 0.01, 0.3),
    answerSlow: rate(0.4, 0.02, 0.4),
    leaseLost: rate(0.15, 0.01, 0.1),
  }
}

const kinds: readonly Weather[] = [
  ...(['down', 'html', 'busy', 'unreachable', 'silent', 'slow', 'client_refused'] as const),
]

function weather(random: Random, names: readonly string[], durationMs: number): WeatherPhase[] {
  const phases = random.chance(0.5) ? random.between(1, 3) : 0
  return Array.from({ length: phases }, () => {
    const fromMs = random.below(durationMs)
    return {
      ...{ provider: random.pick(names), kind: random.pick(kinds), fromMs },
      toMs: fromMs + random.spread(5000, durationMs / 2),
    }
  })
}

function habits(random: Random, lifetimeSeconds: number): Habits {
  const sometimes = (share: number, probability: number) => (random.chance(share) ? probability : 0)
  return {
    readers: random.between(1, 3),
    readEveryMs: lifetimeSeconds * random.pick([30, 100, 300]),
    consents: sometimes(0.4, 0.04),
    disconnects: sometimes(0.3, 0.03),
    revokes: sometimes(0.3, 0.03),
    operations: sometimes(0.4, 0.05),
    rejections: sometimes(0.4, 0.05),
  }
}
