// The connections of a SQLite store: reading, grants, leases, refreshes, due times, history. [Node]
// Each change is one conditional UPDATE; where history goes with it, both are one BEGIN IMMEDIATE transaction.
import type { SQLInputValue } from 'node:sqlite'
import type { Parameters, SqliteDatabase } from './sqlite-database.ts'
import { isFull } from './sqlite-errors.ts'
import {
  columns,
  grantParameters,
  historyColumns,
  toHistoryEntry,
  tokenColumns,
  toRow,
  toTokenRow,
} from './sqlite-rows.ts'
import {
  type Awaitable,
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
  type TokenRow,
} from './store.ts'

const free = 'lease_owner = NULL, lease_until = NULL, intent_at = NULL, intent_hash = NULL'
const fresh = `status = 'active', reason = NULL, failures = 0, retry_at = NULL`
const grantColumns = `scopes = :scopes, expires_at = :expiresAt, received_at = :receivedAt, refresh_due_at = :refreshDueAt,
  due_at = :dueAt, key_id = :keyId, sealed = :sealed`
const due = `status = 'active' AND due_at IS NOT NULL`
const leasable = `id = :id AND generation = :generation AND status = 'active'
    AND (lease_owner IS NULL OR lease_until <= :now OR lease_until > :now + ${longestLeaseMs})`
const dayMs = 86_400_000
/** Rows are spread over the file: so many are written within a few milliseconds. */
const touchedAtOnce = 100

