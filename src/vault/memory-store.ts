// A store in this process's memory: for tests, demos and short-lived processes. Nothing is shared or kept.
import { StoreError } from '../errors.ts'
import {
  type ConnectionRow,
  type Grant,
  longestLeaseMs,
  type NewGrant,
  type RefreshFailure,
  type RowFilter,
  type Store,
  type TokenRow,
} from './store.ts'

/** Options of {@link memoryStore}. */
export interface MemoryStoreOptions {
  /** The store's clock, in milliseconds since 1970. Default `Date.now`. */
  now?: (() => number) | undefined
}

/** A new, empty store in memory. Two of them share nothing (P51). */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  return new MemoryStore(options.now ?? Date.now)
}

const free = { leaseOwner: null, leaseUntil: null, intentAt: null, intentHash: null } as const

class MemoryStore implements Store {
  readonly name = 'the store in memory'
  readonly #now: () => number
  readonly #rows = new Map<string, ConnectionRow>()
  /** Ids by tenant, user and provider: what the vault asks for on every call. */
  readonly #ids = new Map<string, Set<string>>()
  readonly #pending = new Map<string, { sealed: Uint8Array; expiresAt: number }>()
  readonly #meta = new Map<string, Uint8Array>()
  #closed = false

  constructor(now: () => number) {
    this.#now = now
  }

  get(id: string): ConnectionRow | undefined {
    const row = this.#open().get(id)
    return row === undefined ? undefined : { ...row }
  }

  find(tenant: string, user: string, provider: string, account?: string): readonly TokenRow[] {
    return this.list({ tenant, user, provider, account })
  }

  list(filter: RowFilter): readonly ConnectionRow[] {
    const names = ['tenant', 'user', 'provider', 'account'] as const
    return this.#candidates(filter)
      .filter((row) => names.every((name) => filter[name] === undefined || filter[name] === row[name]))
      .sort(
        (a, b) => compare(a.user, b.user) || compare(a.provider, b.provider) || compare(a.account, b.account),
      )
      .map((row) => ({ ...row }))
  }

  putGrant(grant: NewGrant): boolean {
    const now = this.#now()
    const [before] = this.list({
      tenant: grant.tenant,
      user: grant.user,
      provider: grant.provider,
      account: grant.account,
    })
    if (before === undefined ? grant.generation !== 1 : !follows(before, grant)) return false
    const fresh = { status: 'active', reason: null, failures: 0, retryAt: null, ...free } as const
    const createdAt = before?.createdAt ?? now
    const group = groupOf(grant)
    this.#ids.set(group, (this.#ids.get(group) ?? new Set()).add(grant.id))
    this.#rows.set(grant.id, { ...grant, ...fresh, grantedAt: now, createdAt, updatedAt: now })
    return true
  }

  acquireLease(id: string, generation: number, owner: string, leaseMs: number): ConnectionRow | undefined {
    const row = this.get(id)
    const now = this.#now()
    if (row === undefined || row.generation !== generation || row.status !== 'active') return undefined
    const leftMs = row.leaseOwner === null ? 0 : (row.leaseUntil ?? now) - now
    if (leftMs > 0 && leftMs <= longestLeaseMs) return undefined
    return this.#write({ ...row, leaseOwner: owner, leaseUntil: now + leaseMs })
  }

  extendLease(id: string, owner: string, leaseMs: number): boolean {
    return this.#update(this.#owned(id, owner), { leaseUntil: this.#now() + leaseMs })
  }

  releaseLease(id: string, owner: string): boolean {
    return this.#update(this.#owned(id, owner), { leaseOwner: null, leaseUntil: null })
  }

  writeIntent(id: string, owner: string, generation: number, intentHash: string, leaseMs: number): boolean {
    const now = this.#now()
    const row = this.#owned(id, owner, generation)
    if (row?.status !== 'active') return false
    return this.#update(row, { intentAt: now, intentHash, leaseUntil: now + leaseMs })
  }

