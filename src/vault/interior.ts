// What is inside an open vault: its parts, made once and handed to whatever works with them.
import { type Registration, type RequestOptions, resolveEndpoints } from '../oauth/index.ts'
import { auditLogOf, type StoredAuditLog } from './audit-log.ts'
import { AuditedRefreshes } from './audit-refresh.ts'
import { ConnectionReader } from './connection-reader.ts'
import { revokeGrant } from './disconnect.ts'
import { DueRefresh } from './due-refresh.ts'
import { EventStream } from './event-stream.ts'
import { KeyOperations } from './key-operations.ts'
import type { CurrentKeyring } from './key-ring.ts'
import type { VaultParts } from './open.ts'
import type { VaultOptions } from './options.ts'
import { idle, pause } from './pause.ts'
import { PendingAuthorizations } from './pending.ts'
import { ProviderGates } from './provider-gate.ts'
import { RecentUse } from './recent-use.ts'
import { Refresher } from './refresh.ts'
import { refreshRequests } from './refresh-request.ts'
import { SealedTokens } from './sealed-tokens.ts'
import type { Store } from './store.ts'
import { TokenCache } from './token-cache.ts'

const defaultLeaseMs = 15_000
const defaultTimeoutMs = 60_000
/** How long a refresh in the background waits for its turn at the provider, in milliseconds: the lease is taken then. */
const longestQueueMs = 5000

/** The parts of an open vault. */
export interface Interior {
  readonly store: Store
  readonly tenant: string
  readonly options: VaultOptions
  readonly keys: CurrentKeyring
  readonly sealed: SealedTokens
  /** Live tokens in memory. */
  readonly cache: TokenCache
  readonly pending: PendingAuthorizations
  readonly events: EventStream
  readonly audit: StoredAuditLog
  readonly keyOperations: KeyOperations
  /** How much is asked of each provider. */
  readonly gates: ProviderGates
  /** What somebody asked for lately. */
  readonly use: RecentUse
  readonly refresher: Refresher
  readonly reader: ConnectionReader
  readonly due: DueRefresh
  /** The clock that expiry is judged by, in milliseconds since 1970: the option's, else the store's. */
  readonly now: () => number
  /** Our registration at a provider. */
  readonly registration: (providerId: string) => Promise<Registration>
  /** What every request to a provider is made with. */
  readonly requestOptions: RequestOptions
}

/** Makes the parts. */
export async function furnish({
  store,
  keys,
  keyPlaces,
  clients,
  tenant,
  options,
}: VaultParts): Promise<Interior> {
  const { earlySeconds = 300, usedWithinSeconds, cacheSize = 1000 } = options
  const { fetch, allowInsecureRequests, random = Math.random, sleep = pause } = options
  const now = options.now ?? (() => store.now())
  const cache = new TokenCache(cacheSize, now)
  const sealed = new SealedTokens(keys, earlySeconds, cacheSize, { usedWithinSeconds, random })
  const basis = {
    ...{ store, tenant, options, now, keys, cache, sealed },
    pending: new PendingAuthorizations(store, keys, tenant),
    events: new EventStream({ store, tenant, cache, sealed, now, sleep: options.sleep ?? idle }),
    audit: auditLogOf({ store, tenant, keyring: keys }, options),
    keyOperations: new KeyOperations({ store, keys, places: keyPlaces }),
    gates: new ProviderGates({ now: () => store.now(), random, sleep }),
    use: new RecentUse({ store, idle: options.sleep ?? idle }),
    registration: (providerId: string) => clients.registration(providerId),
    requestOptions: { fetch, now, allowInsecureRequests },
  }
  if (options.onEvent !== undefined) basis.events.subscribe(options.onEvent)
  await basis.events.start()
  const refresher = newRefresher(basis)
  const { leaseMs = defaultLeaseMs } = options
  return {
    ...{ ...basis, refresher, reader: new ConnectionReader({ ...basis, refresher }) },
    due: new DueRefresh({
      ...basis,
      refresher,
      sleep,
      idle: options.sleep ?? idle,
      claimMs: Math.min(leaseMs, longestQueueMs) + 1000,
    }),
  }
}

function newRefresher(inside: Omit<Interior, 'refresher' | 'reader' | 'due'>): Refresher {
  const { store, sealed, gates, options, requestOptions, events, audit } = inside
  const { random = Math.random, sleep = pause } = options
  const { leaseMs = defaultLeaseMs, refreshTimeoutMs = defaultTimeoutMs } = options
  const refreshes = new AuditedRefreshes()
  return new Refresher({
    ...{ store, sealed, gates, registration: inside.registration },
    ...{ now: inside.now, random, sleep, leaseMs, waitMs: refreshTimeoutMs + 2 * leaseMs },
    prepare: async ({ provider, client }) => ({
      provider: await resolveEndpoints(provider, client, requestOptions),
      client,
    }),
    refresh: (registration, tokens, sending) => {
      const given = requestOptions.fetch ?? registration.client.fetch
      const fetch = refreshes.watch(sending.row.id, given)
      const send = refreshRequests({ ...requestOptions, fetch, timeoutMs: refreshTimeoutMs })
      return send(registration, tokens, sending)
    },
    abandon: async (registration, tokens, isUnwanted) => {
      await revokeGrant(registration, tokens, requestOptions, isUnwanted).catch(() => {
        // The person disconnected while it was under way, and the provider cannot be told: it ends by itself.
      })
    },
    record: async (change, write) => {
      const row = await events.record(change, write)
      if (row !== undefined) audit.record(refreshes.entry(row, change.error))
      return row
    },
    unsaved: (row, error) => {
      events.emit('refresh_failed', row, error)
      audit.record(refreshes.entry(row, error))
    },
  })
}
