// The vault: keeps connections sealed, refreshes them, hands out tokens. This is its face; what is behind it
// (store, keys, refresh) is loaded when one is opened, so that importing it costs next to nothing.
import type {
  JwtBearerClaims,
  PendingAuthorization,
  Registration,
  RequestOptions,
  TokenSet,
  TokenSource,
} from '../oauth/index.ts'
import type { AuditLog } from './audit.ts'
import type { Connection, ConnectionAddress } from './connection.ts'
import type { VaultTokenRequest } from './connection-reader.ts'
import type { ProviderDeviations } from './deviation-survey.ts'
import type { VaultListener } from './event.ts'
import type { ExplainOptions, Explanation } from './explanation.ts'
import type { Exported, ExportOptions } from './export.ts'
import type {
  KeepFresh,
  KeepFreshOptions,
  RefreshDueOptions,
  Refreshed,
  RefreshedDue,
  RefreshOptions,
} from './freshness.ts'
import type { Imported, ImportOptions } from './import.ts'
import type { VaultOptions } from './options.ts'
import type { VaultSurvey } from './survey.ts'
import type { VaultKeys } from './vault-keys.ts'

/** Options of {@link Vault.source}. */
export interface SourceOptions {
  /** Scopes that the token must cover. Default: whatever was granted. */
  scopes?: readonly string[] | undefined
}

/** Options of {@link Vault.finish}. */
export interface FinishOptions extends RequestOptions {
  /**
   * Who is signed in where the callback arrived. Give it wherever several people use one server: a link may have been
   * passed to somebody else, whose account would then be connected for the person who began (RFC 6749 section 10.12).
   * `undefined`, when given: nobody is signed in, and nothing is finished.
   */
  user?: string | undefined
}

/** Options of {@link Vault.connectClient}. */
export interface ConnectClientOptions extends RequestOptions {
  /** Default: the provider's `defaultScopes`. */
  scopes?: readonly string[] | undefined
  /** Which APIs the token is for (RFC 8707). Default: the provider's `resources`. */
  resources?: readonly string[] | undefined
  /** Further body parameters of the token request. They are kept, and sent again at each renewal. */
  extraParams?: Readonly<Record<string, string | readonly string[]>> | undefined
  /** A statement for the JWT bearer grant (RFC 7523), signed with the client's `privateKey`, instead of client credentials. */
  assertion?: JwtBearerClaims | undefined
}

/** Options of {@link Vault.disconnect}. */
export interface DisconnectOptions {
  /** Stops the request to the provider; the connection is deleted all the same. */
  signal?: AbortSignal | undefined
  /** Time limit of each request to the provider, in milliseconds. Default 10 000. */
  timeoutMs?: number | undefined
  /** Whether to ask the provider afterwards if the grant is over. Default `true`. */
  confirm?: boolean | undefined
}

/** What {@link Vault.disconnect} did. */
export interface Disconnected {
  /** The connection as it was, now `revoked` and deleted. */
  connection: Connection
  /** Whether the provider took the revocation. */
  revoked: boolean
  /** `false`: the provider has no revocation endpoint, so that only the person can end the grant there. */
  revocable: boolean
  /**
   * What a probe found afterwards: introspection, else the provider's who-am-I, else (where refresh tokens are never
   * replaced) a refresh that has to fail. `false`: something still works. Absent: there was no safe way to find out.
   */
  confirmed?: boolean
  /** Why it was not revoked or not confirmed, and what to do. */
  why?: string
}

/** Options of {@link Vault.forget}. */
export interface ForgetOptions extends DisconnectOptions {
  /** Stops it: no further connection is begun with, and what is under way is deleted here all the same. */
  signal?: AbortSignal | undefined
  /** Hears of each connection that was ended. What it throws is ignored. */
  onProgress?: ((progress: ForgetProgress) => void) | undefined
}

/** How far {@link Vault.forget} has come. */
export interface ForgetProgress {
  /** How many connections are ended. */
  done: number
  /** How many there are, as far as is known. */
  total: number
  /** The last one. */
  last: Disconnected
}

/** What {@link Vault.forget} did. */
export interface Forgotten {
  user: string
  /** The connections that were ended, each with what its provider said. Empty: there were none. */
  connections: readonly Disconnected[]
  /** How many authorizations that the user had begun, and not finished, were dropped. */
  pending: number
  /** The providers where a grant may live on; `why` of the connection says what to do. */
  unrevoked: readonly string[]
}

/**
 * Keeps connections: sealed, fresh, one refresh at a time over all processes that share the store. Made by
 * {@link Vault.open}. `inspect` and `JSON.stringify` show nothing of it.
 */
