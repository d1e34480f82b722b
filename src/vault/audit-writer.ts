// Brings audit lines into the store: collected in memory, appended together, in their order. Many processes append to
// one log: each builds on the last line it knows of and tries again when another was faster.
import { StoreError, ToolgrantError } from '../errors.ts'
import type { AuditEntry } from './audit.ts'
import { type AuditChain, openChain } from './audit-chain.ts'
import { ConnectionIds } from './audit-connections.ts'
import type { CurrentKeyring } from './key-ring.ts'
import type { AuditLine, Store } from './store.ts'

/** How long a line waits for others at most, in milliseconds. */
export const flushAfterMs = 1000
/** So many lines are written at once, and not waited for any longer. */
export const batchSize = 200
/** So many lines wait while the store cannot be reached; of those beyond, only the number is kept. */
export const bufferLimit = 10_000

/** What an {@link AuditWriter} works with. */
export interface AuditWriterParts {
  store: Store
  keyring: CurrentKeyring
  tenant: string
  /** The `actor` of entries that name none. */
  actor: string
  /** Jitter, 0 to 1. */
  random: () => number
  /** Resolves after that time or when the signal aborts; need not keep the process alive. */
  idle: (ms: number, signal: AbortSignal) => Promise<void>
  /** Resolves after that time. */
  pause: (ms: number) => Promise<void>
}

interface Waiting {
  at: number
  entry: AuditEntry
}

/** How often an append is tried again at once, because other processes were faster. */
const mostRaces = 100
/** The longest pause between two attempts while the store cannot be reached, in milliseconds. */
const longestPauseMs = 30_000

/** Collects and appends lines. */
export class AuditWriter {
  readonly #parts: AuditWriterParts
  readonly #ids: ConnectionIds
  #waiting: Waiting[] = []
  /** How many lines there was no room for, and since when. */
  #lost = { count: 0, from: 0 }
  /** The last line as far as this process knows. */
  #head: AuditLine | undefined
  /** The last line that this process wrote. */
  #own: AuditLine | undefined
  /** Lines of an append whose outcome is not known. */
  #unsure: readonly AuditLine[] | undefined
  #chain: Promise<AuditChain> | undefined
  #writing: Promise<boolean> | undefined
  #timer: AbortController | undefined
  #failures = 0

  constructor(parts: AuditWriterParts) {
    this.#parts = parts
    this.#ids = new ConnectionIds(parts.store, parts.tenant)
  }

  /** Takes an entry; it is written within a second. */
  add(entry: AuditEntry): void {
    const at = this.#now()
    if (this.#waiting.length >= bufferLimit) {
      if (this.#lost.count === 0) this.#lost.from = at
      this.#lost.count += 1
      return
    }
    this.#waiting.push({ at, entry })
    if (this.#failures > 0) return
    if (this.#waiting.length >= batchSize) void this.#write()
    else this.#later(flushAfterMs)
  }

  /** Writes everything that waits. `false`: the store cannot take it now. */
  async flush(): Promise<boolean> {
    // Another's write may have begun before the last line came.
    await this.#writing
    return this.#waiting.length === 0 && this.#lost.count === 0 ? true : this.#write()
  }

  /** Writes what waits, for the last time. Returns how many lines could not be written. */
  async close(): Promise<number> {
    const written = await this.flush()
    this.#timer?.abort()
    return written ? 0 : this.#waiting.length + this.#lost.count
  }

  /** Waits, then writes. One timer at a time; it keeps no process alive. */
  #later(ms: number): void {
    if (this.#timer !== undefined || this.#writing !== undefined) return
    const timer = new AbortController()
    this.#timer = timer
    this.#parts.idle(ms, timer.signal).then(
      () => {
        if (this.#timer === timer) this.#timer = undefined
        if (!timer.signal.aborted) void this.#write()
      },
      () => {},
    )
  }

  #write(): Promise<boolean> {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined
      if (this.#waiting.length > 0 || this.#lost.count > 0) this.#later(this.#pauseMs())
    })
    return this.#writing
  }

  async #writeAll(): Promise<boolean> {
    this.#timer?.abort()
    this.#timer = undefined
    try {
      await this.#dropAppended()
      while (this.#waiting.length > 0 || this.#lost.count > 0) {
        const batch = this.#nextBatch()
        await this.#append(batch)
        this.#waiting.splice(0, batch.length)
        this.#failures = 0
      }
      return true
    } catch (error) {
      // Tools must not stop because of it.
      if (this.#failures === 0) warn(error)
      this.#failures += 1
      return false
    }
  }

  /** The next lines; when there was no room for some behind them, that is the last. */
  #nextBatch(): Waiting[] {
    const { count, from } = this.#lost
    if (this.#waiting.length < batchSize && count > 0) {
      const at = this.#now()
      const detail = { lost: count, from: new Date(from).toISOString() }
      this.#waiting.push({ at, entry: { action: 'audit', outcome: 'lines_lost', detail } })
      this.#lost = { count: 0, from: 0 }
    }
    return this.#waiting.slice(0, batchSize)
  }

