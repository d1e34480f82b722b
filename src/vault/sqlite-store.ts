// A store in one SQLite file, for one machine and any number of its processes. [Node: node:sqlite]
// WAL with `synchronous = FULL`: what a method reports as written is on the disk (https://www.sqlite.org/wal.html).
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { SqliteConnections } from './sqlite-connections.ts'
import { SqliteDatabase } from './sqlite-database.ts'
import { assertFile } from './sqlite-errors.ts'
import { LockQueue, type LockQueueOptions } from './sqlite-lock.ts'
import { keyColumns, toAuditLine, toStoredKey } from './sqlite-rows.ts'
import { migrate } from './sqlite-schema.ts'
import type { AuditLine, Awaitable, KeyUse, Store, StoredKey } from './store.ts'

/** Options of {@link openSqliteStore}. */
export interface SqliteStoreOptions extends LockQueueOptions {
  /** The store's clock, in milliseconds since 1970. Default `Date.now`: one machine has one clock. */
  now?: (() => number) | undefined
}

/**
 * Pages held in memory, per open file, at most: those of some hundred thousand connections. Not mapped: a file that
 * shrinks under a map kills the process (SIGBUS).
 */
const pageCacheKiB = 64 * 1024
/** Somebody's write moves so many pages from the log into the file: fewer at a time hold that process up for less. */
const checkpointPages = 250

/**
 * Opens or creates a vault file (mode 0600, in a folder of mode 0700) and brings it to the newest schema.
 *
 * @throws {StoreError} `store_permission`, `store_read_only`, `store_full`, `store_corrupt`, `store_newer`,
 *   `store_busy`, `store_unavailable`; nothing stored was changed.
 */
