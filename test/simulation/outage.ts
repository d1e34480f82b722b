// A provider that is down for four days, in virtual time: 5xx, pages of HTML, time-outs, 429s, refused connections. Two
// processes with a scheduler each, people who ask for tokens all the time, and a crowd of them when it is over.
// `npm run simulate -- --outage` runs it over 10 000 connections; a small one is in the fast tests.

import { TokenSet } from '../../src/oauth/index.ts'
import { defineProvider } from '../../src/providers/index.ts'
import { generateKey } from '../../src/seal.ts'
import { Vault } from '../../src/vault/index.ts'
import { memoryStore } from '../../src/vault/memory-store.ts'
import type { Store } from '../../src/vault/store.ts'
import { Random } from './random.ts'
import { type Actor, Scheduler } from './scheduler.ts'

/** What to simulate. */
export interface OutageOptions {
  connections: number
  /** How long the provider is down. */
  days: number
  seed: number
  /** How often somebody asks for a token before and during the outage, in reads a minute. */
  readsPerMinute: number
  /** For how long a crowd asks when it is over, in seconds. */
  crowdSeconds: number
}

/** What came of it. */
export interface OutageReport {
  connections: number
  days: number
  /** Requests that reached the provider: before, during, after. */
  before: number
  during: number
  after: number
  /** The most requests in one second: before, during, after. */
  mostBefore: number
  mostDuring: number
  mostAfter: number
  /** Refreshes that issued tokens, in all. */
  refreshes: number
  /** A refresh token that was replaced was used again. */
  reuseViolations: number
  /** Connections that need a person at the end. */
  dead: number
  /** Reads while the stored token was valid, and how many of those got none. */
  readsOfValid: number
  refusedThoughValid: number
  /** Reads while it was not, during the outage: all of them have to say "try again". */
  readsOfEnded: number
  wronglyRefused: number
  /** After the outage until every connection had valid tokens again, in seconds; `null`: it never was so. */
  recoveredAfterSeconds: number | null
  /** What it took, in real seconds. */
  seconds: number
}

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
const start = Date.UTC(2026, 0, 1)
const beforeMs = hour
const afterMs = 20 * minute
/** So many reads a second by the crowd. */
const crowdPerSecond = 100

/** How a provider fails. */
type Fault = 'unavailable' | 'broken' | 'gateway page' | 'page' | 'timeout' | 'limit' | 'refused'
const faults: readonly Fault[] = [
  ...(['unavailable', 'broken', 'gateway page', 'page', 'timeout', 'limit', 'refused'] as const),
]

/** Rotates each refresh token, and forgives no second use. */
class Provider {
  readonly #world: OutageWorld
  /** Which connection a refresh token belongs to. */
  readonly #living = new Map<string, string>()
  #issued = 0
  #hour = -1
  #fault: Fault = 'unavailable'
  refreshes = 0
  reuseViolations = 0
  /** Requests by second. */
  readonly requests = new Map<number, number>()

  constructor(world: OutageWorld) {
    this.#world = world
  }

  issue(name: string): string {
    this.#issued += 1
    const refreshToken = `refresh-${name}-${this.#issued}`
    this.#living.set(refreshToken, name)
    return refreshToken
  }

  readonly fetch: typeof fetch = async (_url, init) => {
    const world = this.#world
    const second = Math.floor(world.scheduler.ms / 1000)
    this.requests.set(second, (this.requests.get(second) ?? 0) + 1)
    if (world.isDown) return this.#fail()
    await world.wait(world.random.spread(50, 400))
    return this.#refresh(new URLSearchParams(String(init?.body)).get('refresh_token') ?? '')
  }

  #refresh(spent: string): Response {
    const name = this.#living.get(spent)
    if (name === undefined) {
      this.reuseViolations += 1
      return Response.json({ error: 'invalid_grant' }, { status: 400 })
    }
    this.#living.delete(spent)
    this.refreshes += 1
    const answer = { access_token: `access-${this.#issued}`, token_type: 'Bearer', expires_in: 3600 }
    return Response.json({ ...answer, refresh_token: this.issue(name) })
  }

  /** Another fault each hour, and now and then one of the others. */
  async #fail(): Promise<Response> {
    const world = this.#world
    const now = Math.floor(world.scheduler.ms / hour)
    if (now !== this.#hour) {
      this.#hour = now
      this.#fault = world.random.pick(faults)
    }
    const fault = world.random.chance(0.2) ? world.random.pick(faults) : this.#fault
    if (fault === 'timeout') {
      await world.wait(minute)
      throw failed('UND_ERR_HEADERS_TIMEOUT')
    }
    await world.wait(world.random.spread(20, 2000))
    if (fault === 'refused') throw failed('ECONNREFUSED')
    return faultyAnswer(fault, world.random)
  }
}

