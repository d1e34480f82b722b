// A store in one SQLite file, for one machine and any number of its processes. [Node: node:sqlite]
// WAL with `synchronous = FULL`: what a method reports as written is on the disk (https://www.sqlite.org/wal.html).
import { closeSync, existsSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite'
import { StoreError } from '../errors.ts'
import { isBusy, storeError } from './sqlite-errors.ts'
import { migrate } from './sqlite-schema.ts'
import {
  type Awaitable,
  type ConnectionRow,
  type Grant,
  longestLeaseMs,
  type NewGrant,
  type RefreshFailure,
  type RowFilter,
  type Store,
  type TokenRow,
} from './store.ts'

/** Options of {@link openSqliteStore}. */
export interface SqliteStoreOptions {
  /** The store's clock, in milliseconds since 1970. Default `Date.now`: one machine has one clock. */
  now?: (() => number) | undefined
  /** For the jitter of retries: 0 to 1. Default `Math.random`. */
  random?: (() => number) | undefined
  /** How long a locked file is tried again before `store_busy`, in milliseconds. Default 10 000. */
  busyLimitMs?: number | undefined
}

/** How long one statement may wait for a lock with the event loop blocked, in milliseconds. */
const blockingLimitMs = 15
/** Pages held in memory, per open file. Not mapped: a file that shrinks under a map kills the process (SIGBUS). */
const pageCacheKiB = 16 * 1024

/**
 * Opens or creates a vault file (mode 0600, in a folder of mode 0700) and brings it to the newest schema.
 *
 * @throws {StoreError} `store_permission`, `store_read_only`, `store_full`, `store_corrupt`, `store_newer`,
 *   `store_busy`, `store_unavailable`; nothing stored was changed.
 */
export async function openSqliteStore(path: string, options: SqliteStoreOptions = {}): Promise<Store> {
  const busy = new BusyRetry(path, options)
  await busy.run(() => createFile(path))
  const database = await busy.run(() => new DatabaseSync(path))
  try {
    await busy.run(() => configure(database))
    await busy.run(() => migrate(database, path))
    const now = options.now ?? Date.now
    return new SqliteStore(path, database, busy, () => Math.floor(now()))
  } catch (error) {
    database.close()
    throw error
  }
}

/**
 * SQLite would create the file for everybody to read; -wal and -shm files take the mode of this one. A file that is
 * there is never opened here: closing it would end the locks of every store that this process has on it
 * (https://www.sqlite.org/howtocorrupt.html section 2.2), and another process then deletes their -wal file.
 */
function createFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600))
}

function configure(database: DatabaseSync): void {
  database.exec(`PRAGMA busy_timeout = ${blockingLimitMs}`)
  database.exec('PRAGMA journal_mode = WAL')
  database.exec(
    `PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA mmap_size = 0; PRAGMA cache_size = -${pageCacheKiB}`,
  )
  // SQLite opens for reading what it may not write: found out now, not when a token has to be saved.
  database.exec('BEGIN IMMEDIATE; ROLLBACK')
}

/** What tells a vault's files, the log of what is not yet in the main one included, from others that take their place. */
function fileIds(path: string): string {
  const files = [path, `${path}-wal`].map((file) => statSync(file, { throwIfNoEntry: false }))
  return files.map((stats) => (stats ? `${stats.dev}:${stats.ino}` : '')).join(' ')
}

/** Runs short operations; one that finds the file locked is tried again without blocking the event loop. */
class BusyRetry {
  readonly #path: string
  readonly #random: () => number
  readonly #limitMs: number
  closed = false

  constructor(path: string, options: SqliteStoreOptions) {
    this.#path = path
    this.#random = options.random ?? Math.random
    this.#limitMs = options.busyLimitMs ?? 10_000
  }

