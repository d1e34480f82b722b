// Where a vault is, looked at from outside: without opening, making or migrating anything.
// For whoever has to know before they open it; what it takes is loaded when it is asked for.
import type { VaultOptions } from './options.ts'

/** A vault file as the file system knows it. */
export interface VaultFile {
  path: string
  /** Permission bits: `0600`. */
  mode: string
  /** Of its folder. */
  folderMode: string
  /** Whether this user owns it. Always `true` on Windows. */
  own: boolean
  bytes: number
  /** Of its write-ahead log. */
  walBytes: number
  /** Free on its disk, for this user. */
  freeBytes: number
}

/** Where a vault is. */
export interface VaultPlace {
  kind: 'memory' | 'sqlite' | 'postgres'
  /** For messages: a path, or host and database; never a password. */
  name: string
  /** Whether there is a vault yet; the first `Vault.open()` makes one. */
  exists: boolean
  /** How many steps its schema is made of; another version of toolgrant may know fewer or more. */
  schema?: number
  /** How many this version knows: opening brings an older vault there. */
  knownSchema?: number
  file?: VaultFile
  /** PostgreSQL: the server's version. */
  server?: string
  /** PostgreSQL: bytes of the database. */
  databaseBytes?: number
}

/**
 * Looks at the place of a vault. Not for a process that has the same SQLite file open: reading it here can end the locks
 * that it holds.
 *
 * @param options `url` as for {@link Vault.open}; default: the file in the data folder.
 * @throws {StoreError} what is there cannot be read, or is no vault; {@link ConfigurationError} `config_invalid`.
 */
export async function lookAtVault(options: Pick<VaultOptions, 'url' | 'env'> = {}): Promise<VaultPlace> {
  const env = options.env ?? globalThis.process?.env ?? {}
  const { defaultLocation, parseLocation } = await import('./location.ts')
  const location = options.url === undefined ? defaultLocation(env) : parseLocation(options.url)
  if (location.kind === 'memory') return { kind: 'memory', name: 'memory:', exists: false }
  if (location.kind === 'postgres') {
    const { lookAtDatabase } = await import('./postgres-look.ts')
    return lookAtDatabase(location.url, env)
  }
  const { lookAtFile } = await import('./sqlite-look.ts')
  return lookAtFile(location.path)
}
