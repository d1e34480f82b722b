// Reads the token set of a connection: from the store, renewed first when it has to be.
import { AuthorizationRequiredError, RefreshFailedError } from '../errors.ts'
import { isRenewable, type TokenRequest, type TokenSet, waitFor } from '../oauth/index.ts'
import type { ConnectionAddress } from './connection.ts'
import { ambiguousAccount, missingScope, needsReconnect, notConnected } from './connection-errors.ts'
import { missingScopes, unionScopes } from './granted-scopes.ts'
import type { RecentUse } from './recent-use.ts'
import type { Refresher } from './refresh.ts'
import { pauseLeftMs } from './refresh-failure.ts'
import type { SealedTokens } from './sealed-tokens.ts'
import type { Store, TokenRow } from './store.ts'

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
  refresher: Refresher
  use: RecentUse
  /** Milliseconds since 1970. */
  now: () => number
}

interface Wanted {
  address: ConnectionAddress
  request: VaultTokenRequest
  onFresh: ((tokens: TokenSet, until: number) => void) | undefined
}

/** Serves token sets out of the store. */
export class ConnectionReader {
  readonly #parts: ReaderParts

  constructor(parts: ReaderParts) {
    this.#parts = parts
  }

  /**
   * `vault.token`, with no more awaits than the store needs: with SQLite and a live token, none.
   *
   * @param onFresh is handed a token set that needs no renewal yet, and until when.
   */
  read(
    address: ConnectionAddress,
    request: VaultTokenRequest,
    onFresh?: (tokens: TokenSet, until: number) => void,
  ): TokenSet | Promise<TokenSet> {
    request.signal?.throwIfAborted()
    const wanted = { address, request, onFresh }
    return this.#parts.sealed.reading(() => this.#find(wanted))
  }

  #find(wanted: Wanted): TokenSet | Promise<TokenSet> {
    const { store, tenant } = this.#parts
    const { user, provider, account } = wanted.address
    const rows = store.find(tenant, user, provider, account)
    return rows instanceof Promise
      ? rows.then((found) => this.#serve(found, wanted))
      : this.#serve(rows, wanted)
  }

  #serve(rows: readonly TokenRow[], wanted: Wanted): TokenSet | Promise<TokenSet> {
    const { address, request } = wanted
    const row = pick(unrevoked(rows), address.provider)
    if (row === undefined) throw notConnected(address, request.scopes)
    if (row.status !== 'active') return this.#refuse(row, request)
    const tokens = this.#parts.sealed.open(row)
    assertGranted(row, tokens, request)
    const now = this.#parts.now()
    this.#parts.use.notice(row, now)
    if (tokens.accessToken === request.rejected || !lastsLongEnough(tokens, request, now))
      return this.#renew(row, tokens, wanted)
    if (row.refreshDueAt !== null && row.refreshDueAt <= now) this.#parts.refresher.refreshInBackground(row)
    else this.#tellFresh(tokens, wanted)
    return tokens
  }

  async #refuse(row: TokenRow, { scopes = [] }: VaultTokenRequest): Promise<never> {
    const stored = await this.#parts.store.get(row.id)
    const granted = JSON.parse(stored?.scopes ?? '[]')
    throw needsReconnect(row, stored?.reason ?? 'refused', unionScopes(granted, scopes))
  }

  async #renew(row: TokenRow, tokens: TokenSet, wanted: Wanted): Promise<TokenSet> {
    const { request } = wanted
    const { rejected, scopes = [], signal } = request
    const isUsable = () => tokens.accessToken !== rejected && tokens.validFor(0, this.#parts.now())
    if (!isRenewable(tokens)) {
      if (isUsable()) return tokens
      const reason = tokens.accessToken === rejected ? 'rejected' : 'expired'
      throw needsReconnect(row, reason, unionScopes(tokens.scopes, scopes))
    }
    if (isUsable() && pauseLeftMs(row.retryAt, this.#parts.store.now()) > 0) return tokens
    try {
      const fresh = await this.#freshTokens(row, request)
      assertGranted(row, fresh, request)
      this.#tellFresh(fresh, wanted)
      return fresh
    } catch (error) {
      if (signal?.aborted === true) throw error
      if (error instanceof AuthorizationRequiredError)
        throw withScopes(error, unionScopes(tokens.scopes, scopes))
      // They may have ended while it was waited for.
      if (isUsable()) return tokens
      throw error
    }
  }

  /** A token set that is not the rejected one: a second turn when the first only found what another process had saved. */
  async #freshTokens(row: TokenRow, { rejected, signal }: VaultTokenRequest): Promise<TokenSet> {
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

  #tellFresh(tokens: TokenSet, { onFresh }: Wanted): void {
    onFresh?.(
      tokens,
      this.#parts.sealed.dueAt(tokens) ?? tokens.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY,
    )
  }
}

/** Without the rows that are being disconnected. */
export function unrevoked<Row extends Pick<TokenRow, 'status'>>(rows: readonly Row[]): readonly Row[] {
  return rows.every(isUnrevoked) ? rows : rows.filter(isUnrevoked)
}

function isUnrevoked({ status }: Pick<TokenRow, 'status'>): boolean {
  return status !== 'revoked'
}

/** The account that is meant: the one named; else the only one; else the one labelled `default`. */
export function pick<Row extends Pick<TokenRow, 'account'>>(
  rows: readonly Row[],
  provider: string,
): Row | undefined {
  if (rows.length <= 1) return rows[0]
  const labelled = rows.find(({ account }) => account === 'default')
  if (labelled !== undefined) return labelled
  const accounts = rows.map(({ account }) => account)
  throw ambiguousAccount(provider, accounts)
}

function assertGranted(row: TokenRow, tokens: TokenSet, { scopes }: VaultTokenRequest): void {
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
  scopes: readonly string[],
): AuthorizationRequiredError {
  const { code, message, provider, account } = error
  if (scopes.length === 0 || code === 'missing_scope') return error
  return new AuthorizationRequiredError(
    code as 'not_connected' | 'needs_reconnect',
    message,
    { provider, scopes: unionScopes(error.scopes, scopes), ...(account === undefined ? {} : { account }) },
    { cause: error.cause },
  )
}
