// Tells those who subscribed what happens to connections, in order per connection, whatever they do with it. Where the
// store can tell of other processes, everything comes from its stream, own changes included: their order is the store's.
import { type Connection, toConnection } from './connection.ts'
import type { VaultEvent, VaultEventType, VaultListener } from './event.ts'
import { readHistoryNote } from './history-note.ts'
import type { SealedTokens } from './sealed-tokens.ts'
import type { ConnectionRow, ConnectionStatus, HistoryEntry, RowAddress, Store } from './store.ts'
import type { TokenCache } from './token-cache.ts'

/** A change of a connection that its history tells of. */
export interface Change {
  type: Exclude<VaultEventType, 'scope_changed'>
  id: string
  /** After it. */
  generation: number
  /** Whether other scopes are granted than before. */
  scopesChanged?: boolean
  /** Why, for `refresh_failed` and `needs_reconnect`. */
  error?: unknown
}

/** What an {@link EventStream} works with. */
export interface EventParts {
  store: Pick<Store, 'get' | 'watch'>
  /** Of other tenants on the store nothing is told. */
  tenant: string
  cache: TokenCache
  sealed: Pick<SealedTokens, 'forget'>
  /** Milliseconds since 1970. */
  now: () => number
  /** Resolves after that time, or when the signal aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

/** A change of ours that has not come round yet. */
interface Announcement {
  change: Change
  /** The row after it; `undefined`: nothing was changed. */
  written: Promise<ConnectionRow | undefined>
  /** It need not be waited for any longer. */
  settle: () => void
}

/** After this a change of ours is told without having come round, in milliseconds. */
const overdueMs = 60_000
/** How long closing waits for our changes to come round, in milliseconds. */
const closingMs = 1000

/** How much is remembered of what was told, so that nothing is told twice or too late. */
const rememberedLimit = 1000

/** The events of one vault. */
export class EventStream {
  readonly #parts: EventParts
  readonly #listeners = new Set<VaultListener>()
  readonly #waiting: VaultEvent[] = []
  #telling = false
  #stopWatching: (() => Promise<void>) | undefined
  readonly #announced = new Map<string, Announcement[]>()
  /** Entries that were told before they came round, and will not be told again. */
  readonly #toldBefore = new Set<string>()
  /** The newest generation that was told of, by connection: what is told without having come round may be overtaken. */
  readonly #lastTold = new Map<string, number>()
  /** The last of what is under way for each connection. */
  readonly #lines = new Map<string, Promise<void>>()
  readonly #closing = new AbortController()

  constructor(parts: EventParts) {
    this.#parts = parts
  }

  /** Listens to the store, where it can tell. @throws {StoreError} */
  async start(): Promise<void> {
    this.#stopWatching = await this.#parts.store.watch?.(
      (entry) => this.#hear(entry),
      () => this.#gap(),
    )
  }

