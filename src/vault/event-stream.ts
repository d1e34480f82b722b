// Tells those who subscribed what happens to connections, in order, whatever they do with it.
import { toConnection } from './connection.ts'
import type { VaultEvent } from './event.ts'
import type { ConnectionRow } from './store.ts'
import type { TokenCache } from './token-cache.ts'

/** Hears an event. What it throws or rejects with is ignored. */
export type VaultListener = (event: VaultEvent) => void

/** The events of one vault. */
export class EventStream {
  readonly #cache: TokenCache
  readonly #now: () => number
  readonly #listeners = new Set<VaultListener>()
  readonly #waiting: VaultEvent[] = []
  #telling = false

  /** @param cache forgets what changed. */
  constructor(cache: TokenCache, now: () => number) {
    this.#cache = cache
    this.#now = now
  }

  /** Adds a listener, and returns what takes it away again. */
  subscribe(listener: VaultListener): () => void {
    // A wrapper: the same function may subscribe twice.
    const own: VaultListener = (event) => listener(event)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  /** @param row as it is after the event. */
  emit(type: VaultEvent['type'], row: ConnectionRow, error?: unknown): void {
    if (type !== 'refresh_failed') this.#cache.forget(row.user, row.provider, row.account)
    const now = this.#now()
    const event: VaultEvent = { type, connection: toConnection(row, now), at: new Date(now) }
    if (error !== undefined) event.error = error
    this.#waiting.push(event)
    this.#tell()
  }

  /** One event after the other, also when a listener causes the next. */
  #tell(): void {
    if (this.#telling) return
    this.#telling = true
    for (let event = this.#waiting.shift(); event !== undefined; event = this.#waiting.shift())
      for (const listener of this.#listeners) tell(listener, event)
    this.#telling = false
  }
}

/** A listener's own trouble must not become the connection's. */
function tell(listener: VaultListener, event: VaultEvent): void {
  try {
    const heard: unknown = listener(event)
    if (heard instanceof Promise) heard.catch(() => {})
  } catch {
    // As above.
  }
}