  async #append(batch: readonly Waiting[]): Promise<void> {
    this.#chain ??= openChain(this.#parts.store, this.#parts.keyring, this.#parts.tenant)
    const chain = await this.#chain.catch((error: unknown) => {
      this.#chain = undefined
      throw error
    })
    const lines = await this.#linesOf(batch)
    for (let races = 0; races < mostRaces; races += 1) {
      this.#head ??= await this.#storedHead()
      const built = chained(chain, this.#head, lines)
      if (await this.#tryAppend(built)) return
      await this.#pauseAfterRace(races)
    }
    throw new StoreError('store_busy', 'Other processes wrote to the audit log, each time before this one.')
  }

  /** One attempt. An error leaves it open whether the lines were written. */
  async #tryAppend(built: readonly AuditLine[]): Promise<boolean> {
    this.#unsure = built
    this.#head = undefined
    const appended = await this.#parts.store.appendAudit(this.#parts.tenant, built)
    this.#unsure = undefined
    if (appended) this.#head = this.#own = built.at(-1)
    return appended
  }

  /** Takes out the lines of an attempt that ended with an error and was carried out all the same. */
  async #dropAppended(): Promise<void> {
    const [first] = this.#unsure ?? []
    if (first === undefined) return
    const [there] = await this.#parts.store.auditLines(this.#parts.tenant, first.seq - 1, 1)
    const appended = there?.seq === first.seq && Buffer.compare(there.hash, first.hash) === 0
    if (appended) this.#waiting.splice(0, this.#unsure?.length)
    this.#unsure = undefined
  }

  /** Also notices that what this process wrote is gone: cut off by somebody, or an older backup was restored. */
  async #storedHead(): Promise<AuditLine | undefined> {
    const { store, tenant } = this.#parts
    const head = await store.auditHead(tenant)
    const own = this.#own
    if (own !== undefined && (head === undefined || head.seq < own.seq)) {
      this.#own = undefined
      const detail = { ended: head?.seq ?? 0, wrote: own.seq }
      this.#waiting.push({ at: this.#now(), entry: { action: 'audit', outcome: 'cut_off', detail } })
    }
    return head
  }

  async #linesOf(batch: readonly Waiting[]): Promise<{ at: number; entry: string }[]> {
    const entries = await this.#ids.inEntries(batch.map(({ entry }) => entry))
    return batch.flatMap(({ at }, index) => {
      const entry = entries[index]
      return entry === undefined ? [] : [{ at, entry: entryText(entry, this.#parts.actor) }]
    })
  }

  #pauseAfterRace(races: number): Promise<void> {
    return this.#parts.pause(this.#parts.random() * Math.min(2 ** races, 100))
  }

  #now(): number {
    return Math.floor(this.#parts.store.now())
  }

  #pauseMs(): number {
    return Math.min(flushAfterMs * 2 ** this.#failures, longestPauseMs)
  }
}

function warn(error: unknown): void {
  const reason = error instanceof ToolgrantError ? error.message : 'an unexpected error'
  globalThis.process?.emitWarning?.(
    `The audit log cannot be written now: ${reason} Its lines are kept in memory, at most ${bufferLimit}.`,
    'ToolgrantWarning',
  )
}

function chained(
  chain: AuditChain,
  head: AuditLine | undefined,
  lines: readonly { at: number; entry: string }[],
): AuditLine[] {
  let seq = head?.seq ?? 0
  let hash = head?.hash ?? chain.start
  return lines.map(({ at, entry }) => {
    seq += 1
    hash = chain.hash(hash, { seq, at, entry })
    return { seq, at, entry, hash }
  })
}

/** An entry as canonical JSON: its members always in this order, absent ones left out. */
export function entryText(entry: AuditEntry, actor: string): string {
  const { action, outcome, user, tool, thread, connections, requests, tokenGiven, ms, detail } = entry
  return JSON.stringify({
    ...{ action, outcome, actor: entry.actor ?? actor, user, tool, thread },
    connections: connections?.map(({ id, provider, account }) => ({ id, provider, account })),
    requests: requests?.map(({ host, method, status, error, redirectedTo, count, ms: took }) => ({
      ...{ host, method, status, error, redirectedTo, count },
      ms: Math.round(took),
    })),
    tokenGiven,
    ms: ms === undefined ? undefined : Math.round(ms),
    detail,
  })
}
