// What the contract suite of stores works with: a fresh store for each test, its clock, and rows to put into it.
// Not part of the package.
import { afterEach, beforeEach } from 'vitest'
import type {
  ConnectionRow,
  Grant,
  HistoryEntry,
  NewGrant,
  RefreshFailure,
  Store,
  StoredKey,
} from './store.ts'

/** How the suite gets a new, empty store with a clock of its own. */
export interface StoreUnderTest {
  open(clock: { now: () => number }): Store | Promise<Store>
  /** Whether it can tell of what other processes commit (`watch`). Default `false`. */
  watches?: boolean
}

/** The time at which every test begins. */
export const start = Date.UTC(2026, 0, 1)
/** A day, in milliseconds. */
export const dayMs = 86_400_000

/** So many bytes. */
export function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values)
}

/** A sealing key that a store may be told of; `key-1` is known to each new one. */
export function key(id = 'key-1'): Pick<StoredKey, 'id' | 'check' | 'wrapped'> {
  return { id, check: bytes(7, 7), wrapped: null }
}

/** Ada's grant at Slack, or one that differs from it. */
export function grant(changes: Partial<NewGrant> = {}): NewGrant {
  return {
    ...{ id: 'id-1', tenant: 't', user: 'ada', provider: 'slack', account: 'default', generation: 1 },
    ...{ scopes: '["a","b"]', expiresAt: start + 3_600_000, receivedAt: start },
    ...{ refreshDueAt: start + 3_300_000, dueAt: start + 3_300_000 },
    ...{ keyId: 'key-1', sealed: bytes(1, 2, 3), ...changes },
  }
}

/** What a refresh of it brings. */
export const answer: Grant = {
  ...{ scopes: '["a"]', expiresAt: start + 7_200_000, receivedAt: start + 1000, refreshDueAt: null },
  ...{ dueAt: null, keyId: 'key-1', sealed: bytes(4, 5) },
}

/** A failure that is tried again in half a second. */
export const outage: RefreshFailure = { reason: 'provider_unavailable', retryInMs: 500, uncertain: false }

/** A new store with the key `key-1` for each test of the describe block that makes it. */
export class StoreFixture {
  readonly #underTest: StoreUnderTest
  #store: Store | undefined
  /** The store's clock, in milliseconds since 1970. */
  now = start

  constructor(underTest: StoreUnderTest) {
    this.#underTest = underTest
    beforeEach(async () => {
      this.now = start
      this.#store = await this.another()
    })
    afterEach(() => this.#store?.close())
  }

  get store(): Store {
    if (this.#store === undefined) throw new Error('the fixture is not started')
    return this.#store
  }

  /** One more new store, with the same clock. */
  async another(): Promise<Store> {
    const store = await this.#underTest.open({ now: () => this.now })
    await store.addKey(key())
    return store
  }

  /** The row of that id, which is there. */
  async row(id = 'id-1'): Promise<ConnectionRow> {
    const found = await this.store.get(id)
    if (found === undefined) throw new Error(`no row ${id}`)
    return found
  }

  /** For a second. */
  async lease(owner: string, generation = 1): Promise<ConnectionRow | undefined> {
    return this.store.acquireLease('id-1', generation, owner, 1000)
  }

  /** The types of a connection's history, oldest first. */
  async told(id = 'id-1'): Promise<string[]> {
    return (await this.store.history(id)).map(({ type }) => type)
  }

  /** The last entry of a connection's history. */
  async last(id = 'id-1'): Promise<HistoryEntry | undefined> {
    return (await this.store.history(id)).at(-1)
  }
}

/** What a call throws, in one way or the other. */
export async function thrown(call: () => unknown): Promise<unknown> {
  try {
    await call()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}