export abstract class Vault {
  /**
   * Opens a vault. Without options: the SQLite file in the person's data folder, its key from `TOOLGRANT_KEY`, the
   * system's keychain or a key file, clients from `toolgrant.toml` and the environment.
   *
   * @throws {KeyError} `key_missing`, `key_wrong`, `key_invalid`, `key_unavailable`.
   * @throws {StoreError} `store_*`; {@link ConfigurationError} `config_invalid`. Nothing stored was changed.
   */
  static async open(options: VaultOptions = {}): Promise<Vault> {
    const { openVault } = await import('./open-vault.ts')
    return openVault(options)
  }

  /** The connections that match, without their tokens. A member left out matches everything. */
  abstract connections(filter?: Partial<ConnectionAddress>): Promise<Connection[]>

  /** {@link Vault.connections} one after the other, page by page, for as many as there are. */
  abstract eachConnection(filter?: Partial<ConnectionAddress>): AsyncIterable<Connection>

  /**
   * The connection at an address, without its tokens; `undefined` when there is none.
   *
   * @throws {ConfigurationError} `account_ambiguous`.
   */
  abstract connection(address: ConnectionAddress): Promise<Connection | undefined>

  /**
   * Why a connection is as it is: status, what happened, the likely cause, what to do, and what will happen when. Changes
   * nothing, and sends nothing unless `probe` is set. No secret is in it.
   *
   * @param idOrAddress the `id` of a connection, also of one that was disconnected within the last day; or its address.
   * @throws {AuthorizationRequiredError} `not_connected`; {@link ConfigurationError} `account_ambiguous`.
   */
  abstract explain(idOrAddress: string | ConnectionAddress, options?: ExplainOptions): Promise<Explanation>

  /**
   * How all connections of this tenant stand, counted by provider. Reads every row, a page at a time; changes nothing.
   *
   * @throws {StoreError}
   */
  abstract survey(): Promise<VaultSurvey>

  /**
   * How the token answers of a provider differed from the RFCs, by the histories of its connections in this tenant (of
   * up to 200 of them), the most frequent first. Nothing has to be done about them; a provider row can say so.
   *
   * @throws {StoreError}
   */
  abstract deviations(provider: string): Promise<ProviderDeviations>

  /**
   * Keeps a grant that a person has just given, in place of any earlier one at that address; the connection is `active`
   * again. Its scopes are those of the token set, whatever was granted before. Without an account: `default`.
   */
  abstract save(address: ConnectionAddress, tokens: TokenSet): Promise<Connection>

  /**
   * Connects our client itself, without a person: by client credentials (RFC 6749 section 4.4), or by a statement that
   * our key signs (RFC 7523). The connection has no refresh token; it is renewed by asking again, like any other:
   * before its end, one request over all processes.
   *
   * ```ts
   * await vault.connectClient({ user: 'payments', provider: 'paypal' })
   * ```
   *
   * @throws {ConfigurationError} `client_missing`: no registration, or a client that proves nothing.
   * @throws {TokenEndpointError} refused; {@link InvalidResponseError} {@link NetworkError} {@link TimeoutError}.
   */
  abstract connectClient(address: ConnectionAddress, options?: ConnectClientOptions): Promise<Connection>

  /**
   * A token source over a connection, for sessions. A live token comes from memory, without store or crypto; the store
   * is asked again at the latest after a minute. Tokens are renewed, and errors thrown, as by {@link Vault.token}.
   */
  abstract source(address: ConnectionAddress, options?: SourceOptions): TokenSource

  /**
   * A usable token set, read from the store; refreshed first when it has to be. Within the last minutes of its life the
   * old one is returned and a refresh started behind the caller's back.
   *
   * @throws {AuthorizationRequiredError} `not_connected`, `missing_scope`, `needs_reconnect`.
   * @throws {RefreshFailedError} no valid token, and renewing failed; the connection is kept.
   * @throws {ConfigurationError} `account_ambiguous`, `client_missing`; {@link StoreError}; {@link KeyError}.
   */
  abstract token(address: ConnectionAddress, request?: VaultTokenRequest): Promise<TokenSet>

  /**
   * Refreshes a connection that is due, or in any case with `force`. One refresh over all processes, as for
   * {@link Vault.token}.
   *
   * @throws {AuthorizationRequiredError} `not_connected`, `needs_reconnect`.
   * @throws {RefreshFailedError} it failed, or there is no way to renew it; the connection is kept.
   * @throws {ConfigurationError} `account_ambiguous`, `client_missing`; {@link StoreError}; {@link KeyError}.
   */
  abstract refresh(address: ConnectionAddress, options?: RefreshOptions): Promise<Refreshed>

