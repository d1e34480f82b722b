// Several processes on one store in virtual time: each is a refresher with a clock that the test moves, and the test
// is the provider that answers their requests.
import { TokenEndpointError } from '../../src/errors.ts'
import { type Registration, TokenSet } from '../../src/oauth/index.ts'
import { defineProvider } from '../../src/providers/index.ts'
import { generateKey, Keyring, SealingKey } from '../../src/seal.ts'
import { memoryStore } from '../../src/vault/memory-store.ts'
import { ProviderGates } from '../../src/vault/provider-gate.ts'
import { Refresher, type RefreshParts, type Sending } from '../../src/vault/refresh.ts'
import { SealedTokens } from '../../src/vault/sealed-tokens.ts'
import type { ConnectionRow, Store } from '../../src/vault/store.ts'

export const start = Date.UTC(2026, 0, 1)
export const place = { id: 'id', tenant: 't', user: 'ada', provider: 'acme', account: 'default' }
export const registration: Registration = {
  client: { clientId: 'client' },
  provider: defineProvider({
    id: 'acme',
    authorizationUrl: 'https://acme.test/authorize',
    tokenUrl: 'https://acme.test/token',
  }),
}
export const settle = () => new Promise((resolve) => setImmediate(resolve))

/** A process's own time: its sleepers wake only while it is advanced. */
export class VirtualTime {
  ms = start
  #sleepers: { at: number; wake: () => void }[] = []

  now = () => this.ms

  sleep = (ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      if (signal.aborted) return resolve()
      const sleeper = { at: this.ms + ms, wake: resolve }
      this.#sleepers.push(sleeper)
      signal.addEventListener('abort', () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
        resolve()
      })
    })

  async advance(ms: number): Promise<void> {
    const end = this.ms + ms
    for (;;) {
      await settle()
      this.#sleepers.sort((a, b) => a.at - b.at)
      const [next] = this.#sleepers
      if (next === undefined || next.at > end) break
      this.#sleepers.shift()
      this.ms = Math.max(this.ms, next.at)
      next.wake()
    }
    this.ms = end
    await settle()
  }
}

/** A request in the provider's hands: the test decides when and how it ends. */
export interface Request {
  refreshToken: string | undefined
  sending: Sending
  answer: (tokens: TokenSet) => void
  fail: (error: unknown) => void
}

/** One process. */
export interface Process {
  refresher: Refresher
  time: VirtualTime
  requests: Request[]
  events: string[]
  abandoned: TokenSet[]
}

export class World {
  storeTime = start
  readonly #keyring = new Keyring(SealingKey.parse(generateKey()))
  readonly sealed = new SealedTokens(this.#keyring, 300)
  store: Store = memoryStore({ now: () => this.storeTime })

  async connect(tokens = expired(1)): Promise<ConnectionRow> {
    await this.store.addKey({ id: this.#keyring.primary.id, check: Uint8Array.of(), wrapped: null })
    await this.store.putGrant({
      ...place,
      generation: 1,
      ...this.sealed.seal({ ...place, generation: 1 }, tokens),
    })
    return this.row()
  }

  async row(): Promise<ConnectionRow> {
    const row = await this.store.get('id')
    if (row === undefined) throw new Error('no row')
    return row
  }

  async tokens(): Promise<TokenSet> {
    return this.sealed.open(await this.row())
  }

  process(changes: Partial<RefreshParts> = {}): Process {
    const time = new VirtualTime()
    time.ms = this.storeTime
    const requests: Request[] = []
    const events: string[] = []
    const abandoned: TokenSet[] = []
    const gates = new ProviderGates({ now: () => this.storeTime, random: () => 0.5, sleep: time.sleep })
    const refresher = new Refresher({
      ...{ store: this.store, sealed: this.sealed, now: time.now, sleep: time.sleep, random: () => 0.5 },
      ...{ leaseMs: 1000, waitMs: 60_000, registration: async () => registration, gates },
      prepare: async (found) => found,
      refresh: (_registration, { refreshToken }, sending) =>
        new Promise((answer, fail) => requests.push({ refreshToken, sending, answer, fail })),
      abandon: async (_registration, tokens) => void abandoned.push(tokens),
      record: async ({ type, scopesChanged = false }, write) => {
        const row = await write()
        if (row !== undefined) events.push(type, ...(scopesChanged ? ['scope_changed'] : []))
        return row
      },
      unsaved: () => void events.push('refresh_failed'),
      ...changes,
    })
    return { refresher, time, requests, events, abandoned }
  }

  /** Time passes, for the store and for the processes that are not stopped. */
  async pass(ms: number, ...processes: Process[]): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) {
      this.storeTime += 100
      for (const { time } of processes) await time.advance(100)
    }
  }
}

/** The token set of a generation; the provider rotates. */
export function tokensOf(
  generation: number,
  receivedAt: number,
  expiresAt = receivedAt + 3_600_000,
): TokenSet {
  return new TokenSet({
    ...{ accessToken: `access-${generation}`, refreshToken: `refresh-${generation}`, scopes: ['a'] },
    ...{ receivedAt: new Date(receivedAt), expiresAt: new Date(expiresAt) },
  })
}

export const expired = (generation: number) => tokensOf(generation, start - 3_600_000, start - 1000)
export const refused = (error: string, status = 400) =>
  new TokenEndpointError({ provider: 'acme', status, error, request: 'refresh_token' })
export const outage = () => refused('server_error', 503)
export const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => {
      throw new Error('nothing was thrown')
    },
    (error: unknown) => error,
  )

export function only<T>(list: readonly T[]): T {
  const [first] = list
  if (list.length !== 1 || first === undefined) throw new Error(`expected one, got ${list.length}`)
  return first
}

/** The same store, one method of which may throw. */
export function withFailing(store: Store, name: keyof Store, failing: () => Error | undefined): Store {
  return withBefore(store, name, () => {
    const error = failing()
    if (error !== undefined) throw error
  })
}

/** The same store, one method of which is acknowledged late, or not at all. */
export function withAfter(store: Store, name: keyof Store, then: () => Promise<void>): Store {
  return replaced(store, name, async (run) => {
    const result = await run()
    await then()
    return result
  })
}

/** The same store, one method of which begins only when `before` is over. */
export function withBefore(store: Store, name: keyof Store, before: () => void | Promise<void>): Store {
  return replaced(store, name, (run) => {
    const begun = before()
    return begun instanceof Promise ? begun.then(run) : run()
  })
}

function replaced(store: Store, name: keyof Store, around: (run: () => unknown) => unknown): Store {
  return new Proxy(store, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target)
      if (typeof value !== 'function') return value
      const run = value.bind(target)
      return property === name ? (...values: unknown[]) => around(() => run(...values)) : run
    },
  })
}
