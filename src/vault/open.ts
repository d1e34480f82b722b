// Opening a vault: which store, which key, whose clients.
import { dataFolder, type Environment } from '../config/index.ts'
import { argumentError, ConfigurationError } from '../errors.ts'
import { type RegistrationSource, registrations } from '../oauth/index.ts'
import type { AuditLevel } from './audit.ts'
import { isPlain } from './connection.ts'
import type { CurrentKeyring } from './key-ring.ts'
import { unlock } from './key-unlock.ts'
import { type KeyProvider, keyProviders, passingKey } from './keys.ts'
import { defaultLocation, type Location, parseLocation } from './location.ts'
import type { VaultOptions } from './options.ts'
import { longestLeaseMs, type Store } from './store.ts'

/** What a vault is made of, opened and checked. */
export interface VaultParts {
  store: Store
  keys: CurrentKeyring
  /** Where keys are looked for and kept. */
  keyPlaces: readonly KeyProvider[]
  clients: RegistrationSource
  tenant: string
  options: VaultOptions
}

/** Opens the store, finds its key and the clients. Closes the store again when something is wrong. */
export async function openParts(options: VaultOptions): Promise<VaultParts> {
  const { tenant = 'default' } = options
  assertOptions(options, tenant)
  const env = options.env ?? globalThis.process?.env ?? {}
  const { location, clients, keySetting } = await locate(options, env)
  const store = options.store ?? (await openStore(location, options))
  try {
    const keyPlaces = providersFor(location, options, env, keySetting)
    const keys = await unlock(store, keyPlaces)
    return {
      store,
      keys,
      keyPlaces,
      clients,
      tenant,
      options: { ...options, audit: auditLevel(location, options) },
    }
  } catch (error) {
    await store.close()
    throw error
  }
}

function assertOptions({ leaseMs, ...options }: VaultOptions, tenant: string): void {
  for (const name of ['earlySeconds', 'usedWithinSeconds', 'refreshTimeoutMs', 'cacheSize'] as const) {
    const value = options[name]
    if (value !== undefined && !(Number.isFinite(value) && value >= 0))
      throw argumentError(`Vault.open: ${name} must be a number of at least 0.`)
  }
  if (!['all', 'changes', 'off', undefined].includes(options.audit))
    throw argumentError("Vault.open: audit must be 'all', 'changes' or 'off'.")
  if (options.actor !== undefined && (typeof options.actor !== 'string' || options.actor === ''))
    throw argumentError('Vault.open: actor must be a non-empty text.')
  if (leaseMs !== undefined && !(Number.isInteger(leaseMs) && leaseMs >= 100 && leaseMs <= longestLeaseMs))
    throw argumentError('Vault.open: leaseMs must be a whole number from 100 to 600000.')
  if (typeof tenant !== 'string' || tenant === '' || !isPlain(tenant))
    throw argumentError('Vault.open: tenant must be a non-empty text without NUL.')
}

/** A store in memory dies with its process, and so would its log: it has none unless it is asked for. */
function auditLevel(location: Location, { audit, store }: VaultOptions): AuditLevel {
  return audit ?? (location.kind === 'memory' && store === undefined ? 'off' : 'all')
}

async function locate(
  { url, clients }: VaultOptions,
  env: Environment,
): Promise<{ location: Location; clients: RegistrationSource; keySetting?: string | undefined }> {
  const given = url ?? (clients === undefined ? undefined : env['TOOLGRANT_VAULT'])
  if (clients !== undefined)
    return { location: given ? parseLocation(given) : defaultLocation(env), clients: sourceOf(clients) }
  const { loadConfig } = await import('../config/index.ts')
  const config = await loadConfig({ env })
  const named = given ?? config.vault.url
  const location = named ? parseLocation(named) : defaultLocation(env)
  return { location, clients: config, keySetting: config.vault.key }
}

function sourceOf(clients: NonNullable<VaultOptions['clients']>): RegistrationSource {
  if (isSource(clients)) return clients
  return registrations(clients)
}

function isSource(clients: NonNullable<VaultOptions['clients']>): clients is RegistrationSource {
  return typeof (clients as RegistrationSource).registration === 'function'
}

async function openStore(location: Location, { now, random, env }: VaultOptions): Promise<Store> {
  if (location.kind === 'memory') {
    const { memoryStore } = await import('./memory-store.ts')
    return memoryStore({ now })
  }
  if (location.kind === 'postgres') {
    const { openPostgresStore } = await import('./postgres-store.ts')
    return openPostgresStore(location.url, { now, env: env ?? globalThis.process?.env })
  }
  const { openSqliteStore } = await import('./sqlite-store.ts').catch((cause: unknown) => {
    throw new ConfigurationError(
      'runtime_unsupported',
      'A SQLite vault needs node:sqlite: run this on Node 22.18 or newer, or open memory:.',
      { cause },
    )
  })
  return openSqliteStore(location.path, { now, random })
}

function providersFor(
  location: Location,
  { key, store }: VaultOptions,
  env: Environment,
  setting: string | undefined,
): readonly KeyProvider[] {
  if (location.kind === 'memory' && key === undefined && store === undefined) return [passingKey()]
  return keyProviders({ key, variable: env['TOOLGRANT_KEY'], setting, dataFolder: () => dataFolder(env) })
}
