// An open vault: store, keys, clients and refresh put together behind the face of `vault.ts`.
import { argumentError, CallbackError, StoreError } from '../errors.ts'
import {
  authorizationCodeGrant,
  callbackState,
  type PendingAuthorization,
  type Registration,
  type RegistrationSource,
  type RequestOptions,
  refreshTokenGrant,
  resolveEndpoints,
  TokenSet,
  type TokenSource,
} from '../oauth/index.ts'
import { assertAddress, type Connection, type ConnectionAddress, toConnection } from './connection.ts'
import { notConnected } from './connection-errors.ts'
import { ConnectionReader, pick, unrevoked, type VaultTokenRequest } from './connection-reader.ts'
import { ConnectionSource } from './connection-source.ts'
import { type Revocation, revokeGrant, whyNotRevoked } from './disconnect.ts'
import type { VaultEvent } from './event.ts'
import { missingScopes } from './granted-scopes.ts'
import { openParts, type VaultParts } from './open.ts'
import type { VaultOptions } from './options.ts'
import { PendingAuthorizations } from './pending.ts'
import { Refresher } from './refresh.ts'
import { SealedTokens } from './sealed-tokens.ts'
import type { ConnectionRow, RowAddress, Store } from './store.ts'
import { cacheKey, TokenCache } from './token-cache.ts'
import {
  type Disconnected,
  type DisconnectOptions,
  type FinishOptions,
  type SourceOptions,
  Vault,
} from './vault.ts'

/** {@link Vault.open}. */
export async function openVault(options: VaultOptions): Promise<Vault> {
  return new OpenVault(await openParts(options))
}

