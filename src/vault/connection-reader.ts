// Reads the token set of a connection: from the store, renewed first when it has to be.
import { AuthorizationRequiredError, RefreshFailedError } from '../errors.ts'
import { type TokenRequest, type TokenSet, waitFor } from '../oauth/index.ts'
import type { ConnectionAddress } from './connection.ts'
import { ambiguousAccount, missingScope, needsReconnect, notConnected } from './connection-errors.ts'
import { missingScopes, unionScopes } from './granted-scopes.ts'
import type { Refresher } from './refresh.ts'
import type { SealedTokens } from './sealed-tokens.ts'
import type { ConnectionRow, Store } from './store.ts'
import { cacheKey, type TokenCache } from './token-cache.ts'

/** What the caller of `vault.token` needs. */
export interface VaultTokenRequest extends TokenRequest {
  /** Scopes that the token must cover. Default: whatever was granted. */
  scopes?: readonly string[] | undefined
}

/** What a {@link ConnectionReader} works with. */
export interface ReaderParts {
  store: Store
  tenant: string
  sealed: SealedTokens
  cache: TokenCache
  refresher: Refresher
  /** Milliseconds since 1970. */
  now: () => number
}

/** Serves token sets out of the store. */
export class ConnectionReader {
  readonly #parts: ReaderParts

  constructor(parts: ReaderParts) {
    this.#parts = parts
  }

  /** `vault.token`, with no more awaits than the store needs: with SQLite and a live token, none. */
  read(address: ConnectionAddress, request: VaultTokenRequest): TokenSet | Promise<TokenSet> {
    request.signal?.throwIfAborted()
    const { user, provider, account } = address
    const rows = this.#parts.store.list({ tenant: this.#parts.tenant, user, provider, account })
    if (rows instanceof Promise) return rows.then((found) => this.#serve(found, address, request))
    return this.#serve(rows, address, request)
  }

  #serve(
    rows: readonly ConnectionRow[],
    address: ConnectionAddress,
    request: VaultTokenRequest,
  ): TokenSet | Promise<TokenSet> {
    const row = pick(unrevoked(rows), address)
    if (row === undefined) throw notConnected(address, request.scopes)
    if (row.status !== 'active') throw needsReconnect(row, row.reason ?? 'refused', request.scopes)
    const tokens = this.#parts.sealed.open(row)
    assertGranted(row, tokens, request)
    const now = this.#parts.now()
    if (tokens.accessToken === request.rejected || !lastsLongEnough(tokens, request, now))
      return this.#renew(row, tokens, address, request)
    if (row.refreshDueAt !== null && row.refreshDueAt <= now) this.#parts.refresher.refreshInBackground(row)
    else this.#remember(address, tokens)
    return tokens
  }

  async #renew(
    row: ConnectionRow,
    tokens: TokenSet,
    address: ConnectionAddress,
    request: VaultTokenRequest,
  ): Promise<TokenSet> {
    const { rejected, scopes, signal } = request
    const usable = tokens.accessToken !== rejected && tokens.validFor(0, this.#parts.now())
    if (tokens.refreshToken === undefined) {
      if (usable) return tokens
      throw needsReconnect(row, tokens.accessToken === rejected ? 'rejected' : 'expired', scopes)
    }
    if (usable && (row.retryAt ?? 0) > this.#parts.now()) return tokens
    try {
      const fresh = await this.#freshTokens(row, request)
      assertGranted(row, fresh, request)
      this.#remember(address, fresh)
      return fresh
    } catch (error) {
      if (signal?.aborted === true) throw error
      if (error instanceof AuthorizationRequiredError) throw withScopes(error, scopes)
      if (usable) return tokens
      throw error
    }
  }

  /** A token set that is not the rejected one: a second turn when the first only found what another process had saved. */
  async #freshTokens(row: ConnectionRow, { rejected, signal }: VaultTokenRequest): Promise<TokenSet> {
    const fresh = await waitFor(this.#parts.refresher.refresh(row), signal)
    if (fresh.accessToken !== rejected) return fresh
    const current = await this.#parts.store.get(row.id)
    if (current === undefined) throw notConnected(row)
    const again = await waitFor(this.#parts.refresher.refresh(current), signal)
    if (again.accessToken !== rejected) return again
    throw new RefreshFailedError(
      `${row.provider} answers a refresh with the same access token that the API refused. Check the scopes and the account that is connected.`,
      { retryable: false },
    )
  }

  #remember({ user, provider, account }: ConnectionAddress, tokens: TokenSet): void {
    const until = this.#parts.sealed.dueAt(tokens) ?? tokens.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY
    this.#parts.cache.set(cacheKey(user, provider, account), tokens, until)
  }
}

/** Without the rows that are being disconnected. */
export function unrevoked(rows: readonly ConnectionRow[]): readonly ConnectionRow[] {
  return rows.every(({ status }) => status !== 'revoked')
    ? rows
    : rows.filter(({ status }) => status !== 'revoked')
}

/** The account that is meant: the one named; else the only one; else the one labelled `default`. */
export function pick(rows: readonly ConnectionRow[], address: ConnectionAddress): ConnectionRow | undefined {
  if (rows.length <= 1) return rows[0]
  const labelled = rows.find(({ account }) => account === 'default')
  if (labelled !== undefined) return labelled
  throw ambiguousAccount(
    address.provider,
    rows.map(({ account }) => account),
  )
}

function assertGranted(row: ConnectionRow, tokens: TokenSet, { scopes }: VaultTokenRequest): void {
  if (scopes === undefined || scopes.length === 0) return
  const missing = missingScopes(tokens.scopes, scopes)
  if (missing.length > 0) throw missingScope(row, tokens.scopes, missing)
}

/** Nobody can ask for more than four fifths of a token's lifetime: that would be a refresh for every call. */
function lastsLongEnough(tokens: TokenSet, { validForSeconds }: VaultTokenRequest, now: number): boolean {
  if (validForSeconds === undefined || tokens.expiresAt === null) return tokens.validFor(0, now)
  const lifetimeSeconds = (tokens.expiresAt.getTime() - tokens.receivedAt.getTime()) / 1000
  return tokens.validFor(Math.min(validForSeconds, Math.max(0, lifetimeSeconds * 0.8)), now)
}

/** The same error, asking for what this caller needs as well: several callers share one refresh. */
function withScopes(
  error: AuthorizationRequiredError,
  scopes: readonly string[] | undefined,
): AuthorizationRequiredError {
  const { code, message, provider, account } = error
  if (scopes === undefined || code === 'missing_scope') return error
  return new AuthorizationRequiredError(
    code as 'not_connected' | 'needs_reconnect',
    message,
    { provider, scopes: unionScopes(error.scopes, scopes), ...(account === undefined ? {} : { account }) },
    { cause: error.cause },
  )
}
