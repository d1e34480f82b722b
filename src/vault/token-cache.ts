// Live tokens in memory, so that a session in use touches neither store nor crypto. Bounded.
import type { TokenSet } from '../oauth/index.ts'

interface Entry {
  tokens: TokenSet
  /** Until then the entry is as good as the store, in milliseconds since 1970. */
  until: number
}

/** Longest time after which the store is asked again: what another process disconnects ends here by then. */
const longestMs = 60_000
/** Marks are kept by a hash of the key: two keys with the same one only cost each other a read. */
const marks = 1024

/**
 * Token sets by connection address. The oldest entry makes room for a new one: a token that was dropped costs one
 * read of the store, so nothing cleverer is worth its price on the hot path.
 */
export class TokenCache {
  readonly #entries = new Map<string, Entry>()
  readonly #limit: number
  readonly #now: () => number
  /** How often something was forgotten. */
  readonly #forgotten = new Uint32Array(marks)

  /** @param limit how many token sets are held at most. */
  constructor(limit: number, now: () => number) {
    this.#limit = limit
    this.#now = now
  }

  /** The token set of that key, while it is fresh. */
  get(key: string): TokenSet | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    const leftMs = entry.until - this.#now()
    // More than a minute is left when the clock has gone back since.
    return leftMs > 0 && leftMs <= longestMs ? entry.tokens : undefined
  }

  /** Taken before the store is read, and given to {@link set}: what was forgotten meanwhile is not remembered again. */
  mark(key: string): number {
    return this.#forgotten[slot(key)] ?? 0
  }

  /** @param freshUntil when the token set is due for renewal, or ends; it is forgotten after a minute in any case. */
  set(key: string, tokens: TokenSet, freshUntil: number, mark: number): void {
    if (mark !== this.mark(key)) return
    const until = Math.min(freshUntil, this.#now() + longestMs)
    this.#entries.delete(key)
    if (this.#entries.size >= this.#limit) {
      const [oldest] = this.#entries.keys()
      if (oldest !== undefined) this.#entries.delete(oldest)
    }
    if (this.#limit > 0) this.#entries.set(key, { tokens, until })
  }

  /** Forgets what may have changed at an address: under its account, and under no account. */
  forget(user: string, provider: string, account: string): void {
    for (const key of [cacheKey(user, provider, account), cacheKey(user, provider, undefined)]) {
      this.#entries.delete(key)
      this.#forgotten[slot(key)] = this.mark(key) + 1
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#entries.clear()
    for (const [at, count] of this.#forgotten.entries()) this.#forgotten[at] = count + 1
  }
}

function slot(key: string): number {
  let hash = 0
  for (let at = 0; at < key.length; at += 1) hash = (Math.imul(hash, 31) + key.charCodeAt(at)) | 0
  return (hash >>> 0) % marks
}

/** One text per address; no two addresses share one. */
export function cacheKey(user: string, provider: string, account: string | undefined): string {
  return JSON.stringify(account === undefined ? [user, provider] : [user, provider, account])
}