class OpenVault extends Vault {
  readonly #store: Store
  readonly #sealed: SealedTokens
  readonly #clients: RegistrationSource
  readonly #tenant: string
  readonly #options: VaultOptions
  readonly #now: () => number
  readonly #cache: TokenCache
  readonly #pending: PendingAuthorizations
  readonly #refresher: Refresher
  readonly #reader: ConnectionReader
  /** Grants on their way into the store, or out of it: closing waits for them. */
  readonly #changing = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  constructor({ store, keyring, clients, tenant, options }: VaultParts) {
    super()
    this.#store = store
    this.#clients = clients
    this.#tenant = tenant
    this.#options = options
    this.#now = options.now ?? Date.now
    this.#sealed = new SealedTokens(keyring, options.earlySeconds ?? 300, options.cacheSize ?? 1000)
    this.#cache = new TokenCache(options.cacheSize ?? 1000, this.#now)
    this.#pending = new PendingAuthorizations(store, keyring, tenant)
    this.#refresher = this.#newRefresher()
    this.#reader = new ConnectionReader({
      ...{ store, tenant, now: this.#now, sealed: this.#sealed },
      refresher: this.#refresher,
    })
  }

  async connections(filter: Partial<ConnectionAddress> = {}): Promise<Connection[]> {
    assertAddress(filter, false)
    const { user, provider, account } = filter
    const rows = await this.#opened().list({ tenant: this.#tenant, user, provider, account })
    return rows.map((row) => toConnection(row, this.#now()))
  }

  async connection(address: ConnectionAddress): Promise<Connection | undefined> {
    const row = pick(await this.#rowsAt(address), address.provider)
    return row === undefined ? undefined : toConnection(row, this.#now())
  }

  async save(address: ConnectionAddress, tokens: TokenSet): Promise<Connection> {
    if (!(tokens instanceof TokenSet)) throw argumentError('vault.save needs a TokenSet.')
    const place = { ...labelled(address), tenant: this.#tenant }
    return this.#beforeClosing(() => this.#save(place, tokens))
  }

  async #save(place: RowAddress, tokens: TokenSet): Promise<Connection> {
    for (;;) {
      const [before] = await this.#store.list(place)
      const id = before?.id ?? globalThis.crypto.randomUUID()
      const generation = (before?.generation ?? 0) + 1
      const grant = this.#sealed.seal({ ...place, id, generation }, tokens)
      if (await this.#store.putGrant({ ...place, ...grant, id, generation })) {
        this.#cache.forget(place.user, place.provider, place.account)
        const row = await this.#store.get(id)
        if (row === undefined) throw notConnected(place)
        this.#emit('connected', row)
        return toConnection(row, this.#now())
      }
    }
  }

  source(address: ConnectionAddress, options: SourceOptions = {}): TokenSource {
    assertAddress(address, true)
    const { user, provider, account } = address
    const scopes = options.scopes ?? []
    const key = cacheKey(user, provider, account)
    const remember = (tokens: TokenSet, until: number) => this.#cache.set(key, tokens, until)
    return new ConnectionSource(
      this.#cache,
      key,
      this.#now,
      (tokens) => missingScopes(tokens.scopes, scopes).length === 0,
      (request) => {
        this.#opened()
        return this.#reader.read({ user, provider, account }, { ...request, scopes }, remember)
      },
    )
  }

  async token(address: ConnectionAddress, request: VaultTokenRequest = {}): Promise<TokenSet> {
    assertAddress(address, true)
    this.#opened()
    return this.#reader.read(address, request)
  }

  async disconnect(address: ConnectionAddress, options: DisconnectOptions = {}): Promise<Disconnected> {
    return this.#beforeClosing(() => this.#disconnect(address, options))
  }

  async #disconnect(address: ConnectionAddress, options: DisconnectOptions): Promise<Disconnected> {
    const found = pick(await this.#rowsAt(address, true), address.provider)
    const row = found && (await this.#store.markRevoked(found.id))
    if (row === undefined) throw notConnected(address)
    this.#cache.forget(row.user, row.provider, row.account)
    const revocation = await this.#revoke(row, options)
    await this.#store.deleteRevoked(row.id)
    this.#cache.forget(row.user, row.provider, row.account)
    this.#sealed.forget(row.id)
    this.#emit('revoked', row)
    return { connection: toConnection(row, this.#now()), ...revocation }
  }

  registration(providerId: string): Promise<Registration> {
    return this.#clients.registration(providerId)
  }

  async putPending(pending: PendingAuthorization): Promise<void> {
    this.#opened()
    await this.#pending.put(pending)
  }

  async takePending(state: string): Promise<PendingAuthorization | undefined> {
    this.#opened()
    return this.#pending.take(state)
  }

  async finish(callback: string | URL | URLSearchParams, options: FinishOptions = {}): Promise<Connection> {
    return this.#beforeClosing(() => this.#finish(callback, options))
  }

  async #finish(callback: string | URL | URLSearchParams, given: FinishOptions): Promise<Connection> {
    const state = callbackState(callback)
    if (state === undefined)
      throw new CallbackError(
        'state_missing',
        'The callback has no state, or two. Start again from your own page.',
      )
    const pending = await this.takePending(state)
    if (pending === undefined)
      throw new CallbackError(
        'authorization_expired',
        'The authorization that this callback belongs to is unknown, over, or was finished already. Start again.',
      )
    const { user, provider, account } = pending
    const { user: present, ...options } = given
    if (user === undefined)
      throw argumentError('The pending authorization names no user: give one to authorizationUrl().')
    if ('user' in given && present !== user)
      throw new CallbackError(
        'state_mismatch',
        'Somebody else than the person who came back began this authorization. It was not used. Start again.',
      )
    const registration = await this.registration(provider)
    const limits = { ...this.#requestOptions(), ...options }
    const { provider: server, client } = registration
    const tokens = await authorizationCodeGrant(server, client, pending, callback, limits)
    return this.#save({ ...labelled({ user, provider, account }), tenant: this.#tenant }, tokens)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await Promise.allSettled([this.#refresher.close(), ...this.#changing])
    this.#cache.clear()
    this.#sealed.forgetAll()
    await this.#store.close()
  }

  async #beforeClosing<T>(change: () => Promise<T>): Promise<T> {
    this.#opened()
    const changing = change()
    this.#changing.add(changing)
    try {
      return await changing
    } finally {
      this.#changing.delete(changing)
    }
  }

  #opened(): Store {
    if (this.#closing !== undefined)
      throw new StoreError('closed', 'The vault is closed. Open it again with Vault.open().')
    return this.#store
  }

  #rowsAt(
    address: ConnectionAddress,
    withRevoked = false,
  ): Promise<readonly ConnectionRow[]> | readonly ConnectionRow[] {
    assertAddress(address, true)
    const { user, provider, account } = address
    const rows = this.#opened().list({ tenant: this.#tenant, user, provider, account })
    if (withRevoked) return rows
    return rows instanceof Promise ? rows.then(unrevoked) : unrevoked(rows)
  }

  async #revoke(row: ConnectionRow, { signal, timeoutMs = 10_000 }: DisconnectOptions): Promise<Revocation> {
    try {
      const registration = await this.registration(row.provider)
      const limits = { ...this.#requestOptions(), signal, timeoutMs }
      return await revokeGrant(registration, this.#sealed.open(row), limits)
    } catch (error) {
      return { revoked: false, why: whyNotRevoked(error) }
    }
  }

  #newRefresher(): Refresher {
    const { random = Math.random, leaseMs = 15_000, refreshTimeoutMs = 60_000, sleep = pause } = this.#options
    return new Refresher({
      store: this.#store,
      sealed: this.#sealed,
      registration: (providerId) => this.registration(providerId),
      prepare: async ({ provider, client }) => ({
        provider: await resolveEndpoints(provider, client, this.#requestOptions()),
        client,
      }),
      refresh: ({ provider, client }, tokens) =>
        refreshTokenGrant(provider, client, tokens, {
          ...this.#requestOptions(),
          timeoutMs: refreshTimeoutMs,
        }),
      abandon: async (registration, tokens) => {
        await revokeGrant(registration, tokens, this.#requestOptions()).catch(() => {
          // The person disconnected while it was under way, and the provider cannot be told: it ends by itself.
        })
      },
      emit: (type, row, error) => this.#emit(type, row, error),
      now: this.#now,
      random,
      sleep,
      leaseMs,
      waitMs: refreshTimeoutMs + 2 * leaseMs,
    })
  }

  #requestOptions(): RequestOptions {
    const { fetch, now, allowInsecureRequests } = this.#options
    return { fetch, now, allowInsecureRequests }
  }

  #emit(type: VaultEvent['type'], row: ConnectionRow, error?: unknown): void {
    const now = this.#now()
    const event: VaultEvent = { type, connection: toConnection(row, now), at: new Date(now) }
    if (error !== undefined) event.error = error
    if (type !== 'refresh_failed') this.#cache.forget(row.user, row.provider, row.account)
    try {
      const heard: unknown = this.#options.onEvent?.(event)
      if (heard instanceof Promise) heard.catch(() => {})
    } catch {
      // A listener's own trouble must not become the connection's.
    }
  }
}

/** Without an account, the one labelled `default`. */
function labelled({ user, provider, account = 'default' }: ConnectionAddress): Omit<RowAddress, 'tenant'> {
  assertAddress({ user, provider, account }, true)
  return { user, provider, account }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done, { once: true })
  })
}