function failed(code: string): TypeError {
  return new TypeError('fetch failed', { cause: Object.assign(new Error(code), { code }) })
}

function faultyAnswer(fault: Exclude<Fault, 'timeout' | 'refused'>, random: Random): Response {
  const html = { 'content-type': 'text/html' }
  if (fault === 'page') return new Response('<html><h1>We will be back soon</h1></html>', { headers: html })
  if (fault === 'gateway page')
    return new Response('<html><h1>502 Bad Gateway</h1></html>', { status: 502, headers: html })
  if (fault === 'broken') return new Response('', { status: 500 })
  if (fault === 'unavailable') return Response.json({ error: 'temporarily_unavailable' }, { status: 503 })
  const retryAfter = `${random.between(1, 300)}`
  return Response.json({ error: 'slow_down' }, { status: 429, headers: { 'retry-after': retryAfter } })
}

class OutageWorld {
  readonly options: OutageOptions
  readonly random: Random
  readonly scheduler = new Scheduler()
  readonly provider = new Provider(this)
  readonly #actor: Actor = { name: 'all', crashed: false, stoppedUntil: 0 }
  readonly #store: Store
  readonly #vaults: Vault[] = []
  readonly #downAt = beforeMs
  readonly #upAt: number
  readonly #endAt: number
  readonly counts = { readsOfValid: 0, refusedThoughValid: 0, readsOfEnded: 0, wronglyRefused: 0 }
  recoveredAt: number | undefined
  dead = 0

  constructor(options: OutageOptions) {
    this.options = options
    this.random = new Random(options.seed, 'outage')
    this.#upAt = beforeMs + options.days * day
    this.#endAt = this.#upAt + afterMs
    this.#store = memoryStore({ now: this.now })
  }

  readonly now = () => start + this.scheduler.ms

  get isDown(): boolean {
    return this.scheduler.ms >= this.#downAt && this.scheduler.ms < this.#upAt
  }

  wait(ms: number): Promise<void> {
    return this.scheduler.wait(ms, this.#actor)
  }

  readonly sleep = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve()
      const step = this.scheduler.after(ms, done, this.#actor)
      const { scheduler } = this
      function done(): void {
        scheduler.cancel(step)
        signal.removeEventListener('abort', done)
        resolve()
      }
      signal.addEventListener('abort', done, { once: true })
    })

