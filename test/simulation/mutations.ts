// The vault broken on purpose, one way at a time: each invariant has to notice what it is there for. A mutation is a
// change of a source file as it is loaded, or a store that does not keep its contract.
import type { ConnectionRow, Grant, Store } from '../../src/vault/store.ts'
import type { InvariantId } from './invariants.ts'

/** One way to break it. */
export interface Mutation {
  /** What is wrong. */
  what: string
  /** Any of these has to notice. */
  caughtBy: readonly InvariantId[]
  /** A text of a file under `src/`, and what is there instead. It must be there. */
  source?: { file: string; from: string | RegExp; to: string }
  /** Wraps the store in memory. */
  store?: (store: Store) => Store
}

type Methods = { [Name in keyof Store]?: unknown }

/** The store with some methods replaced. */
function replacing(methods: (store: Store) => Methods): (store: Store) => Store {
  return (store) => {
    const replaced: Record<string, unknown> = { ...methods(store) }
    return new Proxy(store, {
      get(target, name) {
        if (typeof name === 'string' && name in replaced) return replaced[name]
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
}

/** All of them, by name. */
export const mutations: Readonly<Record<string, Mutation>> = {
  'lease-ignored': {
    what: 'whoever asks for the lease gets it',
    caughtBy: ['lease-write'],
    store: replacing((store) => ({
      acquireLease(id: string, generation: number, owner: string, leaseMs: number) {
        const row = store.get(id) as ConnectionRow | undefined
        if (row?.leaseOwner != null) store.releaseLease(id, row.leaseOwner)
        return store.acquireLease(id, generation, owner, leaseMs)
      },
    })),
  },
  'lease-not-extended': {
    what: 'a lease runs out while the request is under way',
    caughtBy: ['one-request'],
    store: replacing(() => ({ extendLease: () => true })),
  },
  'intent-not-written': {
    what: 'nothing is written down before a request is sent',
    caughtBy: ['intent-first'],
    store: replacing((store) => ({
      writeIntent: (id: string, owner: string, _generation: number, _hash: string, leaseMs: number) =>
        store.extendLease(id, owner, leaseMs),
    })),
  },
  'compare-and-set-dropped': {
    what: 'tokens are saved whatever the generation is by now',
    caughtBy: ['lease-write'],
    store: replacing((store) => ({
      saveTokens(id: string, owner: string, generation: number, grant: Grant) {
        const row = store.get(id) as ConnectionRow | undefined
        return store.saveTokens(id, owner, row?.generation ?? generation, grant)
      },
    })),
  },
  'verdict-without-lease': {
    what: 'a grant is declared dead by whoever thinks so',
    caughtBy: ['lease-write', 'false-death'],
    store: replacing((store) => ({
      markNeedsReconnect(id: string, owner: string, _generation: number, reason: string) {
        const row = store.get(id) as ConnectionRow | undefined
        if (row === undefined) return false
        const by = row.leaseOwner ?? owner
        if (row.leaseOwner === null) store.acquireLease(id, row.generation, owner, 1000)
        return store.markNeedsReconnect(id, by, row.generation, reason)
      },
    })),
  },
  'pause-forever': {
    what: 'a failure makes everybody wait for a day',
    caughtBy: ['recovery'],
    store: replacing((store) => ({
      recordFailure: (id: string, owner: string, generation: number, failure: { retryInMs: number }) =>
        store.recordFailure(id, owner, generation, { ...failure, retryInMs: 86_400_000 } as never),
    })),
  },
  'retry-after-ignored': {
    what: 'the pause is shorter than the provider asked for',
    caughtBy: ['back-off'],
    store: replacing((store) => ({
      recordFailure: (id: string, owner: string, generation: number, failure: { retryInMs: number }) =>
        store.recordFailure(id, owner, generation, { ...failure, retryInMs: failure.retryInMs / 4 } as never),
    })),
  },
  'back-off-ignored': {
    what: 'nobody looks at the pause that a failure left',
    caughtBy: ['back-off'],
    source: {
      file: 'vault/refresh-failure.ts',
      from: /const leftMs = \(retryAt \?\? now\) - now/,
      to: 'const leftMs = 0 * (retryAt ?? now)',
    },
  },
  'refresh-token-dropped': {
    what: 'an answer without a refresh token loses the old one',
    caughtBy: ['newest'],
    source: {
      file: 'oauth/refresh.ts',
      from: 'answer.refreshToken ?? refreshToken',
      to: 'answer.refreshToken',
    },
  },
  'outage-is-death': {
    what: 'a provider that is down is taken for one that refuses',
    caughtBy: ['false-death'],
    source: {
      file: 'vault/refresh-failure.ts',
      from: "if (isTransient(error)) return 'transient'",
      to: "if (isTransient(error)) return 'dead'",
    },
  },
  'our-fault-is-death': {
    what: 'a client that is refused is taken for a grant that is',
    caughtBy: ['false-death'],
    source: {
      file: 'vault/refresh-failure.ts',
      from: "return isGrantDead(error) ? 'dead' : 'ours'",
      to: "return 'dead'",
    },
  },
  'another-persons-token': {
    what: 'cached tokens are found by provider alone',
    caughtBy: ['own-token'],
    source: {
      file: 'vault/token-cache.ts',
      from: '[user, provider]',
      to: '[provider]',
    },
  },
}