  /** Adds a listener, and returns what takes it away again. */
  subscribe(listener: VaultListener): () => void {
    // A wrapper: the same function may subscribe twice.
    const own: VaultListener = (event) => listener(event)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  /**
   * Makes a change that history tells of, and tells of it.
   *
   * @param write returns the row after it, `undefined` when nothing was changed. What it throws is thrown on.
   */
  async record(
    change: Change,
    write: () => Promise<ConnectionRow | undefined>,
  ): Promise<ConnectionRow | undefined> {
    if (this.#stopWatching === undefined || this.#listeners.size === 0) {
      const row = await write()
      if (row !== undefined) this.#tellOwn(change, row, this.#parts.now())
      return row
    }
    const written = write()
    this.#announce(change, written)
    const row = await written
    if (row !== undefined) this.#invalidate(change.type, row.id, row)
    return row
  }

  /** Tells of something that history does not know. */
  emit(type: Change['type'], row: ConnectionRow, error: unknown): void {
    const { id, generation } = row
    const change: Change = { type, id, generation, error }
    if (this.#stopWatching === undefined) this.#tellOwn(change, row, this.#parts.now())
    else this.#inLine(id, async () => this.#tellOwn(change, row, this.#parts.now()))
  }

  /** Waits a moment for our own changes to come round, tells of those that did not, and stops. */
  async close(): Promise<void> {
    const sleep = this.#parts.sleep(closingMs, this.#closing.signal)
    await Promise.race([this.#comeRound(), sleep])
    this.#closing.abort()
    await this.#stopWatching?.()
    await this.#comeRound()
  }

  async #comeRound(): Promise<void> {
    while (this.#lines.size > 0) await Promise.allSettled(this.#lines.values())
  }

  /** What was in memory may be outdated, and what we did ourselves may never come round: that is told now. */
  #gap(): void {
    this.#parts.cache.clear()
    for (const announcements of this.#announced.values()) for (const { settle } of announcements) settle()
  }

  #announce(change: Change, written: Promise<ConnectionRow | undefined>): void {
    const key = keyOf(change)
    const settled = new AbortController()
    const announcement = { change, written, settle: () => settled.abort() }
    this.#announced.set(key, [...(this.#announced.get(key) ?? []), announcement])
    const overdue = async () => {
      const row = await written.catch(() => undefined)
      if (row !== undefined)
        await this.#parts.sleep(overdueMs, AbortSignal.any([settled.signal, this.#closing.signal]))
      if (!this.#withdraw(announcement) || row === undefined) return
      this.#remember(key)
      await this.#inLine(change.id, async () => this.#tellOwn(change, row, this.#parts.now()))
    }
    const line = `announced ${globalThis.crypto.randomUUID()}`
    this.#lines.set(
      line,
      overdue().finally(() => this.#lines.delete(line)),
    )
  }

  /** Takes back what was announced. `false`: it has come round. */
  #withdraw(announcement: Announcement): boolean {
    const key = keyOf(announcement.change)
    const announced = this.#announced.get(key) ?? []
    const others = announced.filter((other) => other !== announcement)
    if (others.length > 0) this.#announced.set(key, others)
    else this.#announced.delete(key)
    return others.length < announced.length
  }

  /** What made a generation, or ended it, is not told any more after a newer one. */
  #isOvertaken({ id, type, generation }: Pick<Change, 'id' | 'type' | 'generation'>): boolean {
    const last = this.#lastTold.get(id) ?? 0
    this.#lastTold.delete(id)
    const [oldest] = this.#lastTold.keys()
    if (this.#lastTold.size >= rememberedLimit && oldest !== undefined) this.#lastTold.delete(oldest)
    this.#lastTold.set(id, Math.max(last, generation))
    return generation < last && type !== 'revoked' && type !== 'refresh_failed'
  }

  #remember(key: string): void {
    const [oldest] = this.#toldBefore
    if (this.#toldBefore.size >= rememberedLimit && oldest !== undefined) this.#toldBefore.delete(oldest)
    this.#toldBefore.add(key)
  }

  #hear(entry: HistoryEntry): void {
    const { type, connectionId, tenant } = entry
    if (type === 'lease_taken_over' || tenant !== this.#parts.tenant) return
    this.#invalidate(type, connectionId, entry)
    const change: Change = { type, id: connectionId, generation: entry.generation }
    const [announcement] = this.#announced.get(keyOf(change)) ?? []
    if (announcement !== undefined) this.#withdraw(announcement)
    else if (this.#toldBefore.delete(keyOf(change)) || this.#listeners.size === 0) return
    void this.#inLine(connectionId, () => this.#tellEntry(entry, announcement))
  }

  /** One after the other for each connection. */
  #inLine(id: string, step: () => Promise<void>): Promise<void> {
    const before = this.#lines.get(id) ?? Promise.resolve()
    const after = before.then(step).finally(() => {
      if (this.#lines.get(id) === after) this.#lines.delete(id)
    })
    this.#lines.set(id, after)
    return after
  }

  async #tellEntry(entry: HistoryEntry, announcement: Announcement | undefined): Promise<void> {
    const own = await announcement?.written.catch(() => undefined)
    announcement?.settle()
    if (announcement !== undefined && own !== undefined)
      return this.#tellOwn(announcement.change, own, entry.lastAt)
    const { type, connectionId: id, generation } = entry
    if (type === 'lease_taken_over' || this.#isOvertaken({ type, id, generation })) return
    const connection = await this.#connectionOf(entry)
    const happened = { connection, here: false, at: new Date(entry.lastAt) }
    this.#tell({ type, ...happened })
    if (readHistoryNote(entry, 'refreshed')?.scopes !== undefined)
      this.#tell({ type: 'scope_changed', ...happened })
  }

  /** Of another process's entry: what the entry says, and the rest as the row has it by now, if it is there. */
  async #connectionOf(entry: HistoryEntry): Promise<Connection> {
    try {
      const row = await this.#parts.store.get(entry.connectionId)
      if (row !== undefined) return { ...toConnection(row, this.#parts.now()), ...said(entry) }
    } catch {
      // The store's own trouble: what the entry says will do.
    }
    const { tenant, user, provider, account, at, lastAt } = entry
    const times = { expiresAt: null, createdAt: new Date(at), updatedAt: new Date(lastAt) }
    return { ...{ tenant, user, provider, account, scopes: [] }, ...times, ...said(entry) }
  }

  #tellOwn(change: Change, row: ConnectionRow, at: number): void {
    const { type, scopesChanged, error } = change
    this.#invalidate(type, row.id, row)
    if (this.#listeners.size === 0 || this.#isOvertaken(change)) return
    const happened = { connection: toConnection(row, at), here: true, at: new Date(at) }
    this.#tell({ type, ...happened, ...(error === undefined ? {} : { error }) })
    if (scopesChanged === true) this.#tell({ type: 'scope_changed', ...happened })
  }

  /** What is in memory of a connection may not be what is stored any more. */
  #invalidate(type: VaultEventType, id: string, { user, provider, account }: RowAddress): void {
    if (type === 'refresh_failed') return
    this.#parts.cache.forget(user, provider, account)
    this.#parts.sealed.forget(id)
  }

  /** One event after the other, also when a listener causes the next. */
  #tell(event: VaultEvent): void {
    this.#waiting.push(event)
    if (this.#telling) return
    this.#telling = true
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift())
      for (const listener of this.#listeners) tell(listener, next)
    this.#telling = false
  }
}

function keyOf({ type, id, generation }: Change): string {
  return `${type} ${generation} ${id}`
}

/** What an entry says of its connection. */
function said(entry: HistoryEntry) {
  const { connectionId: id, generation, type, reason } = entry
  const status: ConnectionStatus = type === 'revoked' || type === 'needs_reconnect' ? type : 'active'
  const scopes = readHistoryNote(entry, 'connected')?.scopes ?? readHistoryNote(entry, 'refreshed')?.scopes
  return {
    ...{ id, generation, status },
    ...(reason === null ? {} : { reason }),
    ...(scopes === undefined ? {} : { scopes }),
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
