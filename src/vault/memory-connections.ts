// The connections of a store in memory: reading, grants, leases, refreshes, due times, history.
// One process runs it and nothing in it waits, so that each method is one atomic step.
import { DueTimes } from './memory-due.ts'
import {
  type ConnectionRow,
  type Grant,
  type HistoryEntry,
  type HistoryType,
  historyLimit,
  longestLeaseMs,
  type NewGrant,
  type Page,
  type ProviderDue,
  type RefreshFailure,
  type RowFilter,
  type StoredKey,
  type TokenRow,
} from './store.ts'
import { closedError, keyRetiredError } from './store-errors.ts'

const free = { leaseOwner: null, leaseUntil: null, intentAt: null, intentHash: null } as const
const fresh = { status: 'active', reason: null, failures: 0, retryAt: null } as const
const dayMs = 86_400_000

/** What history tells besides the type. */
interface Told {
  reason?: string
  note?: string | null | undefined
}

/** The part of a store that is about connections; {@link Store} documents each method. */
export class MemoryConnections {
  readonly name = 'the store in memory'
  readonly #now: () => number
  readonly #rows = new Map<string, ConnectionRow>()
  /** Ids by tenant, user and provider: what the vault asks for on every call. */
  readonly #ids = new Map<string, Set<string>>()
  readonly #due = new DueTimes((id) => this.#rows.get(id))
  readonly #history = new Map<string, HistoryEntry[]>()
  #seq = 0
  protected readonly sealingKeys = new Map<string, StoredKey>()
  #closed = false

  constructor(now: () => number) {
    this.#now = now
  }

  now(): number {
    return this.#now()
  }

  get(id: string): ConnectionRow | undefined {
    const row = this.opened().get(id)
    return row === undefined ? undefined : { ...row }
  }

  find(tenant: string, user: string, provider: string, account?: string): readonly TokenRow[] {
    return this.list({ tenant, user, provider, account })
  }

  list(filter: RowFilter, { after, limit }: Page = { limit: Number.POSITIVE_INFINITY }): ConnectionRow[] {
    const names = ['tenant', 'user', 'provider', 'account'] as const
    return this.#candidates(filter)
      .filter((row) => names.every((name) => filter[name] === undefined || filter[name] === row[name]))
      .filter((row) => after === undefined || comparePlaces(row, after) > 0)
      .sort(comparePlaces)
      .slice(0, limit)
      .map((row) => ({ ...row }))
  }

  history(id: string): readonly HistoryEntry[] {
    this.opened()
    const since = this.#now() - dayMs
    const entries = this.#history.get(id) ?? []
    return entries.filter(({ type, at }) => type !== 'revoked' || at > since).map((entry) => ({ ...entry }))
  }

  touch(ids: readonly string[]): void {
    const now = this.#now()
    for (const row of ids.map((id) => this.get(id)).filter((found) => found !== undefined)) {
      const { status, refreshDueAt, retryAt } = row
      const renewAt = Math.max(refreshDueAt ?? 0, retryAt ?? 0)
      const idle = status === 'active' && row.dueAt !== null && refreshDueAt !== null && row.dueAt > renewAt
      const dueAt = idle ? renewAt : row.dueAt
      this.#keep({ ...row, usedAt: Math.max(row.usedAt, now), dueAt })
    }
  }

  putGrant(grant: NewGrant, note: string | null = null): boolean {
    const now = this.#now()
    const { tenant, user, provider, account } = grant
    const [before] = this.list({ tenant, user, provider, account })
    const isNew = before === undefined && grant.generation === 1 && !this.#rows.has(grant.id)
    if (!isNew && !(before !== undefined && follows(before, grant))) return false
    this.known(grant.keyId)
    const group = groupOf(grant)
    this.#ids.set(group, (this.#ids.get(group) ?? new Set()).add(grant.id))
    const createdAt = before?.createdAt ?? now
    const row = { ...grant, ...fresh, ...free, grantedAt: now, usedAt: now, createdAt, updatedAt: now }
    this.#keep(row)
    this.#note(row, 'connected', { note })
    return true
  }