const sql = {
  list: `SELECT ${columns} FROM connection WHERE`,
  find: `SELECT ${tokenColumns} FROM connection WHERE tenant = ? AND user = ? AND provider = ? ORDER BY account`,
  findAccount: `SELECT ${tokenColumns} FROM connection WHERE tenant = ? AND user = ? AND provider = ? AND account = ?`,
  get: `SELECT ${columns} FROM connection WHERE id = ?`,
  touch: `UPDATE connection SET used_at = max(used_at, :now),
    due_at = iif(${due} AND refresh_due_at IS NOT NULL, min(due_at, max(refresh_due_at, coalesce(retry_at, 0))), due_at)
    WHERE id IN (SELECT value FROM json_each(:ids))`,
  insert: `INSERT INTO connection (${columns}) VALUES (:id, :tenant, :user, :provider, :account, 1, 'active', NULL,
    :scopes, :expiresAt, :receivedAt, :refreshDueAt, :dueAt, NULL, NULL, NULL, NULL, 0, NULL, :now, :now, :now, :now,
    :keyId, :sealed) ON CONFLICT DO NOTHING`,
  replace: `UPDATE connection SET ${grantColumns}, ${fresh}, ${free}, generation = :generation,
    granted_at = :now, used_at = :now, updated_at = :now WHERE id = :id AND generation = :generation - 1`,
  nextDue: `WITH RECURSIVE next (provider) AS (
      SELECT min(provider) FROM connection WHERE tenant = :tenant AND ${due}
      UNION ALL
      SELECT (SELECT min(provider) FROM connection WHERE tenant = :tenant AND ${due} AND provider > next.provider)
      FROM next WHERE next.provider IS NOT NULL)
    SELECT provider, (SELECT min(due_at) FROM connection
      WHERE tenant = :tenant AND connection.provider = next.provider AND ${due})
    FROM next WHERE provider IS NOT NULL`,
  due: `SELECT rowid FROM connection WHERE tenant = :tenant AND provider = :provider AND ${due} AND due_at <= :now
    ORDER BY due_at LIMIT :limit`,
  claim: `UPDATE connection SET due_at = :until WHERE rowid = :row RETURNING ${columns}`,
  leaseBefore: `SELECT lease_owner FROM connection WHERE ${leasable}`,
  acquireLease: `UPDATE connection SET lease_owner = :owner, lease_until = :now + :leaseMs, updated_at = :now
    WHERE ${leasable} RETURNING ${columns}`,
  extendLease: `UPDATE connection SET lease_until = :now + :leaseMs WHERE id = :id AND lease_owner = :owner`,
  releaseLease: `UPDATE connection SET lease_owner = NULL, lease_until = NULL WHERE id = :id AND lease_owner = :owner`,
  writeIntent: `UPDATE connection SET intent_at = :now, intent_hash = :intentHash, lease_until = :now + :leaseMs,
    due_at = min(due_at, :now + :leaseMs), updated_at = :now
    WHERE id = :id AND lease_owner = :owner AND generation = :generation AND status = 'active'`,
  saveTokens: `UPDATE connection SET ${grantColumns}, ${fresh}, generation = generation + 1, updated_at = :now,
    lease_until = iif(lease_owner = :owner, NULL, lease_until), intent_at = iif(lease_owner = :owner, NULL, intent_at),
    intent_hash = iif(lease_owner = :owner, NULL, intent_hash), lease_owner = iif(lease_owner = :owner, NULL, lease_owner)
    WHERE id = :id AND generation = :generation AND status <> 'revoked'`,
  recordFailure: `UPDATE connection SET lease_owner = NULL, lease_until = NULL, failures = failures + 1,
    intent_at = iif(:uncertain, intent_at, NULL), intent_hash = iif(:uncertain, intent_hash, NULL),
    retry_at = :now + :retryInMs, due_at = :now + :retryInMs, reason = :reason,
    updated_at = :now WHERE id = :id AND lease_owner = :owner AND generation = :generation`,
  markNeedsReconnect: `UPDATE connection SET status = 'needs_reconnect', reason = :reason, ${free}, updated_at = :now
    WHERE id = :id AND lease_owner = :owner AND generation = :generation AND status = 'active'`,
  markRevoked: `UPDATE connection SET status = 'revoked', reason = 'disconnecting', updated_at = :now
    WHERE id = :id RETURNING ${columns}`,
  deleteRevoked: `DELETE FROM connection WHERE id = :id AND status = 'revoked'`,
  reseal: 'UPDATE connection SET sealed = :sealed, key_id = :keyId WHERE id = :id AND sealed = :before',
  sealedOtherwise: `SELECT ${columns} FROM connection WHERE key_id < :keyId
    UNION ALL SELECT ${columns} FROM connection WHERE key_id > :keyId LIMIT :limit`,

  history: `SELECT ${historyColumns} FROM history
    WHERE connection_id = :id AND (type <> 'revoked' OR at > :since) ORDER BY seq DESC LIMIT ${historyLimit}`,
  note: `INSERT INTO history (connection_id, tenant, user, provider, account, type, generation, reason, at, last_at,
    count, note)
    SELECT id, tenant, user, provider, account, :type, generation, :reason, :now, :now, 1, :note
    FROM connection WHERE id = :id`,
  noteAgain: `UPDATE history SET last_at = :now, count = count + 1, note = :note
    WHERE seq = (SELECT max(seq) FROM history WHERE connection_id = :id)
    AND type = 'refresh_failed' AND reason = :reason`,
  trimHistory: `DELETE FROM history WHERE connection_id = :id AND seq <= (SELECT seq FROM history
    WHERE connection_id = :id ORDER BY seq DESC LIMIT 1 OFFSET ${historyLimit})`,
  dropHistory: `DELETE FROM history WHERE connection_id = :id`,
  dropEnded: `DELETE FROM history WHERE type = 'revoked' AND at <= :since`,
} as const

/** What history tells besides the type. */
interface Told {
  reason?: string
  note?: string | null | undefined
}

/** The part of a store that is about connections; {@link Store} documents each method. */
export class SqliteConnections {
  protected readonly database: SqliteDatabase
  readonly #now: () => number

  constructor(database: SqliteDatabase, now: () => number) {
    this.database = database
    this.#now = now
  }

  now(): number {
    return this.#now()
  }

