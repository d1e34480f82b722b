// Vault files with very many connections, made in seconds: one INSERT … SELECT over a counter instead of a million saves.
// `node bench/filled-vault.ts <path> <rows>` leaves such a file behind, with its key beside it.
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { TokenSet } from '../src/oauth/index.ts'
import { Keyring, SealingKey } from '../src/seal.ts'
import { Vault } from '../src/vault/index.ts'
import { SealedTokens } from '../src/vault/sealed-tokens.ts'

/** What is to be in the file. */
export interface Filling {
  rows: number
  /** 32 bytes. */
  key: Uint8Array
  /** So many rows are overdue, the others are due in an hour; all over the file. Default 0. */
  due?: number
  /** So long ago somebody asked for each. Default 0. */
  usedAgoMs?: number
}

const provider = 'acme'

/** Makes a vault file whose rows are `user-0`, `user-1` … at the provider `acme`, with live tokens. */
export async function fillVault(path: string, { rows, key, due = 0, usedAgoMs = 0 }: Filling): Promise<void> {
  // Opened once by the vault itself, which makes the tables and writes down the key.
  await (await Vault.open({ url: `sqlite:${path}`, key, clients: {} })).close()
  const database = new DatabaseSync(path)
  try {
    database.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; PRAGMA wal_autocheckpoint = 100000')
    database.function('sealed', { deterministic: true }, sealer(key))
    database.exec('BEGIN IMMEDIATE')
    insertRows(database, rows, due, usedAgoMs)
    database.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)')
  } finally {
    database.close()
  }
}

function insertRows(database: DatabaseSync, rows: number, due: number, usedAgo: number): void {
  const now = Date.now()
  const every = due === 0 ? rows + 1 : Math.max(1, Math.floor(rows / due))
  database
    .prepare(
      `INSERT INTO connection (id, tenant, user, provider, account, generation, status, scopes, expires_at, received_at,
         refresh_due_at, due_at, failures, granted_at, used_at, created_at, updated_at, key_id, sealed)
       WITH RECURSIVE counter (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counter WHERE n + 1 < :rows)
       SELECT printf('00000000-0000-4000-8000-%012d', n), 'default', 'user-' || n, '${provider}', 'default', 1, 'active',
         '["notes.read","notes.write"]', :now + 3600000, :now, :now + 3300000,
         iif(n % :every = :every - 1, :now - 1000000 + n % 1000000, :now + 3300000), 0, :now, :now - :usedAgo, :now, :now,
         (SELECT id FROM sealing_key), sealed(n) FROM counter`,
    )
    .run({ rows, every, now, usedAgo })
}

/** Seals as the vault does: opening is part of what is measured. */
function sealer(key: Uint8Array): (n: SQLOutputValue) => Uint8Array {
  const sealed = new SealedTokens(new Keyring(new SealingKey(key)), 300)
  const tokens = liveTokens()
  return (n) => {
    const id = `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
    const place = { tenant: 'default', user: `user-${n}`, provider, account: 'default', generation: 1 }
    return sealed.seal({ id, ...place }, tokens).sealed
  }
}

/** A token set of an ordinary size that lasts for an hour. */
export function liveTokens(): TokenSet {
  return new TokenSet({
    accessToken: `access-${randomBytes(48).toString('base64url')}`,
    refreshToken: `refresh-${randomBytes(48).toString('base64url')}`,
    expiresAt: new Date(Date.now() + 3_600_000),
    scopes: ['notes.read', 'notes.write'],
  })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [, , path = 'vault.db', rows = '1000000'] = process.argv
  const key = randomBytes(32)
  await fillVault(path, { rows: Number(rows), key })
  writeFileSync(`${path}.key`, `${key.toString('base64url')}\n`, { mode: 0o600 })
  console.log(JSON.stringify({ path, rows: Number(rows), key: `${path}.key` }))
}
