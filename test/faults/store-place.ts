// Where the vaults of the scenarios are, how a process opens one, and how the place itself gets into trouble: its disk is
// full, its database server is restarted.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKey } from '../../src/seal.ts'
import type { Store } from '../../src/vault/index.ts'
import { openSqliteStore } from '../../src/vault/sqlite-store.ts'
import { PostgresServer, testDatabase } from '../setup/postgres.ts'

/** The stores that faults are tried on. */
export type StoreKind = 'sqlite' | 'postgres'

/** A vault's place, as it is handed to a process. */
export interface StorePlace {
  kind: StoreKind
  /** A path, or a PostgreSQL URL. */
  at: string
}

/** Opens the real store there. */
export async function openStoreAt({ kind, at }: StorePlace): Promise<Store> {
  if (kind === 'sqlite') return openSqliteStore(at)
  const { openPostgresStore } = await import('../../src/vault/postgres-store.ts')
  return openPostgresStore(at)
}

/** Something that keeps a store from working for a while. */
export interface Trouble {
  name: 'disk full' | 'database restarted'
  begin(): Promise<void> | void
  end(): Promise<void> | void
}

/** Gives out places for vaults. */
export interface StoreHost {
  kind: StoreKind
  /** The key that seals every vault of the host. */
  key: string
  /** The place of a lane: a file of its own; on PostgreSQL all share a database. */
  place(lane: number): StorePlace
  /** What can go wrong there, and a place where it does. `undefined`: not on this machine, for the reason in `why`. */
  trouble(): { place: StorePlace; trouble: Trouble } | { why: string }
  close(): Promise<void>
}

/** A folder of SQLite files. */
export function sqliteHost(): StoreHost {
  const folder = mkdtempSync(join(tmpdir(), 'toolgrant-faults-'))
  const small = join(folder, 'small')
  const placeIn = (name: string): StorePlace => ({ kind: 'sqlite', at: join(folder, name, 'vault.db') })
  return {
    ...{ kind: 'sqlite', key: generateKey(), place: (lane) => placeIn(`${lane}`) },
    trouble() {
      mkdirSync(small, { recursive: true, mode: 0o700 })
      const why = mountSmallDisk(small)
      return why === undefined ? { place: placeIn('small'), trouble: fullDisk(small) } : { why }
    },
    async close() {
      unmount(small)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A database on the server of the test level, which nobody may restart. */
export async function sharedPostgresHost(): Promise<StoreHost> {
  const database = await testDatabase()
  return {
    ...{ kind: 'postgres', key: generateKey(), place: () => pooled(database.url) },
    trouble: () => ({ why: 'the server is not ours' }),
    close: () => database.drop(),
  }
}

/** A database on a PostgreSQL server of one's own, which keeps what it has confirmed. */
export async function postgresHost(): Promise<StoreHost> {
  const server = await PostgresServer.start({ max_connections: '500' })
  const database = await server.database()
  const place = pooled(database.url)
  return {
    ...{ kind: 'postgres', key: generateKey(), place: () => place },
    trouble: () => ({
      place,
      trouble: {
        name: 'database restarted',
        begin: () => server.halt('immediate'),
        end: () => server.resume(),
      },
    }),
    close: () => server.stop(),
  }
}

/** Each process may have two connections. */
function pooled(databaseUrl: string): StorePlace {
  const url = new URL(databaseUrl)
  url.searchParams.set('pool', '2')
  return { kind: 'postgres', at: url.href }
}

/** Returns why it cannot be done. */
function mountSmallDisk(at: string): string | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', at], { stdio: 'pipe' })
    return undefined
  } catch {
    return 'a small disk cannot be mounted: run it as root on Linux'
  }
}

function unmount(at: string): void {
  try {
    execFileSync('umount', ['-l', at], { stdio: 'ignore' })
  } catch {
    // It was not mounted.
  }
}

/** Fills the disk to its last byte. */
function fullDisk(at: string): Trouble {
  const ballast = join(at, 'ballast')
  return {
    name: 'disk full',
    begin() {
      const block = Buffer.alloc(4096)
      try {
        for (;;) writeFileSync(ballast, block, { flag: 'a' })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
    },
    end: () => rmSync(ballast, { force: true }),
  }
}