  get(id: string): Awaitable<ConnectionRow | undefined> {
    return this.database.read(() => this.#rows(sql.get, id)[0])
  }

  find(tenant: string, user: string, provider: string, account?: string): Awaitable<readonly TokenRow[]> {
    return this.database.read(() => {
      const found =
        account === undefined
          ? this.database.rows(sql.find, tenant, user, provider)
          : this.database.rows(sql.findAccount, tenant, user, provider, account)
      return found.map((row) => toTokenRow(tenant, user, provider, row))
    })
  }

  list(filter: RowFilter, page?: Page): Awaitable<readonly ConnectionRow[]> {
    const given = (['tenant', 'user', 'provider', 'account'] as const).filter(
      (name) => filter[name] !== undefined,
    )
    const conditions = given.map((name) => `${name} = ?`)
    const values: SQLInputValue[] = given.map((name) => filter[name] ?? null)
    if (page?.after !== undefined) {
      conditions.push('(user, provider, account) > (?, ?, ?)')
      values.push(page.after.user, page.after.provider, page.after.account)
    }
    values.push(page?.limit ?? -1)
    const text = `${sql.list} ${conditions.join(' AND ')} ORDER BY user, provider, account LIMIT ?`
    return this.database.read(() => this.#rows(text, ...values))
  }

  history(id: string): Awaitable<readonly HistoryEntry[]> {
    return this.database.read(() =>
      this.database
        .rows(sql.history, { id, since: this.#now() - dayMs })
        .map(toHistoryEntry)
        .reverse(),
    )
  }

  touch(ids: readonly string[]): Awaitable<void> {
    if (ids.length > touchedAtOnce) return this.#touchInTurns(ids)
    if (ids.length > 0) return this.#touch(ids)
  }

  async #touchInTurns(ids: readonly string[]): Promise<void> {
    for (let from = 0; from < ids.length; from += touchedAtOnce) {
      await this.#touch(ids.slice(from, from + touchedAtOnce))
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  #touch(ids: readonly string[]): Awaitable<void> {
    return this.database.write(() => {
      this.database.change(sql.touch, { ids: JSON.stringify(ids), now: this.#now() })
    })
  }

  putGrant(grant: NewGrant, note?: string | null): Awaitable<boolean> {
    const { id, tenant, user, provider, account, generation } = grant
    const set = { id, ...grantParameters(grant) }
    const told = { type: 'connected', note } as const
    if (generation === 1) return this.#change(sql.insert, { ...set, tenant, user, provider, account }, told)
    return this.#change(sql.replace, { ...set, generation }, told)
  }

  nextDue(tenant: string): Awaitable<readonly ProviderDue[]> {
    return this.database.read(() =>
      this.database
        .rows(sql.nextDue, { tenant })
        .map(([provider, dueAt]) => ({ provider: provider as string, dueAt: dueAt as number })),
    )
  }

  claimDue(
    tenant: string,
    provider: string,
    limit: number,
    claimMs: number,
  ): Awaitable<readonly ConnectionRow[]> {
    const due = (most: number) =>
      this.database.rows(sql.due, { tenant, provider, limit: most, now: this.#now() })
    return this.database.write(() => {
      // Of many schedulers that look at the same time, most come too late: they need no lock to see so.
      if (due(1).length === 0) return []
      const until = this.#now() + claimMs
      return this.database.atomically(() =>
        due(limit).flatMap(([row = null]) => this.#rows(sql.claim, { row, until })),
      )
    })
  }

  acquireLease(
    id: string,
    generation: number,
    owner: string,
    leaseMs: number,
  ): Awaitable<ConnectionRow | undefined> {
    const wanted = { id, generation }
    return this.database.write(() => {
      // Most who ask do not get it: they need no lock to hear so.
      if (this.#leaseBefore({ ...wanted, now: this.#now() }) === undefined) return undefined
      return this.database.atomically(() => this.#takeLease({ ...wanted, owner, leaseMs, now: this.#now() }))
    })
  }

  extendLease(id: string, owner: string, leaseMs: number): Awaitable<boolean> {
    return this.database.write(
      () => this.database.change(sql.extendLease, { id, owner, leaseMs, now: this.#now() }) === 1,
    )
  }

  releaseLease(id: string, owner: string): Awaitable<boolean> {
    return this.database.write(() => this.database.change(sql.releaseLease, { id, owner }) === 1)
  }

  writeIntent(
    id: string,
    owner: string,
    generation: number,
    intentHash: string,
    leaseMs: number,
  ): Awaitable<boolean> {
    return this.database.write(() => {
      this.database.assertRoom()
      const set = { id, owner, generation, intentHash, leaseMs, now: this.#now() }
      return this.database.change(sql.writeIntent, set) === 1
    })
  }

  saveTokens(
    id: string,
    owner: string,
    generation: number,
    grant: Grant,
    note?: string | null,
  ): Awaitable<boolean> {
    const set = { id, owner, generation, ...grantParameters(grant) }
    return this.database.write(() => {
      try {
        return this.database.atomically(() => this.#changed(sql.saveTokens, set, { type: 'refreshed', note }))
      } catch (error) {
        // The token was rotated: with the last free page, what it is matters more than that it was told of.
        if (isFull(error)) return this.database.change(sql.saveTokens, { ...set, now: this.#now() }) === 1
        throw error
      }
    })
  }

  recordFailure(
    id: string,
    owner: string,
    generation: number,
    failure: RefreshFailure,
    note?: string | null,
  ): Awaitable<boolean> {
    const { reason, retryInMs, uncertain } = failure
    const set = {
      id,
      owner,
      generation,
      reason,
      retryInMs: Math.ceil(retryInMs),
      uncertain: uncertain ? 1 : 0,
    }
    return this.#change(sql.recordFailure, set, { type: 'refresh_failed', reason, note })
  }

  markNeedsReconnect(
    id: string,
    owner: string,
    generation: number,
    reason: string,
    note?: string | null,
  ): Awaitable<boolean> {
    const set = { id, owner, generation, reason }
    return this.#change(sql.markNeedsReconnect, set, { type: 'needs_reconnect', reason, note })
  }

  markRevoked(id: string): Awaitable<ConnectionRow | undefined> {
    return this.database.write(() => this.#rows(sql.markRevoked, { id, now: this.#now() })[0])
  }

  deleteRevoked(id: string, note?: string | null): Awaitable<boolean> {
    return this.database.transaction(() => {
      const now = this.#now()
      const [row] = this.#rows(sql.get, id)
      if (row?.status !== 'revoked') return false
      this.database.change(sql.dropHistory, { id })
      this.database.change(sql.dropEnded, { since: now - dayMs })
      this.#note(id, now, 'revoked', { note })
      return this.database.change(sql.deleteRevoked, { id }) === 1
    })
  }

  sealedOtherwise(keyId: string, limit: number): Awaitable<readonly ConnectionRow[]> {
    return this.database.read(() => this.#rows(sql.sealedOtherwise, { keyId, limit }))
  }

  reseal(id: string, before: Uint8Array, sealed: Uint8Array, keyId: string): Awaitable<boolean> {
    return this.database.write(() => this.database.change(sql.reseal, { id, before, sealed, keyId }) === 1)
  }

  /** Who has had a lease that is to be had: `null` for nobody; `undefined`: it is not to be had. */
  #leaseBefore({ id, generation, now }: { id: string; generation: number; now: number }): unknown {
    return this.database.rows(sql.leaseBefore, { id, generation, now })[0]?.[0]
  }

  #takeLease(lease: { id: string; generation: number; owner: string; leaseMs: number; now: number }) {
    const before = this.#leaseBefore(lease)
    const [row] = this.#rows(sql.acquireLease, lease)
    if (row === undefined || before === null || before === lease.owner) return row
    const note = JSON.stringify({ intent: row.intentAt !== null })
    this.#note(lease.id, lease.now, 'lease_taken_over', { note })
    return row
  }

  #change(
    text: string,
    parameters: Record<string, SQLInputValue>,
    told: Told & { type: HistoryType },
  ): Awaitable<boolean> {
    return this.database.transaction(() => this.#changed(text, parameters, told))
  }

  /** Changes one row and its history; `now` is the time of the attempt, not of the call. */
  #changed(
    text: string,
    parameters: Record<string, SQLInputValue>,
    { type, ...told }: Told & { type: HistoryType },
  ): boolean {
    const now = this.#now()
    if (this.database.change(text, { ...parameters, now }) !== 1) return false
    if (type === 'connected') this.database.change(sql.dropEnded, { since: now - dayMs })
    this.#note(parameters['id'] as string, now, type, told)
    return true
  }

  #note(id: string, now: number, type: HistoryType, { reason, note = null }: Told): void {
    const again = type === 'refresh_failed' && reason !== undefined
    if (again && this.database.change(sql.noteAgain, { id, now, reason, note }) === 1) return
    this.database.change(sql.note, { id, now, type, reason: reason ?? null, note })
    this.database.change(sql.trimHistory, { id })
  }

  #rows(text: string, ...parameters: Parameters): ConnectionRow[] {
    return this.database.rows(text, ...parameters).map(toRow)
  }
}
