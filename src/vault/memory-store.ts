// A store in this process's memory: for tests, demos and short-lived processes. Nothing is shared or kept.
import { compare, MemoryConnections, sameBytes } from './memory-connections.ts'
import type { AuditLine, KeyUse, Store, StoredKey } from './store.ts'

/** Options of {@link memoryStore}. */
export interface MemoryStoreOptions {
  /** The store's clock, in milliseconds since 1970. Default `Date.now`. */
  now?: (() => number) | undefined
}

/** A new, empty store in memory. Two of them share nothing (P51). */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  return new MemoryStore(options.now ?? Date.now)
}

interface Pending {
  sealed: Uint8Array
  expiresAt: number
  keyId: string
  person: string | null
}

interface Meta {
  value: Uint8Array
  keyId: string | null
}

class MemoryStore extends MemoryConnections implements Store {
  readonly #pending = new Map<string, Pending>()
  readonly #meta = new Map<string, Meta>()
  readonly #audit = new Map<string, AuditLine[]>()

  putPending(
    key: string,
    sealed: Uint8Array,
    expiresAt: number,
    keyId: string,
    person: string | null = null,
  ): void {
    this.opened()
    this.#dropPending()
    this.known(keyId)
    this.#pending.set(key, { sealed, expiresAt, keyId, person })
  }

  takePending(key: string): Uint8Array | undefined {
    this.opened()
    const pending = this.#pending.get(key)
    this.#pending.delete(key)
    return pending !== undefined && pending.expiresAt > this.now() ? pending.sealed : undefined
  }

  forgetUser(tenant: string, user: string, person: string): number {
    this.opened()
    this.forgetEntries(tenant, user)
    const put = [...this.#pending].filter(([, pending]) => pending.person === person)
    for (const [key] of put) this.#pending.delete(key)
    return put.length
  }

  getMeta(name: string): Uint8Array | undefined {
    this.opened()
    return this.#meta.get(name)?.value
  }

  putMetaIfAbsent(name: string, value: Uint8Array, keyId: string | null = null): boolean {
    this.opened()
    if (this.#meta.has(name)) return false
    if (keyId !== null) this.known(keyId)
    this.#meta.set(name, { value, keyId })
    return true
  }

  replaceMeta(name: string, before: Uint8Array, value: Uint8Array, keyId: string | null = null): boolean {
    this.opened()
    const found = this.#meta.get(name)
    if (found === undefined || !sameBytes(found.value, before)) return false
    if (keyId !== null) this.known(keyId)
    this.#meta.set(name, { value, keyId })
    return true
  }

  keys(): readonly StoredKey[] {
    this.opened()
    return [...this.sealingKeys.values()]
      .sort(
        (a, b) => Number(b.primary) - Number(a.primary) || a.createdAt - b.createdAt || compare(a.id, b.id),
      )
      .map((key) => ({ ...key }))
  }

  addKey({ id, check, wrapped }: Pick<StoredKey, 'id' | 'check' | 'wrapped'>): boolean {
    this.opened()
    const known = this.sealingKeys.get(id)
    if (known !== undefined && known.check.length > 0) return false
    const added = { primary: this.sealingKeys.size === 0, wrapped, createdAt: this.now() }
    this.sealingKeys.set(id, { ...added, ...known, id, check })
    return true
  }

  makePrimary(keyId: string): boolean {
    this.opened()
    if (!this.sealingKeys.has(keyId)) return false
    for (const [id, key] of this.sealingKeys) this.sealingKeys.set(id, { ...key, primary: id === keyId })
    return true
  }

  removeKey(keyId: string): boolean {
    this.#dropPending()
    const use = this.keyUse().find((found) => found.keyId === keyId)
    if (use === undefined || this.sealingKeys.get(keyId)?.primary === true) return false
    return use.connections + use.others === 0 && this.sealingKeys.delete(keyId)
  }

  keyUse(): readonly KeyUse[] {
    const rows = [...this.opened().values()]
    const pending = [...this.#pending.values()].filter(({ expiresAt }) => expiresAt > this.now())
    const others = [...pending, ...this.#meta.values()]
    return this.keys().map(({ id: keyId }) => ({
      keyId,
      connections: rows.filter((row) => row.keyId === keyId).length,
      others: others.filter((other) => other.keyId === keyId).length,
    }))
  }

  metaSealedOtherwise(keyId: string): readonly string[] {
    this.opened()
    return [...this.#meta]
      .filter(([, meta]) => meta.keyId !== null && meta.keyId !== keyId)
      .map(([name]) => name)
      .sort(compare)
  }

  auditHead(tenant: string): AuditLine | undefined {
    this.opened()
    return this.#audit.get(tenant)?.at(-1)
  }

  appendAudit(tenant: string, lines: readonly AuditLine[]): boolean {
    this.opened()
    const kept = this.#audit.get(tenant) ?? []
    if (lines[0]?.seq !== kept.length + 1) return false
    this.#audit.set(tenant, [...kept, ...lines])
    return true
  }

  auditLines(tenant: string, afterSeq: number, limit: number): readonly AuditLine[] {
    this.opened()
    return (this.#audit.get(tenant) ?? []).slice(afterSeq, afterSeq + limit)
  }

  override close(): void {
    super.close()
    this.#pending.clear()
    this.#meta.clear()
    this.#audit.clear()
  }

  #dropPending(): void {
    const now = this.now()
    for (const [key, { expiresAt }] of this.#pending) if (expiresAt <= now) this.#pending.delete(key)
  }
}