export async function openSqliteStore(path: string, options: SqliteStoreOptions = {}): Promise<Store> {
  const lock = new LockQueue(path, options)
  await lock.run(() => createFile(path))
  const database = await lock.run(() => new DatabaseSync(path))
  try {
    await lock.run(() => configure(database))
    await lock.run(() => migrate(database, path))
    const now = options.now ?? Date.now
    return new SqliteStore(new SqliteDatabase(path, database, lock), () => Math.floor(now()))
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
  if (existsSync(path)) assertFile(path, 'store_unavailable')
  else closeSync(openSync(path, 'a', 0o600))
}

function configure(database: DatabaseSync): void {
  // SQLite's own waiting blocks the event loop; see LockQueue.
  database.exec('PRAGMA busy_timeout = 0')
  database.exec('PRAGMA journal_mode = WAL')
  database.exec(
    `PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA mmap_size = 0; PRAGMA cache_size = -${pageCacheKiB}`,
  )
  database.exec(`PRAGMA wal_autocheckpoint = ${checkpointPages}; PRAGMA foreign_keys = ON`)
  // SQLite opens for reading what it may not write: found out now, not when a token has to be saved.
  database.exec('BEGIN IMMEDIATE; ROLLBACK')
}

const sql = {
  dropPending: 'DELETE FROM pending WHERE expires_at <= :now',
  putPending: `INSERT INTO pending (key, sealed, expires_at, key_id, person)
    VALUES (:key, :sealed, :expiresAt, :keyId, :person)
    ON CONFLICT (key) DO UPDATE SET sealed = :sealed, expires_at = :expiresAt, key_id = :keyId, person = :person`,
  takePending: 'DELETE FROM pending WHERE key = ? RETURNING sealed, expires_at',
  forgetPending: 'DELETE FROM pending WHERE person = :person',
  forgetEntries: `DELETE FROM history WHERE tenant = :tenant AND user = :user AND type = 'revoked'`,

  getMeta: 'SELECT value FROM meta WHERE name = ?',
  putMeta: 'INSERT INTO meta (name, value, key_id) VALUES (:name, :value, :keyId) ON CONFLICT DO NOTHING',
  replaceMeta: 'UPDATE meta SET value = :value, key_id = :keyId WHERE name = :name AND value = :before',
  metaSealedOtherwise: 'SELECT name FROM meta WHERE key_id <> ? ORDER BY name',

  keys: `SELECT ${keyColumns} FROM sealing_key ORDER BY is_primary DESC, created_at, id`,
  addKey: `INSERT INTO sealing_key (${keyColumns})
    VALUES (:id, NOT EXISTS (SELECT 1 FROM sealing_key), :check, :wrapped, :now)
    ON CONFLICT (id) DO UPDATE SET check_text = :check WHERE length(check_text) = 0`,
  demote: 'UPDATE sealing_key SET is_primary = 0 WHERE is_primary = 1 AND id <> :id',
  promote: 'UPDATE sealing_key SET is_primary = 1 WHERE id = :id',
  // The foreign keys would refuse it too, after a walk through all that refers to it.
  removeKey: `DELETE FROM sealing_key WHERE id = :id AND is_primary = 0
    AND NOT EXISTS (SELECT 1 FROM connection WHERE key_id = :id) AND NOT EXISTS (SELECT 1 FROM pending WHERE key_id = :id)
    AND NOT EXISTS (SELECT 1 FROM meta WHERE key_id = :id)`,
  keyUse: `SELECT id, (SELECT count(*) FROM connection WHERE key_id = sealing_key.id),
      (SELECT count(*) FROM pending WHERE key_id = sealing_key.id AND expires_at > :now) + (SELECT count(*) FROM meta WHERE key_id = sealing_key.id)
    FROM sealing_key ORDER BY is_primary DESC, created_at, id`,

  auditHead: 'SELECT seq, at, entry, hash FROM audit WHERE tenant = ? ORDER BY seq DESC LIMIT 1',
  auditLines: 'SELECT seq, at, entry, hash FROM audit WHERE tenant = ? AND seq > ? ORDER BY seq LIMIT ?',
  appendAudit: 'INSERT INTO audit (tenant, seq, at, entry, hash) VALUES (:tenant, :seq, :at, :entry, :hash)',
} as const

class SqliteStore extends SqliteConnections implements Store {
  get name(): string {
    return this.database.path
  }

  get origin(): string {
    return this.database.origin
  }

  putPending(
    key: string,
    sealed: Uint8Array,
    expiresAt: number,
    keyId: string,
    person: string | null = null,
  ): Awaitable<void> {
    return this.database.transaction(() => {
      this.database.change(sql.dropPending, { now: this.now() })
      this.database.change(sql.putPending, { key, sealed, expiresAt, keyId, person })
    })
  }

  takePending(key: string): Awaitable<Uint8Array | undefined> {
    return this.database.write(() => {
      const [sealed, expiresAt] = this.database.rows(sql.takePending, key)[0] ?? []
      return sealed instanceof Uint8Array && Number(expiresAt) > this.now() ? sealed : undefined
    })
  }

  forgetUser(tenant: string, user: string, person: string): Awaitable<number> {
    return this.database.transaction(() => {
      this.database.change(sql.forgetEntries, { tenant, user })
      return this.database.change(sql.forgetPending, { person })
    })
  }

  getMeta(name: string): Awaitable<Uint8Array | undefined> {
    return this.database.read(() => {
      const [value] = this.database.rows(sql.getMeta, name)[0] ?? []
      return value instanceof Uint8Array ? value : undefined
    })
  }

  putMetaIfAbsent(name: string, value: Uint8Array, keyId: string | null = null): Awaitable<boolean> {
    return this.database.write(() => this.database.change(sql.putMeta, { name, value, keyId }) === 1)
  }

  replaceMeta(
    name: string,
    before: Uint8Array,
    value: Uint8Array,
    keyId: string | null = null,
  ): Awaitable<boolean> {
    return this.database.write(
      () => this.database.change(sql.replaceMeta, { name, before, value, keyId }) === 1,
    )
  }

  keys(): Awaitable<readonly StoredKey[]> {
    return this.database.read(() => this.database.rows(sql.keys).map(toStoredKey))
  }

  addKey({ id, check, wrapped }: Pick<StoredKey, 'id' | 'check' | 'wrapped'>): Awaitable<boolean> {
    return this.database.write(
      () => this.database.change(sql.addKey, { id, check, wrapped, now: this.now() }) === 1,
    )
  }

  makePrimary(keyId: string): Awaitable<boolean> {
    return this.database.transaction(() => {
      if (this.database.change(sql.promote, { id: keyId }) === 0) return false
      this.database.change(sql.demote, { id: keyId })
      return true
    })
  }

  removeKey(keyId: string): Awaitable<boolean> {
    return this.database.transaction(() => {
      this.database.change(sql.dropPending, { now: this.now() })
      return this.database.change(sql.removeKey, { id: keyId }) === 1
    })
  }

  keyUse(): Awaitable<readonly KeyUse[]> {
    return this.database.read(() =>
      this.database.rows(sql.keyUse, { now: this.now() }).map(([keyId, connections, others]) => ({
        keyId: keyId as string,
        connections: connections as number,
        others: others as number,
      })),
    )
  }

  metaSealedOtherwise(keyId: string): Awaitable<readonly string[]> {
    return this.database.read(() =>
      this.database.rows(sql.metaSealedOtherwise, keyId).map(([name]) => name as string),
    )
  }

  auditHead(tenant: string): Awaitable<AuditLine | undefined> {
    return this.database.read(() => this.database.rows(sql.auditHead, tenant).map(toAuditLine)[0])
  }

  appendAudit(tenant: string, lines: readonly AuditLine[]): Awaitable<boolean> {
    return this.database.transaction(() => {
      const [head] = this.database.rows(sql.auditHead, tenant).map(toAuditLine)
      if (lines[0]?.seq !== (head?.seq ?? 0) + 1) return false
      for (const { seq, at, entry, hash } of lines)
        this.database.change(sql.appendAudit, { tenant, seq, at, entry, hash })
      return true
    })
  }

  auditLines(tenant: string, afterSeq: number, limit: number): Awaitable<readonly AuditLine[]> {
    return this.database.read(() =>
      this.database.rows(sql.auditLines, tenant, afterSeq, limit).map(toAuditLine),
    )
  }

  close(): void {
    this.database.close()
  }
}
