// Writes down which connections somebody asks for, behind everybody's back and seldom: a read must not become a write.
import type { Store, TokenRow } from './store.ts'

/** What {@link RecentUse} works with. */
export interface RecentUseParts {
  store: Pick<Store, 'touch'>
  /** Resolves after that time, or when the signal aborts. Must not keep the process alive. */
  idle: (ms: number, signal: AbortSignal) => Promise<void>
}

/** How exactly a row knows when it was used, in milliseconds. */
const exactToMs = 60 * 60_000
/** How long uses are gathered, in milliseconds. */
const gatherMs = 1000
/** So many rows are written in one step. */
const atOnce = 500

/** The connections that this process was asked for and whose rows do not say so yet. */
export class RecentUse {
  readonly #parts: RecentUseParts
  readonly #ids = new Set<string>()
  #writing: Promise<void> | undefined
  readonly #closing = new AbortController()

  constructor(parts: RecentUseParts) {
    this.#parts = parts
  }

  /** Somebody asked for the tokens of this row. @param now milliseconds since 1970. */
  notice(row: Pick<TokenRow, 'id' | 'usedAt'>, now: number): void {
    if (now - row.usedAt < exactToMs || this.#closing.signal.aborted) return
    this.#ids.add(row.id)
    this.#writing ??= this.#writeLater()
  }

  /** Writes what was gathered. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#writing
  }

  async #writeLater(): Promise<void> {
    await this.#parts.idle(gatherMs, this.#closing.signal)
    const ids = [...this.#ids]
    for (let from = 0; from < ids.length; from += atOnce)
      try {
        await this.#parts.store.touch(ids.slice(from, from + atOnce))
      } catch {
        // The next use says it again.
      }
    this.#ids.clear()
    this.#writing = undefined
  }
}
