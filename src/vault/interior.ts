// What is inside an open vault: its parts, made once and handed to whatever works with them.
import {
  type Registration,
  type RequestOptions,
  refreshTokenGrant,
  resolveEndpoints,
} from '../oauth/index.ts'
import { auditedRefresh, auditLogOf, type StoredAuditLog } from './audit-log.ts'
import { ConnectionReader } from './connection-reader.ts'
import { revokeGrant } from './disconnect.ts'
import { EventStream } from './event-stream.ts'
import type { CurrentKeyring } from './key-ring.ts'
import type { VaultParts } from './open.ts'
import type { VaultOptions } from './options.ts'
import { pause } from './pause.ts'
import { PendingAuthorizations } from './pending.ts'
import { Refresher } from './refresh.ts'
import { SealedTokens } from './sealed-tokens.ts'
import type { Store } from './store.ts'
import { TokenCache } from './token-cache.ts'

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
  readonly refresher: Refresher
  readonly reader: ConnectionReader
  /** The clock that expiry is judged by, in milliseconds since 1970: the option's, else the store's. */
  readonly now: () => number
  /** Our registration at a provider. */
  readonly registration: (providerId: string) => Promise<Registration>
  /** What every request to a provider is made with. */
  readonly requestOptions: RequestOptions
}

/** Makes the parts. */
export function furnish({ store, keys, clients, tenant, options }: VaultParts): Interior {
  const { earlySeconds = 300, cacheSize = 1000, fetch, allowInsecureRequests } = options
  const now = options.now ?? (() => store.now())
  const cache = new TokenCache(cacheSize, now)
  const basis = {
    ...{ store, tenant, options, now, keys, cache },
    sealed: new SealedTokens(keys, earlySeconds, cacheSize),
    pending: new PendingAuthorizations(store, keys, tenant),
    events: new EventStream(cache, now),
    audit: auditLogOf({ store, tenant, keyring: keys }, options),
    registration: (providerId: string) => clients.registration(providerId),
    requestOptions: { fetch, now, allowInsecureRequests },
  }
  if (options.onEvent !== undefined) basis.events.subscribe(options.onEvent)
  const refresher = newRefresher(basis)
  return { ...basis, refresher, reader: new ConnectionReader({ ...basis, refresher }) }
}

function newRefresher(inside: Omit<Interior, 'refresher' | 'reader'>): Refresher {
  const { options, requestOptions, events, audit } = inside
  const { random = Math.random, leaseMs = 15_000, refreshTimeoutMs = 60_000, sleep = pause } = options
  return new Refresher({
    ...{ store: inside.store, sealed: inside.sealed, registration: inside.registration },
    ...{ now: inside.now, random, sleep, leaseMs, waitMs: refreshTimeoutMs + 2 * leaseMs },
    prepare: async ({ provider, client }) => ({
      provider: await resolveEndpoints(provider, client, requestOptions),
      client,
    }),
    refresh: ({ provider, client }, tokens) =>
      refreshTokenGrant(provider, client, tokens, { ...requestOptions, timeoutMs: refreshTimeoutMs }),
    abandon: async (registration, tokens) => {
      await revokeGrant(registration, tokens, requestOptions).catch(() => {
        // The person disconnected while it was under way, and the provider cannot be told: it ends by itself.
      })
    },
    emit: (type, row, error) => {
      events.emit(type, row, error)
      if (type !== 'scope_changed') audit.record(auditedRefresh(row, error))
    },
  })
}