  async run(): Promise<void> {
    await this.#open()
    await this.#connect()
    let isOver = false
    const story = this.#story().finally(() => {
      isOver = true
    })
    await this.scheduler.run(() => isOver)
    await story
  }

  async #open(): Promise<void> {
    const key = generateKey()
    const provider = defineProvider({
      ...{ id: 'acme', authorizationUrl: 'https://acme.test/a', tokenUrl: 'https://acme.test/t' },
    })
    for (let process = 0; process < 2; process += 1)
      this.#vaults.push(
        await Vault.open({
          ...{ store: outliving(this.#store), key, clients: { acme: { clientId: 'us', provider } } },
          ...{ fetch: this.provider.fetch, sleep: this.sleep, random: this.random.next, audit: 'off' },
        }),
      )
  }

  /** Tokens that end at any time from an hour to a day after the outage: some of them live through all of it. */
  async #connect(): Promise<void> {
    const [vault] = this.#vaults
    const receivedAt = new Date(start)
    for (let index = 0; index < this.options.connections; index += 1) {
      const user = `u${index}`
      const lifeMs = this.random.between(hour, this.#upAt + day)
      const tokens = new TokenSet({
        ...{ accessToken: `access-${user}`, refreshToken: this.provider.issue(user), receivedAt },
        expiresAt: new Date(start + lifeMs),
      })
      await vault?.save({ user, provider: 'acme' }, tokens)
    }
  }

  async #story(): Promise<void> {
    for (const vault of this.#vaults) vault.keepFresh()
    void this.#readUntil(this.#upAt, minute / this.options.readsPerMinute)
    await this.wait(this.#upAt)
    void this.#readUntil(this.#upAt + this.options.crowdSeconds * 1000, 1000 / crowdPerSecond)
    while (this.scheduler.ms < this.#endAt) {
      await this.wait(5000)
      if (this.recoveredAt === undefined && (await this.#isWhole())) this.recoveredAt = this.scheduler.ms
    }
    this.dead = (await this.#rows()).filter(({ status }) => status !== 'active').length
    await Promise.all(this.#vaults.map((vault) => vault.close()))
  }

  async #readUntil(end: number, everyMs: number): Promise<void> {
    while (this.scheduler.ms < end) {
      void this.#read(`u${this.random.below(this.options.connections)}`)
      await this.wait(everyMs * (0.5 + this.random.next()))
    }
  }

  async #read(user: string): Promise<void> {
    const address = { user, provider: 'acme' }
    const [row] = await this.#store.list({ tenant: 'default', ...address })
    const isValid = (row?.expiresAt ?? 0) > this.now()
    const wasDown = this.isDown
    this.counts[isValid ? 'readsOfValid' : 'readsOfEnded'] += 1
    try {
      await this.random.pick(this.#vaults).token(address)
    } catch (error) {
      if (isValid) this.counts.refusedThoughValid += 1
      const isRight = error instanceof Error && error.name === 'RefreshFailedError' && 'retryable' in error
      if (!(isRight && error.retryable === true) && (wasDown || this.isDown)) this.counts.wronglyRefused += 1
    }
  }

  async #rows() {
    return this.#store.list({ tenant: 'default' })
  }

  async #isWhole(): Promise<boolean> {
    const now = this.now()
    return (await this.#rows()).every(({ expiresAt }) => (expiresAt ?? 0) > now)
  }

  /** Requests in that time, and the most of them in one second. */
  requests(from: number, to: number): { count: number; most: number } {
    let count = 0
    let most = 0
    for (const [second, requests] of this.provider.requests)
      if (second * 1000 >= from && second * 1000 < to) {
        count += requests
        most = Math.max(most, requests)
      }
    return { count, most }
  }

  report(seconds: number): OutageReport {
    const { connections, days } = this.options
    const { refreshes, reuseViolations } = this.provider
    const before = this.requests(0, this.#downAt)
    const during = this.requests(this.#downAt, this.#upAt)
    const after = this.requests(this.#upAt, Number.POSITIVE_INFINITY)
    return {
      ...{ connections, days, refreshes, reuseViolations, dead: this.dead, seconds },
      ...{ before: before.count, during: during.count, after: after.count },
      ...{ mostBefore: before.most, mostDuring: during.most, mostAfter: after.most },
      ...this.counts,
      recoveredAfterSeconds:
        this.recoveredAt === undefined ? null : Math.round((this.recoveredAt - this.#upAt) / 1000),
    }
  }
}

function outliving(store: Store): Store {
  return new Proxy(store, {
    get(target, name) {
      if (name === 'close') return () => {}
      const member: unknown = Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

/** Runs it. */
export async function simulateOutage(options: OutageOptions): Promise<OutageReport> {
  const began = performance.now()
  await warmUp()
  const world = new OutageWorld(options)
  await world.run()
  return world.report((performance.now() - began) / 1000)
}

/** What a first refresh loads takes real time, which virtual time does not wait for. */
async function warmUp(): Promise<void> {
  const clients = {
    acme: {
      clientId: 'us',
      provider: defineProvider({
        ...{ id: 'acme', authorizationUrl: 'https://acme.test/a', tokenUrl: 'https://acme.test/t' },
      }),
    },
  }
  const answer = { access_token: 'warm', token_type: 'Bearer' }
  const vault = await Vault.open({ url: 'memory:', clients, fetch: async () => Response.json(answer) })
  const expiresAt = new Date(Date.now() - 1)
  const address = { user: 'warm', provider: 'acme' }
  await vault.save(address, new TokenSet({ accessToken: 'cold', refreshToken: 'cold', expiresAt }))
  await vault.token(address)
  await vault.close()
}

/** What must hold of a report: what does not, in words. */
export function outageProblems(report: OutageReport): string[] {
  const problems: string[] = []
  const { dead, refusedThoughValid, wronglyRefused, reuseViolations, recoveredAfterSeconds } = report
  if (dead > 0) problems.push(`${dead} connections were marked dead`)
  if (refusedThoughValid > 0) problems.push(`${refusedThoughValid} valid tokens were not served`)
  if (wronglyRefused > 0)
    problems.push(`${wronglyRefused} readers were told something else than to try again`)
  if (reuseViolations > 0) problems.push(`${reuseViolations} refresh tokens were spent twice`)
  if (recoveredAfterSeconds === null) problems.push('not every connection was fresh again')
  // Two processes, each with at most 128 starts a second after an outage.
  if (report.mostAfter > 256) problems.push(`${report.mostAfter} requests in one second after the outage`)
  if (report.mostDuring > 64) problems.push(`${report.mostDuring} requests in one second during the outage`)
  return problems
}

/** `npm run simulate -- --outage`. Returns the exit code. */
export async function main(): Promise<number> {
  const report = await simulateOutage({
    ...{ connections: 10_000, days: 4, seed: 1, readsPerMinute: 30, crowdSeconds: 600 },
  })
  for (const [name, value] of Object.entries(report))
    process.stdout.write(
      `${name.padEnd(22)} ${typeof value === 'number' ? Math.round(value * 10) / 10 : value}\n`,
    )
  const problems = outageProblems(report)
  for (const problem of problems) process.stdout.write(`not held: ${problem}\n`)
  return problems.length === 0 ? 0 : 1
}
