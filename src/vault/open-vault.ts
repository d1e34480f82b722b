// An open vault behind the face of `vault.ts`: checks arguments, keeps closing in order, and hands on to its parts.
import { argumentError, StoreError } from '../errors.ts'
import { type PendingAuthorization, type Registration, TokenSet, type TokenSource } from '../oauth/index.ts'
import type { AuditLog } from './audit.ts'
import { assertAddress, type Connection, type ConnectionAddress, toConnection } from './connection.ts'
import { notConnected } from './connection-errors.ts'
import { pick, unrevoked, type VaultTokenRequest } from './connection-reader.ts'
import { ConnectionSource } from './connection-source.ts'
import type { ProviderDeviations } from './deviation-survey.ts'
import { disconnectRow } from './disconnect.ts'
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
import { missingScopes } from './granted-scopes.ts'
import type { Imported, ImportOptions } from './import.ts'
import { furnish, type Interior } from './interior.ts'
import { assertFreshOptions, FreshKeeper } from './keep-fresh.ts'
import { finishAuthorization, grantToClient, saveGrant } from './new-grant.ts'
import { openParts } from './open.ts'
import { OpenKeys } from './open-keys.ts'
import type { VaultOptions } from './options.ts'
import { idle, pause } from './pause.ts'
import { refreshOnce } from './refresh-once.ts'
import type { ConnectionRow } from './store.ts'
import type { VaultSurvey } from './survey.ts'
import { cacheKey } from './token-cache.ts'
import {
  type ConnectClientOptions,
  type Disconnected,
  type DisconnectOptions,
  type FinishOptions,
  type ForgetOptions,
  type Forgotten,
  type SourceOptions,
  Vault,
} from './vault.ts'
import type { VaultKeys } from './vault-keys.ts'

/** {@link Vault.open}. */
export async function openVault(options: VaultOptions): Promise<Vault> {
  const parts = await openParts(options)
  try {
    return new OpenVault(await furnish(parts))
  } catch (error) {
    await parts.store.close()
    throw error
  }
}

/** So many rows are read at once while all are walked through. */
const pageSize = 200

class OpenVault extends Vault {
  readonly #inside: Interior
  /** Grants on their way into the store, or out of it: closing waits for them. */
  readonly #changing = new Set<Promise<unknown>>()
  readonly #keys = new OpenKeys((run) => this.#beforeClosing(run))
  readonly #keepers = new Set<FreshKeeper>()
  #closing: Promise<void> | undefined

  constructor(inside: Interior) {
    super()
    this.#inside = inside
  }

  async connections(filter: Partial<ConnectionAddress> = {}): Promise<Connection[]> {
    assertAddress(filter, false)
    const { store, tenant, now } = this.#opened()
    const { user, provider, account } = filter
    const rows = await store.list({ tenant, user, provider, account })
    return rows.map((row) => toConnection(row, now()))
  }