  nextDue(tenant: string): readonly ProviderDue[] {
    this.opened()
    return this.#due.earliest(tenant)
  }

  claimDue(tenant: string, provider: string, limit: number, claimMs: number): readonly ConnectionRow[] {
    this.opened()
    const now = this.#now()
    const claimed: ConnectionRow[] = []
    while (claimed.length < limit) {
      const row = this.#due.take(tenant, provider, now)
      if (row === undefined) break
      claimed.push({ ...row, dueAt: now + claimMs })
    }
    for (const row of claimed) this.#keep({ ...row })
    return claimed
  }

  acquireLease(id: string, generation: number, owner: string, leaseMs: number): ConnectionRow | undefined {
    const row = this.get(id)
    const now = this.#now()
    if (row === undefined || row.generation !== generation || row.status !== 'active') return undefined
    const leftMs = row.leaseOwner === null ? 0 : (row.leaseUntil ?? now) - now
    if (leftMs > 0 && leftMs <= longestLeaseMs) return undefined
    const taken = this.#write({ ...row, leaseOwner: owner, leaseUntil: now + leaseMs })
    const note = JSON.stringify({ intent: row.intentAt !== null })
    if (row.leaseOwner !== null && row.leaseOwner !== owner) this.#note(taken, 'lease_taken_over', { note })
    return taken
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
    const dueAt = row.dueAt === null ? null : Math.min(row.dueAt, now + leaseMs)
    return this.#update(row, { intentAt: now, intentHash, leaseUntil: now + leaseMs, dueAt })
  }

