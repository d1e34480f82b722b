// Where the vault of a scenario is, and how a process opens it.
import type { Store } from '../../src/vault/index.ts'
import { openSqliteStore } from '../../src/vault/sqlite-store.ts'

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
  throw new Error('not yet')
}
