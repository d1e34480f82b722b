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
  /** The seed from which on the tests look, to save time. Default 1. */
  from?: number
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
    from: 15,
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
      file: 'oauth/grant.ts',
      from: 'answer.refreshToken ?? previous?.refreshToken',
      to: 'answer.refreshToken',
    },
  },
  'outage-is-death': {
    what: 'a provider that is down is taken for one that refuses',
    caughtBy: ['false-death'],
    source: {
      file: 'vault/refresh-failure.ts',
      from: "if (isTransient(error)) return isFromGateway(error.status) ? 'uncertain' : 'transient'",
      to: "if (isTransient(error)) return 'dead'",
    },
  },
  'our-fault-is-death': {
    what: 'a client that is refused is taken for a grant that is',
    caughtBy: ['false-death'],
    from: 106,
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
  'late-request': {
    what: 'a process that stood still sends all the same',
    caughtBy: ['send-in-time'],
    source: {
      file: 'vault/refresh-lease.ts',
      from: 'if (this.#since.elapsedMs <= leaseMs / 3) {',
      to: 'if (asked >= 0) {',
    },
  },
  'generation-skipped': {
    what: 'a generation grows by two',
    caughtBy: ['generation'],
    source: {
      file: 'vault/memory-connections.ts',
      from: '...fresh, generation: generation + 1 }',
      to: '...fresh, generation: generation + 2 }',
    },
  },
  'order-of-reading': {
    what: 'of two answers the one that was read last counts',
    caughtBy: ['newest'],
    source: {
      file: 'vault/refresh-answer.ts',
      from: 'if (current.grantedAt !== this.#lease.row.grantedAt) return false',
      to: 'return this.#tokens.receivedAt.getTime() > current.receivedAt',
    },
  },
  'late-answer-dropped': {
    what: 'an answer is saved only by who still has the lease',
    caughtBy: ['one-request', 'loss', 'newest'],
    source: {
      file: 'vault/refresh-answer.ts',
      from: 'let base = this.#lease.row',
      to: 'let base = this.#lease.row\n    if (!(await this.#parts.store.extendLease(base.id, this.#lease.owner, 60_000))) return undefined',
    },
  },
  'verdict-lost': {
    what: 'a dead grant is not marked',
    caughtBy: ['dead-probe'],
    store: replacing((store) => ({
      markNeedsReconnect: (id: string, owner: string) => store.releaseLease(id, owner),
    })),
  },
  'told-twice': {
    what: 'each event is told twice',
    caughtBy: ['one-event'],
    source: {
      file: 'vault/event-stream.ts',
      from: 'for (const listener of this.#listeners) tell(listener, next)',
      to: 'for (const listener of this.#listeners) for (const _ of [1, 2]) tell(listener, next)',
    },
  },
  'told-in-any-order': {
    what: 'what is told of a connection does not wait for what is told before',
    caughtBy: ['event-order'],
    source: {
      file: 'vault/event-stream.ts',
      from: 'this.#lines.get(id) ?? Promise.resolve()',
      to: 'Promise.resolve()',
    },
  },
  'wait-for-ever': {
    what: 'who waits for another process never looks again',
    caughtBy: ['starve'],
    source: {
      file: 'vault/refresh-run.ts',
      from: 'await sleep(pauseMs, this.#around.closing)',
      to: 'await sleep(1e9, this.#around.closing)',
    },
  },
  'valid-token-withheld': {
    what: 'a valid token is not served when its renewal fails',
    caughtBy: ['served'],
    from: 34,
    source: {
      file: 'vault/connection-reader.ts',
      from: 'if (isUsable()) return tokens\n      throw error',
      to: 'throw error',
    },
  },
  'expired-token-served': {
    what: 'an expired token is served when its renewal fails',
    caughtBy: ['fresh'],
    source: {
      file: 'vault/connection-reader.ts',
      from: 'if (isUsable()) return tokens\n      throw error',
      to: 'return tokens',
    },
  },
  'wrong-error': {
    what: 'a dead connection throws no error of ours',
    caughtBy: ['error'],
    source: {
      file: 'vault/connection-reader.ts',
      from: "if (row.status !== 'active') return this.#refuse(row, request)",
      to: "if (row.status !== 'active') throw new Error('dead')",
    },
  },
  'user-blamed': {
    what: 'an interrupted refresh is taken for a revocation',
    caughtBy: ['blame'],
    from: 23,
    source: {
      file: 'vault/refresh-attempt.ts',
      from: "wasInterrupted ? 'interrupted' : diagnose(error).reason",
      to: 'diagnose(error).reason',
    },
  },
  'nothing-is-due': {
    what: 'the scheduler finds nothing to do',
    caughtBy: ['schedule'],
    store: replacing(() => ({ nextDue: () => [] })),
  },
  'always-due': {
    what: 'a refreshed connection is due at once',
    caughtBy: ['hammer', 'livelock'],
    store: replacing((store) => ({
      saveTokens: (id: string, owner: string, generation: number, grant: Grant, note: string) =>
        store.saveTokens(id, owner, generation, { ...grant, dueAt: grant.receivedAt }, note),
    })),
  },
  'never-forgotten': {
    what: 'what was told of each event is remembered for ever',
    caughtBy: ['leak'],
    from: 60,
    source: {
      file: 'vault/event-stream.ts',
      from: 'this.#waiting.push(event)\n',
      to: 'this.#waiting.push(event)\n    this.#toldBefore.add(String(performance.now()))\n',
    },
  },
  'busy-waiting': {
    what: 'who waits for another process looks again at once',
    caughtBy: ['livelock'],
    source: {
      file: 'vault/refresh-run.ts',
      from: 'Math.min(250, 15 * 1.5 ** turn)',
      to: '0',
    },
  },
  'verdict-tried-once': {
    what: 'what the store refuses once is forgotten',
    caughtBy: ['dead-probe'],
    source: {
      file: 'vault/refresh-answer.ts',
      from: 'if (!mayPass(error)) throw error',
      to: 'throw error',
    },
  },
  'pause-not-looked-at-again': {
    what: 'a pause that was set before the lease was taken is not looked at',
    caughtBy: ['back-off'],
    source: {
      file: 'vault/refresh-run.ts',
      from: 'lease !== undefined && this.#pauseMs(lease.row) > 0',
      to: 'lease !== undefined && this.#pauseMs(row) > 0',
    },
  },
  'revoked-in-the-way': {
    what: 'callers wait while late tokens are revoked',
    caughtBy: ['error'],
    source: {
      file: 'vault/refresh.ts',
      from: 'abandon: async (...tokens) => this.#beside(parts.abandon(...tokens))',
      to: 'abandon: parts.abandon',
    },
  },
  'revoked-for-all': {
    what: 'late tokens are revoked even if the person has connected again',
    caughtBy: ['loss'],
    source: {
      file: 'vault/refresh-answer.ts',
      from: "return !others.some(({ status }) => status === 'active')",
      to: 'return true',
    },
  },
  'due-by-another-clock': {
    what: "what is due by the vault's clock is looked up by the store's",
    caughtBy: ['hammer', 'livelock'],
    store: replacing((store) => ({
      saveTokens: (id: string, owner: string, generation: number, grant: Grant, note: string) =>
        store.saveTokens(id, owner, generation, { ...grant, dueAt: grant.refreshDueAt }, note),
    })),
  },
  'follower-late': {
    what: 'who follows an owner that died comes after minutes',
    caughtBy: ['loss'],
    source: {
      file: 'vault/memory-connections.ts',
      from: 'Math.min(row.dueAt, now + leaseMs)',
      to: 'now + 180_000',
    },
  },
  'cached-for-ever': {
    what: 'a cached token is served until it ends, whatever became of its connection',
    caughtBy: ['stale'],
    from: 140,
    source: { file: 'vault/token-cache.ts', from: 'const longestMs = 60_000', to: 'const longestMs = 1e9' },
  },
}