  run<T>(operation: () => T): Awaitable<T> {
    if (this.closed) throw closedError()
    try {
      return operation()
    } catch (error) {
      if (!isBusy(error)) throw storeError(error, this.#path)
      return this.#again(operation)
    }
  }

  async #again<T>(operation: () => T): Promise<T> {
    const end = performance.now() + this.#limitMs
    for (let pause = 4; ; pause = Math.min(pause * 2, 100)) {
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + this.#random())))
      if (this.closed) throw closedError()
      try {
        return operation()
      } catch (error) {
        if (!isBusy(error) || performance.now() > end) throw storeError(error, this.#path)
      }
    }
  }
}

function closedError(): StoreError {
  return new StoreError('closed', 'The vault is closed. Open it again with Vault.open().')
}

function replacedError(path: string): StoreError {
  return new StoreError(
    'store_unavailable',
    `The vault at ${path} was removed or replaced while it was open: what is written now would be lost. Put it back, or close the vault and open it again.`,
  )
}

const columns = [
  ...['id', 'tenant', 'user', 'provider', 'account', 'generation', 'status', 'reason', 'scopes'],
  ...['expires_at', 'received_at', 'refresh_due_at', 'sealed', 'lease_owner', 'lease_until', 'intent_at'],
  ...['intent_hash', 'failures', 'retry_at', 'granted_at', 'created_at', 'updated_at'],
].join(', ')

const free = 'lease_owner = NULL, lease_until = NULL, intent_at = NULL, intent_hash = NULL'
const fresh = `status = 'active', reason = NULL, failures = 0, retry_at = NULL`
const grantColumns =
  'scopes = :scopes, expires_at = :expiresAt, received_at = :receivedAt, refresh_due_at = :refreshDueAt, sealed = :sealed'

const tokenColumns = 'id, account, generation, status, refresh_due_at, retry_at, sealed'

const sql = {
  list: `SELECT ${columns} FROM connection WHERE`,
  find: `SELECT ${tokenColumns} FROM connection WHERE tenant = ? AND user = ? AND provider = ? ORDER BY account`,
  findAccount: `SELECT ${tokenColumns} FROM connection WHERE tenant = ? AND user = ? AND provider = ? AND account = ?`,
  get: `SELECT ${columns} FROM connection WHERE id = ?`,
  insert: `INSERT INTO connection (${columns}) VALUES (:id, :tenant, :user, :provider, :account, 1, 'active', NULL,
    :scopes, :expiresAt, :receivedAt, :refreshDueAt, :sealed, NULL, NULL, NULL, NULL, 0, NULL, :now, :now, :now)
    ON CONFLICT DO NOTHING`,
  replace: `UPDATE connection SET ${grantColumns}, ${fresh}, ${free}, generation = :generation,
    granted_at = :now, updated_at = :now WHERE id = :id AND generation = :generation - 1`,
  acquireLease: `UPDATE connection SET lease_owner = :owner, lease_until = :now + :leaseMs, updated_at = :now
    WHERE id = :id AND generation = :generation AND status = 'active'
    AND (lease_owner IS NULL OR lease_until <= :now OR lease_until > :now + ${longestLeaseMs}) RETURNING ${columns}`,
  extendLease: `UPDATE connection SET lease_until = :now + :leaseMs WHERE id = :id AND lease_owner = :owner`,
  releaseLease: `UPDATE connection SET lease_owner = NULL, lease_until = NULL WHERE id = :id AND lease_owner = :owner`,
  writeIntent: `UPDATE connection SET intent_at = :now, intent_hash = :intentHash, lease_until = :now + :leaseMs,
    updated_at = :now
    WHERE id = :id AND lease_owner = :owner AND generation = :generation AND status = 'active'`,
  saveTokens: `UPDATE connection SET ${grantColumns}, ${fresh}, generation = generation + 1, updated_at = :now,
    lease_until = iif(lease_owner = :owner, NULL, lease_until), intent_at = iif(lease_owner = :owner, NULL, intent_at),
    intent_hash = iif(lease_owner = :owner, NULL, intent_hash), lease_owner = iif(lease_owner = :owner, NULL, lease_owner)
    WHERE id = :id AND generation = :generation AND status <> 'revoked'`,
  recordFailure: `UPDATE connection SET lease_owner = NULL, lease_until = NULL, failures = failures + 1,
    intent_at = iif(:uncertain, intent_at, NULL), intent_hash = iif(:uncertain, intent_hash, NULL),
    retry_at = :now + :retryInMs, reason = :reason, updated_at = :now
    WHERE id = :id AND lease_owner = :owner AND generation = :generation`,
  markNeedsReconnect: `UPDATE connection SET status = 'needs_reconnect', reason = :reason, ${free}, updated_at = :now
    WHERE id = :id AND lease_owner = :owner AND generation = :generation AND status = 'active'`,
  markRevoked: `UPDATE connection SET status = 'revoked', reason = 'disconnecting', updated_at = :now
    WHERE id = :id RETURNING ${columns}`,
  deleteRevoked: `DELETE FROM connection WHERE id = ? AND status = 'revoked'`,
  dropPending: 'DELETE FROM pending WHERE expires_at <= ?',
  putPending: `INSERT INTO pending (key, sealed, expires_at) VALUES (:key, :sealed, :expiresAt)
    ON CONFLICT (key) DO UPDATE SET sealed = :sealed, expires_at = :expiresAt`,
  takePending: 'DELETE FROM pending WHERE key = ? RETURNING sealed, expires_at',
  getMeta: 'SELECT value FROM meta WHERE name = ?',
  putMeta: 'INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING',
} as const

class SqliteStore implements Store {
  readonly name: string
  readonly #database: DatabaseSync
  readonly #busy: BusyRetry
  readonly #now: () => number
  readonly #fileIds: string
  readonly #statements = new Map<string, StatementSync>()