  /**
   * One pass over everything that is due: connections in use before their token ends, idle ones when their refresh token
   * needs it. Several processes share the work. Failures are counted, told as events, and tried again when they are due.
   *
   * @throws {StoreError} {@link KeyError}.
   */
  abstract refreshDue(options?: RefreshDueOptions): Promise<RefreshedDue>

  /**
   * Keeps connections fresh from now on: sleeps until something is due and refreshes it, until it is stopped or the vault
   * is closed. Run it in one process or in many. It does not keep the process alive, unless `done` is awaited.
   */
  abstract keepFresh(options?: KeepFreshOptions): KeepFresh

  /**
   * Hears what happens to connections, in order for each of them; on PostgreSQL also what other processes do. What a
   * listener throws, or how long it takes, harms nothing.
   *
   * @returns a function that ends it.
   */
  abstract subscribe(listener: VaultListener): () => void

  /**
   * Ends a connection: revokes the grant at the provider where that is possible, and deletes it here in any case.
   * A refresh that is under way anywhere cannot bring it back. At some providers (Discord) it ends everything that our
   * client has for that person.
   *
   * @throws {AuthorizationRequiredError} `not_connected`; {@link StoreError}.
   */
  abstract disconnect(address: ConnectionAddress, options?: DisconnectOptions): Promise<Disconnected>

  /**
   * Ends everything that a user has in this tenant, as {@link Vault.disconnect} does, at all providers and accounts; and
   * drops the authorizations that they began and did not finish, and the history of it all. One provider that fails does
   * not hold up the others. A refresh that is under way anywhere cannot bring a connection back; nor can a consent that
   * is being finished: it is ended again, and whoever finishes it gets `not_connected`. The audit log is kept.
   *
   * @throws {StoreError} the signal's reason: what is left is ended by a second call, which reports nothing else.
   */
  abstract forget(user: string, options?: ForgetOptions): Promise<Forgotten>

  /**
   * Our registration at a provider.
   *
   * @throws {ConfigurationError} `client_missing`, `provider_unknown`.
   */
  abstract registration(providerId: string): Promise<Registration>

  /** Keeps a pending authorization, sealed, until its `expiresAt`, for any process on the store to finish. */
  abstract putPending(pending: PendingAuthorization): Promise<void>

  /** Takes the pending authorization of a state: once, before its end. `undefined`: unknown, over, or taken already. */
  abstract takePending(state: string): Promise<PendingAuthorization | undefined>

  /**
   * Finishes an authorization whose pending record is in this vault: checks the callback, exchanges the code, saves the
   * connection. For callbacks that your own server receives.
   *
   * @throws {CallbackError} `state_mismatch` when somebody else began it than `user`; nothing is sent.
   * @throws {CallbackError} {@link AuthorizationDeniedError} {@link TokenEndpointError} and what else the grant throws.
   */
  abstract finish(callback: string | URL | URLSearchParams, options?: FinishOptions): Promise<Connection>

  /**
   * Puts connections, with their tokens, into one encrypted bundle; for a move, deletes them here without revoking them.
   * Clients and their secrets are not in it.
   *
   * @throws {TypeError} `invalid_argument` for a short passphrase, or a file that is there; {@link StoreError}. Nothing
   *   was moved then.
   */
  abstract export(options: ExportOptions): Promise<Exported>

  /**
   * Brings connections in: from a bundle, guMCP's or mcp-remote's folder, or JSON. Each stands by itself; importing the
   * same again changes nothing.
   *
   * @param source the path of a file or folder, or the bytes of a bundle or JSON.
   * @throws {ImportError} `bundle_invalid`, `passphrase_wrong`: nothing was changed. {@link StoreError}, {@link KeyError}:
   *   what was imported by then is kept; import again.
   */
  abstract import(source: string | Uint8Array, options?: ImportOptions): Promise<Imported>

  /** Who did what with which connection: lines that show when somebody tampers with them. */
  abstract get audit(): AuditLog

  /** The keys that this vault is sealed with, to be changed while it serves. */
  abstract get keys(): VaultKeys

  /**
   * Closes the vault. Waits for what is under way (refreshes, {@link Vault.finish}, {@link Vault.save},
   * {@link Vault.disconnect}), because its outcome must be saved: close the vault before the process ends.
   */
  abstract close(): Promise<void>

  /** {@link Vault.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