  saveTokens(id: string, owner: string, generation: number, grant: Grant): boolean {
    const row = this.get(id)
    if (row === undefined || row.generation !== generation || row.status === 'revoked') return false
    const { scopes, expiresAt, receivedAt, refreshDueAt, sealed } = grant
    return this.#update(row, {
      ...{ scopes, expiresAt, receivedAt, refreshDueAt, sealed },
      ...(row.leaseOwner === owner ? free : {}),
      ...{ generation: generation + 1, status: 'active', reason: null, failures: 0, retryAt: null },
    })
  }

  recordFailure(id: string, owner: string, generation: number, failure: RefreshFailure): boolean {
    const row = this.#owned(id, owner, generation)
    if (row === undefined) return false
    return this.#update(row, {
      ...(failure.uncertain ? { leaseOwner: null, leaseUntil: null } : free),
      failures: row.failures + 1,
      retryAt: this.#now() + failure.retryInMs,
      reason: failure.reason,
    })
  }

  markNeedsReconnect(id: string, owner: string, generation: number, reason: string): boolean {
    const row = this.#owned(id, owner, generation)
    if (row?.status !== 'active') return false
    return this.#update(row, { ...free, status: 'needs_reconnect', reason })
  }

  markRevoked(id: string): ConnectionRow | undefined {
    const row = this.get(id)
    if (row === undefined) return undefined
    return this.#write({ ...row, status: 'revoked', reason: 'disconnecting' })
  }

  deleteRevoked(id: string): boolean {
    const row = this.get(id)
    if (row?.status !== 'revoked') return false
    const ids = this.#ids.get(groupOf(row))
    ids?.delete(id)
    if (ids?.size === 0) this.#ids.delete(groupOf(row))
    return this.#rows.delete(id)
  }

  putPending(key: string, sealed: Uint8Array, expiresAt: number): void {
    this.#open()
    const now = this.#now()
    for (const [other, pending] of this.#pending) if (pending.expiresAt <= now) this.#pending.delete(other)
    this.#pending.set(key, { sealed, expiresAt })
  }

  takePending(key: string): Uint8Array | undefined {
    this.#open()
    const pending = this.#pending.get(key)
    this.#pending.delete(key)
    return pending !== undefined && pending.expiresAt > this.#now() ? pending.sealed : undefined
  }

  getMeta(name: string): Uint8Array | undefined {
    this.#open()
    return this.#meta.get(name)
  }

  putMetaIfAbsent(name: string, value: Uint8Array): boolean {
    this.#open()
    if (this.#meta.has(name)) return false
    this.#meta.set(name, value)
    return true
  }

  close(): void {
    this.#closed = true
    this.#rows.clear()
    this.#ids.clear()
    this.#pending.clear()
    this.#meta.clear()
  }

  #open(): Map<string, ConnectionRow> {
    if (this.#closed) throw new StoreError('closed', 'The vault is closed. Open it again with Vault.open().')
    return this.#rows
  }

  #candidates({ tenant, user, provider }: RowFilter): ConnectionRow[] {
    const rows = this.#open()
    if (user === undefined || provider === undefined) return [...rows.values()]
    const ids = this.#ids.get(groupOf({ tenant, user, provider })) ?? []
    return [...ids].map((id) => rows.get(id)).filter((row) => row !== undefined)
  }

  /** The row, if this owner holds its lease (and it is still at that generation). */
  #owned(id: string, owner: string, generation?: number): ConnectionRow | undefined {
    const row = this.get(id)
    const owned = row?.leaseOwner === owner && (generation === undefined || row.generation === generation)
    return owned ? row : undefined
  }

  #update(row: ConnectionRow | undefined, changes: Partial<ConnectionRow>): boolean {
    if (row === undefined) return false
    this.#write({ ...row, ...changes })
    return true
  }

  #write(row: ConnectionRow): ConnectionRow {
    const written = { ...row, updatedAt: this.#now() }
    this.#open().set(row.id, written)
    return { ...written }
  }
}

function groupOf({ tenant, user, provider }: Pick<ConnectionRow, 'tenant' | 'user' | 'provider'>): string {
  return JSON.stringify([tenant, user, provider])
}

function follows(before: ConnectionRow, grant: NewGrant): boolean {
  return before.id === grant.id && before.generation + 1 === grant.generation
}

/** By code units, as SQLite compares text (BINARY, for the Basic Multilingual Plane). */
function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
