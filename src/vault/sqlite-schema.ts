// The tables of a SQLite vault, as numbered steps that a newer version runs on an older file. [Node]
// The number of steps done is the file's `user_version`; a file with more steps than are known is refused.
import type { DatabaseSync } from 'node:sqlite'
import { StoreError } from '../errors.ts'

/** Marks a SQLite file as a toolgrant vault: "TGNT" (`PRAGMA application_id`). */
export const applicationId = 0x54474e54

/** The steps, oldest first. A step that was released is never edited: a change is a further step. */
export const migrations: readonly string[] = [
  `CREATE TABLE connection (
     id TEXT NOT NULL UNIQUE,
     tenant TEXT NOT NULL,
     user TEXT NOT NULL,
     provider TEXT NOT NULL,
     account TEXT NOT NULL,
     generation INTEGER NOT NULL,
     status TEXT NOT NULL CHECK (status IN ('active', 'needs_reconnect', 'revoked')),
     reason TEXT,
     scopes TEXT NOT NULL,
     expires_at INTEGER,
     received_at INTEGER NOT NULL,
     refresh_due_at INTEGER,
     sealed BLOB NOT NULL,
     lease_owner TEXT,
     lease_until INTEGER,
     intent_at INTEGER,
     intent_hash TEXT,
     failures INTEGER NOT NULL,
     retry_at INTEGER,
     granted_at INTEGER NOT NULL,
     created_at INTEGER NOT NULL,
     updated_at INTEGER NOT NULL,
     UNIQUE (tenant, user, provider, account)
   ) STRICT;
   CREATE INDEX connection_due ON connection (refresh_due_at)
     WHERE status = 'active' AND refresh_due_at IS NOT NULL;
   CREATE TABLE pending (
     key TEXT PRIMARY KEY,
     sealed BLOB NOT NULL,
     expires_at INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX pending_end ON pending (expires_at);
   CREATE TABLE meta (
     name TEXT PRIMARY KEY,
     value BLOB NOT NULL
   ) STRICT, WITHOUT ROWID;`,

  // Keys get a table that everything sealed refers to (bytes 2 to 9 of an envelope are its key's id), rows get a due
  // time for the scheduler, and what happens to a connection is written down.
  `CREATE TABLE sealing_key (
     id TEXT PRIMARY KEY,
     is_primary INTEGER NOT NULL CHECK (is_primary IN (0, 1)),
     check_text BLOB NOT NULL,
     wrapped BLOB,
     created_at INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   INSERT INTO sealing_key
     SELECT lower(hex(substr(value, 2, 8))), 1, value, NULL, unixepoch() * 1000 FROM meta WHERE name = 'key_check';
   INSERT OR IGNORE INTO sealing_key
     SELECT DISTINCT lower(hex(substr(sealed, 2, 8))), 0, x'', NULL, unixepoch() * 1000
     FROM (SELECT sealed FROM connection UNION ALL SELECT sealed FROM pending);
   DROP INDEX connection_due;
   ALTER TABLE connection RENAME TO connection_1;
   CREATE TABLE connection (
     id TEXT NOT NULL UNIQUE,
     tenant TEXT NOT NULL,
     user TEXT NOT NULL,
     provider TEXT NOT NULL,
     account TEXT NOT NULL,
     generation INTEGER NOT NULL,
     status TEXT NOT NULL CHECK (status IN ('active', 'needs_reconnect', 'revoked')),
     reason TEXT,
     scopes TEXT NOT NULL,
     expires_at INTEGER,
     received_at INTEGER NOT NULL,
     refresh_due_at INTEGER,
     due_at INTEGER,
     lease_owner TEXT,
     lease_until INTEGER,
     intent_at INTEGER,
     intent_hash TEXT,
     failures INTEGER NOT NULL,
     retry_at INTEGER,
     granted_at INTEGER NOT NULL,
     used_at INTEGER NOT NULL,
     created_at INTEGER NOT NULL,
     updated_at INTEGER NOT NULL,
     key_id TEXT NOT NULL REFERENCES sealing_key (id),
     sealed BLOB NOT NULL,
     UNIQUE (tenant, user, provider, account)
   ) STRICT;
   INSERT INTO connection
     SELECT id, tenant, user, provider, account, generation, status, reason, scopes, expires_at, received_at,
       refresh_due_at, refresh_due_at, lease_owner, lease_until, intent_at, intent_hash, failures, retry_at, granted_at,
       updated_at, created_at, updated_at, lower(hex(substr(sealed, 2, 8))), sealed
     FROM connection_1;
   DROP TABLE connection_1;
   CREATE INDEX connection_due ON connection (tenant, provider, due_at)
     WHERE status = 'active' AND due_at IS NOT NULL;
   CREATE INDEX connection_key ON connection (key_id);
   ALTER TABLE pending RENAME TO pending_1;
   DROP INDEX pending_end;
   CREATE TABLE pending (
     key TEXT PRIMARY KEY,
     sealed BLOB NOT NULL,
     expires_at INTEGER NOT NULL,
     key_id TEXT NOT NULL REFERENCES sealing_key (id),
     person TEXT
   ) STRICT, WITHOUT ROWID;
   INSERT INTO pending SELECT key, sealed, expires_at, lower(hex(substr(sealed, 2, 8))), NULL FROM pending_1;
   DROP TABLE pending_1;
   CREATE INDEX pending_end ON pending (expires_at);
   CREATE INDEX pending_key ON pending (key_id);
   CREATE INDEX pending_person ON pending (person) WHERE person IS NOT NULL;
   DELETE FROM meta WHERE name = 'key_check';
   ALTER TABLE meta ADD COLUMN key_id TEXT REFERENCES sealing_key (id);
   CREATE INDEX meta_key ON meta (key_id) WHERE key_id IS NOT NULL;
   CREATE TABLE history (
     seq INTEGER PRIMARY KEY AUTOINCREMENT,
     connection_id TEXT NOT NULL,
     tenant TEXT NOT NULL,
     user TEXT NOT NULL,
     provider TEXT NOT NULL,
     account TEXT NOT NULL,
     type TEXT NOT NULL,
     generation INTEGER NOT NULL,
     reason TEXT,
     at INTEGER NOT NULL,
     last_at INTEGER NOT NULL,
     count INTEGER NOT NULL,
     note TEXT
   ) STRICT;
   CREATE INDEX history_connection ON history (connection_id, seq);
   CREATE INDEX history_end ON history (at) WHERE type = 'revoked';
   CREATE INDEX history_user ON history (tenant, user) WHERE type = 'revoked';
   CREATE TABLE audit (
     tenant TEXT NOT NULL,
     seq INTEGER NOT NULL,
     at INTEGER NOT NULL,
     entry TEXT NOT NULL,
     hash BLOB NOT NULL,
     PRIMARY KEY (tenant, seq)
   ) STRICT, WITHOUT ROWID;`,
]