  constructor(name: string, database: DatabaseSync, busy: BusyRetry, now: () => number) {
    this.name = name
    this.#database = database
    this.#busy = busy
    this.#now = now
    this.#fileIds = fileIds(name)
  }

  get(id: string): Awaitable<ConnectionRow | undefined> {
    return this.#busy.run(() => this.#rows(sql.get, id)[0])
  }

  find(tenant: string, user: string, provider: string, account?: string): Awaitable<readonly TokenRow[]> {
    return this.#busy.run(() => {
      const found =
        account === undefined
          ? this.#values(sql.find, tenant, user, provider)
          : this.#values(sql.findAccount, tenant, user, provider, account)
      return found.map((row) => toTokenRow(tenant, user, provider, row))
    })
  }

  list(filter: RowFilter): Awaitable<readonly ConnectionRow[]> {
    const given = (['tenant', 'user', 'provider', 'account'] as const).filter(
      (name) => filter[name] !== undefined,
    )
    const text = `${sql.list} ${given.map((name) => `${name} = ?`).join(' AND ')} ORDER BY user, provider, account`
    return this.#busy.run(() => this.#rows(text, ...given.map((name) => filter[name] ?? null)))
  }

  putGrant(grant: NewGrant): Awaitable<boolean> {
    const { id, tenant, user, provider, account, generation } = grant
    const set = { id, ...grantParameters(grant) }
    if (generation === 1) return this.#change(sql.insert, { ...set, tenant, user, provider, account })
    return this.#change(sql.replace, { ...set, generation })
  }

  acquireLease(
    id: string,
    generation: number,
    owner: string,
    leaseMs: number,
  ): Awaitable<ConnectionRow | undefined> {
    return this.#write(
      () => this.#rows(sql.acquireLease, { id, generation, owner, leaseMs, now: this.#now() })[0],
    )
  }

  extendLease(id: string, owner: string, leaseMs: number): Awaitable<boolean> {
    return this.#change(sql.extendLease, { id, owner, leaseMs })
  }

  releaseLease(id: string, owner: string): Awaitable<boolean> {
    return this.#change(sql.releaseLease, { id, owner })
  }

  writeIntent(
    id: string,
    owner: string,
    generation: number,
    intentHash: string,
    leaseMs: number,
  ): Awaitable<boolean> {
    return this.#change(sql.writeIntent, { id, owner, generation, intentHash, leaseMs })
  }

  saveTokens(id: string, owner: string, generation: number, grant: Grant): Awaitable<boolean> {
    return this.#change(sql.saveTokens, { id, owner, generation, ...grantParameters(grant) })
  }

  recordFailure(id: string, owner: string, generation: number, failure: RefreshFailure): Awaitable<boolean> {
    const { reason, retryInMs, uncertain } = failure
    const set = { reason, retryInMs: Math.ceil(retryInMs), uncertain: uncertain ? 1 : 0 }
    return this.#change(sql.recordFailure, { id, owner, generation, ...set })
  }

  markNeedsReconnect(id: string, owner: string, generation: number, reason: string): Awaitable<boolean> {
    return this.#change(sql.markNeedsReconnect, { id, owner, generation, reason })
  }

  markRevoked(id: string): Awaitable<ConnectionRow | undefined> {
    return this.#write(() => this.#rows(sql.markRevoked, { id, now: this.#now() })[0])
  }

  deleteRevoked(id: string): Awaitable<boolean> {
    return this.#write(() => this.#statement(sql.deleteRevoked).run(id).changes === 1)
  }

  async putPending(key: string, sealed: Uint8Array, expiresAt: number): Promise<void> {
    await this.#write(() => this.#statement(sql.dropPending).run(this.#now()))
    await this.#write(() => this.#statement(sql.putPending).run({ key, sealed, expiresAt }))
  }

  takePending(key: string): Awaitable<Uint8Array | undefined> {
    return this.#write(() => {
      const [sealed, expiresAt] = this.#values(sql.takePending, key)[0] ?? []
      return sealed instanceof Uint8Array && Number(expiresAt) > this.#now() ? sealed : undefined
    })
  }

  getMeta(name: string): Awaitable<Uint8Array | undefined> {
    return this.#busy.run(() => {
      const [value] = this.#values(sql.getMeta, name)[0] ?? []
      return value instanceof Uint8Array ? value : undefined
    })
  }

  putMetaIfAbsent(name: string, value: Uint8Array): Awaitable<boolean> {
    return this.#write(() => this.#statement(sql.putMeta).run(name, value).changes === 1)
  }

  close(): void {
    if (this.#busy.closed) return
    this.#busy.closed = true
    this.#statements.clear()
    this.#database.close()
  }

  /** Runs a change of one row; `now` is the time of the attempt, not of the call. */
  #change(text: string, parameters: Record<string, SQLInputValue>): Awaitable<boolean> {
    return this.#write(() => {
      const named = text.includes(':now') ? { ...parameters, now: this.#now() } : parameters
      return this.#statement(text).run(named).changes === 1
    })
  }

  /** A change, unless it would go into a file that nobody will open again: then nothing may be spent or promised. */
  #write<T>(operation: () => T): Awaitable<T> {
    return this.#busy.run(() => {
      if (fileIds(this.name) !== this.#fileIds) throw replacedError(this.name)
      return operation()
    })
  }

  #rows(text: string, ...parameters: Parameters): ConnectionRow[] {
    return this.#values(text, ...parameters).map(toRow)
  }

  /** Rows as arrays: decoding objects by column name costs a microsecond more. */
  #values(text: string, ...parameters: Parameters): SQLOutputValue[][] {
    const statement = this.#statement(text)
    // `all` and `get` of a statement with setReturnArrays give arrays; the types do not know.
    return statement.all(...(parameters as SQLInputValue[])) as unknown as SQLOutputValue[][]
  }

  #statement(text: string): StatementSync {
    let statement = this.#statements.get(text)
    if (statement === undefined) {
      statement = this.#database.prepare(text)
      statement.setReturnArrays(true)
      this.#statements.set(text, statement)
    }
    return statement
  }
}

