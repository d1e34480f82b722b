// The steps of a refresh at which a process can be killed or stopped. A thin layer over the real store and the real
// `fetch` says when each is reached; what it reaches is the real code.
import type { Store } from '../../src/vault/index.ts'

/** The steps, in their order. */
export const refreshSteps = [
  'before lease',
  'before intent',
  'after intent',
  'before request',
  'request in vain',
  'request sent',
  'answer received',
  'before save',
  'after save',
  'before serving',
] as const

/** The steps of a refresh that the provider answered with 503. */
export const failureSteps: readonly Step[] = ['before failure', 'after failure']

/**
 * - `before lease`, `before intent`, `before save`, `before failure`: the store is about to be told.
 * - `after intent`, `after save`, `after failure`: the store has said that it is written.
 * - `before request`: the last moment before the request leaves; nothing of ours runs between.
 * - `request in vain`: the provider has the request and does nothing. `request sent`: it has replaced the refresh
 *   token, and has not answered yet. The process cannot know either: the harness looks at the provider.
 * - `answer received`: the whole answer is in the process.
 * - `before serving`: callers have their tokens. The lease was freed by the step that saved.
 */
export type Step = (typeof refreshSteps)[number] | 'before failure' | 'after failure'

/** Steps that only the provider's side can see. */
export const providerSteps: readonly Step[] = ['request in vain', 'request sent']

/** Told of each step, before the process goes on. */
export type Reach = (connectionId: string, step: Step) => Promise<void> | void

/** Ways to break the vault on purpose, to see that the harness notices. */
export type Mutation = 'stolen lease' | 'unsaved'

/** The same store, which says what it is about to do and what it has done. */
export function steppingStore(store: Store, reach: Reach, mutation?: Mutation): Store {
  const stepped: Partial<Store> = {
    ...(mutation === 'stolen lease' ? blindToLeases(store) : {}),
    async acquireLease(...args) {
      await reach(args[0], 'before lease')
      if (mutation === 'stolen lease') await steal(store, args[0])
      return store.acquireLease(...args)
    },
    async writeIntent(...args) {
      await reach(args[0], 'before intent')
      const written = await store.writeIntent(...args)
      if (written) await reach(args[0], 'after intent')
      return written
    },
    async saveTokens(...args) {
      await reach(args[0], 'before save')
      const saved = mutation === 'unsaved' ? true : await store.saveTokens(...args)
      if (saved) await reach(args[0], 'after save')
      return saved
    },
    async recordFailure(...args) {
      await reach(args[0], 'before failure')
      const recorded = await store.recordFailure(...args)
      if (recorded) await reach(args[0], 'after failure')
      return recorded
    },
  }
  return new Proxy(store, {
    get(target, property) {
      const own: unknown = Reflect.get(stepped, property)
      if (own !== undefined) return own
      const value: unknown = Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function blindToLeases(store: Store): Partial<Store> {
  return {
    async get(id) {
      const row = await store.get(id)
      return row === undefined ? row : { ...row, leaseOwner: null, leaseUntil: null }
    },
  }
}

async function steal(store: Store, connectionId: string): Promise<void> {
  const owner = (await store.get(connectionId))?.leaseOwner
  if (owner != null) await store.releaseLease(connectionId, owner)
}

/** `fetch` for token requests: says when one leaves and when its answer is here, and names the process to the provider. */
export function steppingFetch(reach: (url: string, step: Step) => Promise<void> | void): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init)
    request.headers.set('x-process', String(process.pid))
    await reach(request.url, 'before request')
    const response = await fetch(request)
    const body = await response.arrayBuffer()
    await reach(request.url, 'answer received')
    const { status, statusText, headers } = response
    return new Response(body, { status, statusText, headers })
  }
}
