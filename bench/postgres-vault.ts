// PostgreSQL vaults with very many connections, for benchmarks: filled in batches instead of by a million saves.
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { Keyring, SealingKey } from '../src/seal.ts'
import { Vault } from '../src/vault/index.ts'
import { SealedTokens } from '../src/vault/sealed-tokens.ts'
import { PostgresServer } from '../test/setup/postgres.ts'
import { liveTokens } from './filled-vault.ts'

/**
 * A server for benchmarks: durable as it is shipped, with more memory for its cache. No checkpoint comes in between: after
 * one, each page that is changed for the first time is logged whole, of which a larger table has more.
 */
export async function benchServer(): Promise<PostgresServer> {
  const cache = { shared_buffers: '2GB', max_wal_size: '16GB', checkpoint_timeout: '1h' }
  return PostgresServer.start({ ...cache, autovacuum: 'off', max_connections: '100' })
}

/** What is to be in the vault. */
export interface PostgresFilling {
  rows: number
  /** 32 bytes. */
  key: Uint8Array
  /** So many rows are overdue, the others are due in an hour; all over the table. Default 0. */
  due?: number
}

const provider = 'acme'
const batchSize = 5000

/** Makes a vault whose rows are `user-0`, `user-1` … at the provider `acme`, with live tokens. */
export async function fillPostgresVault(url: string, { rows, key, due = 0 }: PostgresFilling): Promise<void> {
  // Opened once by the vault itself, which makes the tables and writes down the key.
  await (await Vault.open({ url, key, clients: {} })).close()
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const sealed = new SealedTokens(new Keyring(new SealingKey(key)), 300)
    const tokens = liveTokens()
    const every = due === 0 ? rows + 1 : Math.max(1, Math.floor(rows / due))
    await client.query('SET synchronous_commit = off')
    for (let first = 0; first < rows; first += batchSize) {
      const numbers = Array.from({ length: Math.min(batchSize, rows - first) }, (_, index) => first + index)
      const blobs = numbers.map((n) => sealed.seal(placeOf(n), tokens).sealed)
      await client.query(insert, [numbers, blobs, Date.now(), every])
    }
    await client.query('VACUUM (ANALYZE) toolgrant.connection')
  } finally {
    await client.end()
  }
}

const insert = `INSERT INTO toolgrant.connection (id, tenant, user_id, provider, account, generation, status, scopes, expires_at,
    received_at, refresh_due_at, due_at, failures, granted_at, used_at, created_at, updated_at, key_id, sealed)
  SELECT '00000000-0000-4000-8000-' || lpad(n::text, 12, '0'), 'default', 'user-' || n, '${provider}', 'default', 1, 'active',
    '["notes.read","notes.write"]', $3::bigint + 3600000, $3, $3::bigint + 3300000,
    CASE WHEN n % $4::bigint = $4 - 1 THEN $3 - 1000000 + n % 1000000 ELSE $3 + 3300000 END, 0, $3, $3, $3, $3,
    (SELECT id FROM toolgrant.sealing_key), blob
  FROM unnest($1::bigint[], $2::bytea[]) AS filling (n, blob)`

function placeOf(n: number) {
  const id = `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
  return { id, tenant: 'default', user: `user-${n}`, provider, account: 'default', generation: 1 }
}

/** A key for {@link fillPostgresVault}. */
export function benchKey(): Uint8Array {
  return randomBytes(32)
}