type Parameters = SQLInputValue[] | [Record<string, SQLInputValue>]

function grantParameters({ scopes, expiresAt, receivedAt, refreshDueAt, sealed }: Grant): {
  [name: string]: SQLInputValue
} {
  return { scopes, expiresAt, receivedAt, refreshDueAt, sealed }
}

/** In the order of `tokenColumns`; STRICT tables hold the types to it. */
function toTokenRow(tenant: string, user: string, provider: string, values: SQLOutputValue[]): TokenRow {
  return {
    id: values[0] as string,
    tenant,
    user,
    provider,
    account: values[1] as string,
    generation: values[2] as number,
    status: values[3] as ConnectionRow['status'],
    refreshDueAt: values[4] as number | null,
    retryAt: values[5] as number | null,
    sealed: values[6] as Uint8Array,
  }
}

/** In the order of `columns`; STRICT tables hold the types to it. */
function toRow(values: SQLOutputValue[]): ConnectionRow {
  return {
    id: values[0] as string,
    tenant: values[1] as string,
    user: values[2] as string,
    provider: values[3] as string,
    account: values[4] as string,
    generation: values[5] as number,
    status: values[6] as ConnectionRow['status'],
    reason: values[7] as string | null,
    scopes: values[8] as string,
    expiresAt: values[9] as number | null,
    receivedAt: values[10] as number,
    refreshDueAt: values[11] as number | null,
    sealed: values[12] as Uint8Array,
    leaseOwner: values[13] as string | null,
    leaseUntil: values[14] as number | null,
    intentAt: values[15] as number | null,
    intentHash: values[16] as string | null,
    failures: values[17] as number,
    retryAt: values[18] as number | null,
    grantedAt: values[19] as number,
    createdAt: values[20] as number,
    updatedAt: values[21] as number,
  }
}
