// What opening a vault takes.

import type { Environment } from '../config/index.ts'
import type { ClientEntry, RegistrationSource } from '../oauth/index.ts'
import type { AuditLevel } from './audit.ts'
import type { VaultListener } from './event.ts'
import type { KeyProvider } from './keys.ts'
import type { Store } from './store.ts'

/** Options of {@link Vault.open}. */
export interface VaultOptions {
  /**
   * `sqlite:<path>`, a path, `postgres://…`, or `memory:`. Default: `TOOLGRANT_VAULT`; without `clients` also `[vault] url` of
   * `toolgrant.toml`; else `vault.db` in the data folder.
   */
  url?: string | undefined
  /** A store of your own, opened, instead of `url`. Closing the vault closes it. */
  store?: Store | undefined
  /**
   * 32 bytes, their text, or a provider such as `keyFile(path)`; of several providers the first gets new keys, and all are
   * looked at. Default: `TOOLGRANT_KEY`; without `clients` also `[vault] key` of `toolgrant.toml`; else the keychain, a key file.
   */
  key?: KeyProvider | readonly KeyProvider[] | string | Uint8Array | undefined
  /** Our registrations. Default: `toolgrant.toml` and the environment. */
  clients?: RegistrationSource | Readonly<Record<string, ClientEntry>> | undefined
  /** Separates customers of one installation: connections of one tenant are never seen by another. Default `default`. */
  tenant?: string | undefined
  /** Replaces the global `fetch` for requests to providers. */
  fetch?: typeof fetch | undefined
  /** The clock, in milliseconds since 1970. Default `Date.now`. */
  now?: (() => number) | undefined
  /** Jitter, 0 to 1. Default `Math.random`. Keys and ids are never made from it. */
  random?: (() => number) | undefined
  /** Waiting, for simulations: resolves after that time or when the signal aborts. Default: a timer. */
  sleep?: ((ms: number, signal: AbortSignal) => Promise<void>) | undefined
  /** How long before its end a token is renewed in the background, in seconds; at most a fifth of its life. Default 300. */
  earlySeconds?: number | undefined
  /**
   * A connection that nobody asked for this long is idle: `keepFresh` renews it only as often as its refresh token needs,
   * in seconds. Default 86 400, a day.
   */
  usedWithinSeconds?: number | undefined
  /** How long a process that crashed while it refreshed keeps others from trying, in milliseconds, 100 to 600 000. Default 15 000. */
  leaseMs?: number | undefined
  /** Time limit of a refresh request, in milliseconds. Default 60 000: a slow answer still carries the only new token. */
  refreshTimeoutMs?: number | undefined
  /** How many live token sets are held in memory, at most; and twice as many opened ones, so that an unchanged row is not opened again. Default 1000. */
  cacheSize?: number | undefined
  /** Hears what happens to connections, in order for each: as `vault.subscribe`, from the beginning. */
  onEvent?: VaultListener | undefined
  /**
   * What the audit log gets: `all`, `changes` (no uses by tools and commands) or `off`. Default: `all`, about one write
   * a second while something happens; `off` for `memory:`.
   */
  audit?: AuditLevel | undefined
  /** Which trusted code opens the vault, for the audit log: `cli`, `worker-3`. Default `library`. */
  actor?: string | undefined
  /** Lets `http:` endpoints beyond loopback through. For test networks only: secrets travel in the clear. */
  allowInsecureRequests?: boolean | undefined
  /** Environment variables. Default `process.env`; only `TOOLGRANT_*` and the system's data folder are read here. */
  env?: Environment | undefined
}