  async connection(address: ConnectionAddress): Promise<Connection | undefined> {
    const row = pick(await this.#rowsAt(address), address.provider)
    return row === undefined ? undefined : toConnection(row, this.#inside.now())
  }

  async explain(idOrAddress: string | ConnectionAddress, options?: ExplainOptions): Promise<Explanation> {
    const inside = this.#opened()
    const { explainConnection } = await import('./explain.ts')
    return explainConnection(inside, idOrAddress, options)
  }

  async *eachConnection(filter: Partial<ConnectionAddress> = {}): AsyncGenerator<Connection> {
    assertAddress(filter, false)
    const { user, provider, account } = filter
    for (let after: ConnectionRow | undefined; ; ) {
      const { store, tenant, now } = this.#opened()
      const rows = await store.list({ tenant, user, provider, account }, { after, limit: pageSize })
      for (const row of rows) yield toConnection(row, now())
      after = rows.at(-1)
      if (rows.length < pageSize) return
    }
  }

  async survey(): Promise<VaultSurvey> {
    const inside = this.#opened()
    const { surveyVault } = await import('./survey.ts')
    return surveyVault(inside)
  }

  async deviations(provider: string): Promise<ProviderDeviations> {
    const inside = this.#opened()
    assertAddress({ provider }, false)
    const { surveyDeviations } = await import('./deviation-survey.ts')
    return surveyDeviations(inside, provider)
  }

  async save(address: ConnectionAddress, tokens: TokenSet): Promise<Connection> {
    if (!(tokens instanceof TokenSet))
      throw argumentError('vault.save needs a TokenSet: new TokenSet({ accessToken, refreshToken, … }).')
    return this.#beforeClosing((inside) => saveGrant(inside, address, tokens))
  }

  async connectClient(address: ConnectionAddress, options: ConnectClientOptions = {}): Promise<Connection> {
    return this.#beforeClosing((inside) => grantToClient(inside, address, options))
  }

  source(address: ConnectionAddress, options: SourceOptions = {}): TokenSource {
    assertAddress(address, true)
    const { cache, now } = this.#inside
    const { user, provider, account } = address
    const scopes = options.scopes ?? []
    const key = cacheKey(user, provider, account)
    return new ConnectionSource(
      cache,
      key,
      now,
      (tokens) => missingScopes(tokens.scopes, scopes).length === 0,
      (request) => {
        const mark = cache.mark(key)
        const remember = (tokens: TokenSet, until: number) => cache.set(key, tokens, until, mark)
        return this.#opened().reader.read({ user, provider, account }, { ...request, scopes }, remember)
      },
    )
  }

  async token(address: ConnectionAddress, request: VaultTokenRequest = {}): Promise<TokenSet> {
    assertAddress(address, true)
    return this.#opened().reader.read(address, request)
  }

  async refresh(address: ConnectionAddress, options: RefreshOptions = {}): Promise<Refreshed> {
    const row = pick(await this.#rowsAt(address), address.provider)
    if (row === undefined) throw notConnected(address)
    return this.#beforeClosing((inside) => refreshOnce(inside, row, options))
  }

  async refreshDue(options: RefreshDueOptions = {}): Promise<RefreshedDue> {
    assertFreshOptions(options)
    return this.#beforeClosing(({ due }) => due.pass(options))
  }

  keepFresh(options: KeepFreshOptions = {}): KeepFresh {
    assertFreshOptions(options)
    const { due, options: given } = this.#opened()
    const { random = Math.random, sleep } = given
    const parts = { due, random, sleep: sleep ?? pause, idle: sleep ?? idle }
    const keeper: FreshKeeper = new FreshKeeper(parts, options, () => this.#keepers.delete(keeper))
    this.#keepers.add(keeper)
    return keeper
  }

  subscribe(listener: VaultListener): () => void {
    return this.#opened().events.subscribe(listener)
  }

  async disconnect(address: ConnectionAddress, options: DisconnectOptions = {}): Promise<Disconnected> {
    return this.#beforeClosing(async (inside) => {
      const found = pick(await this.#rowsAt(address, true), address.provider)
      const row = found && (await inside.store.markRevoked(found.id))
      if (row === undefined) throw notConnected(address)
      const { id, user, provider, account } = row
      return inside.audit.change(
        { action: 'disconnect', user, connections: [{ id, provider, account }] },
        () => disconnectRow(inside, row, options),
        ({ revoked, confirmed }) => ({
          detail: { revoked, ...(confirmed === undefined ? {} : { confirmed }) },
        }),
      )
    })
  }

  async forget(user: string, options?: ForgetOptions): Promise<Forgotten> {
    return this.#beforeClosing(async (inside) => {
      const { forgetUser } = await import('./forget.ts')
      return forgetUser(inside, user, options)
    })
  }

  registration(providerId: string): Promise<Registration> {
    return this.#inside.registration(providerId)
  }

  async putPending(pending: PendingAuthorization): Promise<void> {
    await this.#opened().pending.put(pending)
  }

  async takePending(state: string): Promise<PendingAuthorization | undefined> {
    return this.#opened().pending.take(state)
  }

  async finish(callback: string | URL | URLSearchParams, options: FinishOptions = {}): Promise<Connection> {
    return this.#beforeClosing((inside) => finishAuthorization(inside, callback, options))
  }

  async export(options: ExportOptions): Promise<Exported> {
    const { exportConnections } = await import('./export.ts')
    return this.#beforeClosing((inside) => exportConnections(inside, options))
  }

  async import(source: string | Uint8Array, options: ImportOptions = {}): Promise<Imported> {
    const { importConnections } = await import('./import.ts')
    return this.#beforeClosing((inside) => importConnections(inside, source, options))
  }

  get audit(): AuditLog {
    return this.#inside.audit
  }

  get keys(): VaultKeys {
    return this.#keys
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { refresher, due, use, events, audit, cache, sealed, store } = this.#inside
    this.#keys.close()
    const stopping = [...this.#keepers].map((keeper) => keeper.stop())
    await Promise.allSettled([...stopping, due.close(), refresher.close(), use.close(), ...this.#changing])
    await events.close()
    await audit.close()
    cache.clear()
    sealed.forgetAll()
    await store.close()
  }

  /** Runs a change that closing waits for. */
  async #beforeClosing<T>(change: (inside: Interior) => Promise<T>): Promise<T> {
    const changing = change(this.#opened())
    this.#changing.add(changing)
    try {
      return await changing
    } finally {
      this.#changing.delete(changing)
    }
  }

  #opened(): Interior {
    if (this.#closing !== undefined)
      throw new StoreError('closed', 'The vault is closed. Open it again with Vault.open().')
    return this.#inside
  }

  #rowsAt(
    address: ConnectionAddress,
    withRevoked = false,
  ): Promise<readonly ConnectionRow[]> | readonly ConnectionRow[] {
    assertAddress(address, true)
    const { user, provider, account } = address
    const { store, tenant } = this.#opened()
    const rows = store.list({ tenant, user, provider, account })
    if (withRevoked) return rows
    return rows instanceof Promise ? rows.then(unrevoked) : unrevoked(rows)
  }
}
