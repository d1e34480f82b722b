// A store in memory that tells of its history as a server store does: to several processes, in order per connection, each
// entry a little later. The test says when, and when the line is broken.
import { memoryStore } from '../../src/vault/memory-store.ts'
import type { HistoryEntry, Store } from '../../src/vault/store.ts'

interface Watcher {
  listener: (entry: HistoryEntry) => void
  onGap: () => void
}

/** One store, as several processes see it. */
export class WatchedStore {
  readonly #kept: Store
  readonly #watchers = new Set<Watcher>()
  readonly #seen = new Map<string, string>()
  #held: (() => void)[] | undefined

  constructor(now: () => number) {
    this.#kept = memoryStore({ now })
  }

  /** The store for one more process. @param before runs before each of its reads of a row. */
  process(before: () => Promise<void> = async () => {}): Store {
    const changes = new Set([
      ...['putGrant', 'saveTokens', 'recordFailure', 'markNeedsReconnect', 'acquireLease', 'deleteRevoked'],
    ])
    const watch: Store['watch'] = async (listener, onGap) => {
      const watcher = { listener, onGap }
      this.#watchers.add(watcher)
      return async () => void this.#watchers.delete(watcher)
    }
    return new Proxy(this.#kept, {
      get: (target, name) => {
        if (name === 'watch') return watch
        if (name === 'close') return () => {}
        const member: unknown = Reflect.get(target, name, target)
        if (typeof member !== 'function' || name === 'now') return bound(member, target)
        return async (...values: unknown[]) => {
          if (name === 'get') await before()
          const result = await member.apply(target, values)
          if (changes.has(String(name))) await this.#tell(idOf(values[0]))
          return result
        }
      },
    })
  }

  /** From now on nothing is told, until {@link release}. */
  hold(): void {
    this.#held = []
  }

  /** Tells what was held back. */
  release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const tell of held) tell()
  }

  /** Loses what was held back. Nobody notices before the function that it returns is called. */
  lose(): () => void {
    this.#held = undefined
    return () => {
      for (const { onGap } of this.#watchers) onGap()
    }
  }

  async #tell(id: string): Promise<void> {
    for (const entry of await this.#kept.history(id)) {
      const key = `${entry.connectionId} ${entry.seq}`
      const told = JSON.stringify(entry)
      if (this.#seen.get(key) === told) continue
      this.#seen.set(key, told)
      const tell = () => {
        for (const { listener } of this.#watchers) listener(entry)
      }
      if (this.#held !== undefined) this.#held.push(tell)
      else setImmediate(tell)
    }
  }
}

function bound(member: unknown, target: Store): unknown {
  return typeof member === 'function' ? member.bind(target) : member
}

function idOf(value: unknown): string {
  return typeof value === 'string' ? value : (value as { id: string }).id
}