/**
 * Brings an open database to the newest schema, under SQLite's write lock: of several processes one does the work
 * and the others find it done. A failure leaves the file as it was.
 *
 * @throws {StoreError} `store_newer` for a file of a newer version, `store_corrupt` for another program's database.
 */
export function migrate(database: DatabaseSync, name: string, steps: readonly string[] = migrations): void {
  if (stepsDone(database, name, steps) === steps.length) return
  database.exec('BEGIN IMMEDIATE')
  try {
    for (const step of steps.slice(stepsDone(database, name, steps))) database.exec(step)
    database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${steps.length}; COMMIT`)
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

function stepsDone(database: DatabaseSync, name: string, steps: readonly string[]): number {
  const done = pragma(database, 'user_version')
  const empty = done === 0 && pragma(database, 'schema_version') === 0
  if (!empty && pragma(database, 'application_id') !== applicationId)
    throw new StoreError(
      'store_corrupt',
      `${name} is a SQLite database of another program, not a vault. Choose another file; nothing was changed.`,
    )
  if (done > steps.length)
    throw new StoreError(
      'store_newer',
      `${name} was written by a newer version of toolgrant (schema ${done}; this one knows ${steps.length}). Update toolgrant; nothing was changed.`,
    )
  return done
}

function pragma(database: DatabaseSync, name: string): number {
  return Number(Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0])
}