  saveTokens(
    id: string,
    owner: string,
    generation: number,
    grant: Grant,
    note: string | null = null,
  ): boolean {
    const row = this.get(id)
    if (row === undefined || row.generation !== generation || row.status === 'revoked') return false
    this.known(grant.keyId)
    const { scopes, expiresAt, receivedAt, refreshDueAt, dueAt, keyId, sealed } = grant
    const saved = { scopes, expiresAt, receivedAt, refreshDueAt, dueAt, keyId, sealed }
    const lease = row.leaseOwner === owner ? free : {}
    return this.#tell({ ...row, ...saved, ...lease, ...fresh, generation: generation + 1 }, 'refreshed', {
      note,
    })
  }

  recordFailure(
    id: string,
    owner: string,
    generation: number,
    { reason, retryInMs, uncertain }: RefreshFailure,
    note: string | null = null,
  ): boolean {
    const row = this.#owned(id, owner, generation)
    if (row === undefined) return false
    const freed = uncertain ? { leaseOwner: null, leaseUntil: null } : free
    const retryAt = this.#now() + Math.ceil(retryInMs)
    const failed = { ...row, ...freed, failures: row.failures + 1, retryAt, dueAt: retryAt, reason }
    return this.#tell(failed, 'refresh_failed', { reason, note })
  }

  markNeedsReconnect(
    id: string,
    owner: string,
    generation: number,
    reason: string,
    note: string | null = null,
  ): boolean {
    const row = this.#owned(id, owner, generation)
    if (row?.status !== 'active') return false
    const dead = { ...row, ...free, status: 'needs_reconnect', reason } as const
    return this.#tell(dead, 'needs_reconnect', { reason, note })
  }

  markRevoked(id: string): ConnectionRow | undefined {
    const row = this.get(id)
    if (row === undefined) return undefined
    return this.#write({ ...row, status: 'revoked', reason: 'disconnecting' })
  }

  deleteRevoked(id: string, note: string | null = null): boolean {
    const row = this.get(id)
    if (row?.status !== 'revoked') return false
    const ids = this.#ids.get(groupOf(row))
    ids?.delete(id)
    if (ids?.size === 0) this.#ids.delete(groupOf(row))
    this.#rows.delete(id)
    this.#history.delete(id)
    const since = this.#now() - dayMs
    this.#dropEntries(({ at }) => at <= since)
    this.#note(row, 'revoked', { note })
    return true
  }

  sealedOtherwise(keyId: string, limit: number): readonly ConnectionRow[] {
    const found = [...this.opened().values()].filter((row) => row.keyId !== keyId)
    return found.slice(0, limit).map((row) => ({ ...row }))
  }

  reseal(id: string, before: Uint8Array, sealed: Uint8Array, keyId: string): boolean {
    const row = this.get(id)
    if (row === undefined || !sameBytes(row.sealed, before)) return false
    this.known(keyId)
    this.#keep({ ...row, sealed, keyId })
    return true
  }

  close(): void {
    this.#closed = true
    this.#rows.clear()
    this.#ids.clear()
    this.#due.clear()
    this.#history.clear()
    this.sealingKeys.clear()
  }

  /** Drops what {@link MemoryConnections.deleteRevoked} left of a user. */
  protected forgetEntries(tenant: string, user: string): void {
    this.#dropEntries((entry) => entry.tenant === tenant && entry.user === user)
  }

  #dropEntries(over: (entry: HistoryEntry) => boolean): void {
    for (const [id, [first]] of this.#history)
      if (first?.type === 'revoked' && over(first)) this.#history.delete(id)
  }

  /** The rows by id, as long as the store is open. */
  protected opened(): Map<string, ConnectionRow> {
    if (this.#closed) throw closedError()
    return this.#rows
  }

  /** @throws {KeyError} `key_retired` unless the store knows the key. */
  protected known(keyId: string): void {
    if (!this.sealingKeys.has(keyId)) throw keyRetiredError(this.name, keyId)
  }

  #candidates({ tenant, user, provider }: RowFilter): ConnectionRow[] {
    const rows = this.opened()
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
    this.#keep(written)
    return { ...written }
  }

  #keep(row: ConnectionRow): void {
    const before = this.#rows.get(row.id)
    this.opened().set(row.id, row)
    const moved = before?.dueAt !== row.dueAt || before.status !== 'active'
    if (row.status === 'active' && moved) this.#due.add(row)
  }

  #tell(row: ConnectionRow, type: HistoryType, told: Told): true {
    this.#note(this.#write(row), type, told)
    return true
  }

  #note(row: ConnectionRow, type: HistoryType, { reason, note = null }: Told): void {
    const at = this.#now()
    const entries = this.#history.get(row.id) ?? []
    const last = entries.at(-1)
    if (type === 'refresh_failed' && last?.type === type && last.reason === reason) {
      entries[entries.length - 1] = { ...last, lastAt: at, count: last.count + 1, note }
      return
    }
    const { id: connectionId, tenant, user, provider, account, generation } = row
    this.#seq += 1
    entries.push({
      ...{ seq: this.#seq, connectionId, tenant, user, provider, account, type, generation },
      ...{ reason: reason ?? null, at, lastAt: at, count: 1, note },
    })
    this.#history.set(row.id, entries.slice(-historyLimit))
  }
}

function groupOf({ tenant, user, provider }: Pick<ConnectionRow, 'tenant' | 'user' | 'provider'>): string {
  return JSON.stringify([tenant, user, provider])
}

function follows(before: ConnectionRow, grant: NewGrant): boolean {
  return before.id === grant.id && before.generation + 1 === grant.generation
}

/** Whether two arrays hold the same bytes. */
export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index])
}

type Place = Pick<ConnectionRow, 'user' | 'provider' | 'account'>

function comparePlaces(a: Place, b: Place): number {
  return compare(a.user, b.user) || compare(a.provider, b.provider) || compare(a.account, b.account)
}

/** By UTF-8 bytes, as the other stores compare text: by code points, not by the code units that `<` looks at. */
export function compare(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at += 1) {
    const [left, right] = [rank(a.charCodeAt(at)), rank(b.charCodeAt(at))]
    if (left !== right) return left - right
  }
  return a.length - b.length
}

/** Halves of the code points from U+10000 on come after all others. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}
