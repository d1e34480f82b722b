// The refresh protocol: one refresh per connection at a time, in this process and in all others on the store.
// The steps are those of docs/vault.md, "Refresh".
import { RefreshFailedError, StoreError } from '../errors.ts'
import type { Registration, TokenSet } from '../oauth/index.ts'
import { needsReconnect, notConnected } from './connection-errors.ts'
import { type Attempt, RefreshAttempt, type RefreshParts, savedWithin } from './refresh-attempt.ts'
import { pauseLeftMs } from './refresh-failure.ts'
import type { ConnectionRow, TokenRow } from './store.ts'

export type { RefreshParts } from './refresh-attempt.ts'

/** How long callers without a valid token sit out a provider's hiccup, in milliseconds, and how often it may fail. */
const patienceMs = 5000
const patientFailures = 3

/** Refreshes connections of one vault. */
export class Refresher {
  readonly #parts: RefreshParts
  /** Refreshes under way in this process, by connection id: everybody waits for the same one. */
  readonly #running = new Map<string, Promise<TokenSet>>()
  /** Answers that the store has not taken yet, by connection id. */
  readonly #saving = new Map<string, Promise<TokenSet | undefined>>()
  readonly #closing = new AbortController()

  /** @param parts what it works with. */
  constructor(parts: RefreshParts) {
    this.#parts = parts
  }

  /**
   * A newer token set than the row's, or valid tokens that somebody else saved meanwhile. Several callers share one
   * refresh, so no caller can stop it.
   *
   * @throws {AuthorizationRequiredError} the grant is dead, or gone; {@link RefreshFailedError}; ConfigurationError
   *   when our registration is missing; StoreError; KeyError.
   */
  refresh(row: TokenRow): Promise<TokenSet> {
    const running = this.#running.get(row.id)
    if (running !== undefined) return running
    const started = this.#run(row).finally(() => this.#running.delete(row.id))
    this.#running.set(row.id, started)
    return started
  }

  /** Starts a refresh that nobody waits for, unless one is running or the provider is to be left alone. */
  refreshInBackground(row: TokenRow): void {
    if (this.#running.has(row.id) || pauseLeftMs(row.retryAt, this.#parts.now()) > 0) return
    this.refresh(row).catch(() => {
      // Told to the operator as an event; the next caller gets the error if it still matters then.
    })
  }

  /** Stops waiting for other processes, and waits for the requests that are under way: their answers must be saved. */
  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.allSettled([...this.#running.values(), ...this.#saving.values()])
  }

  async #run(first: TokenRow): Promise<TokenSet> {
    const { store, sealed, now } = this.#parts
    const registration = await this.#parts.registration(first.provider)
    if (registration.provider.refresh === 'none') throw needsReconnect(first, 'not_renewable', [])
    const started = now()
    let seen = first.generation
    let failure: RefreshFailedError | undefined
    let failed = 0
    for (let turn = 0; ; turn += 1) {
      this.#assertOpen()
      const [row, newer] = await sealed.reading(async () => {
        const found = usable(await store.get(first.id), first)
        return [found, this.#newerTokens(found, seen)] as const
      })
      if (newer !== undefined) return newer
      seen = row.generation
      const saving = this.#saving.get(row.id)
      const pauseMs = pauseLeftMs(row.retryAt, now())
      if (saving !== undefined) await savedWithin(saving, this.#parts, this.#closing.signal)
      else if (pauseMs > 0) await this.#sitOut(row, pauseMs, started, failure)
      else if (failed >= patientFailures) throw stillFailing(row, pauseMs, failure)
      else {
        const attempt = await this.#attempt(row, registration)
        if (attempt !== undefined && 'tokens' in attempt) return attempt.tokens
        if (attempt !== undefined && 'failure' in attempt) {
          failure = attempt.failure
          failed += 1
        }
        if (attempt !== undefined && 'taken' in attempt) await this.#waitForOther(row, started, turn)
      }
    }
  }

  /** Takes the lease and refreshes, unless it is taken. */
  async #attempt(row: ConnectionRow, registration: Registration): Promise<Attempt | { taken: true }> {
    const { store, leaseMs } = this.#parts
    const owner = globalThis.crypto.randomUUID()
    const leased = await store.acquireLease(row.id, row.generation, owner, leaseMs)
    if (leased === undefined) return { taken: true }
    const attempt = new RefreshAttempt(this.#parts, leased, owner, registration, this.#closing.signal)
    return attempt.run((saving) => this.#remember(row.id, saving))
  }

  /** Another process is refreshing: look again in a moment, soon at first. */
  async #waitForOther(row: ConnectionRow, started: number, turn: number): Promise<void> {
    const { waitMs, now, random, sleep } = this.#parts
    if (now() - started > waitMs) throw stillWaiting(row, waitMs)
    await sleep(Math.min(250, 15 * 1.5 ** turn) * (0.5 + random()), this.#closing.signal)
  }

  #remember(id: string, saving: Promise<TokenSet | undefined>): void {
    const forget = () => {
      if (this.#saving.get(id) === saving) this.#saving.delete(id)
    }
    this.#saving.set(id, saving)
    saving.then(forget, forget)
  }

  /** A short pause is waited for; a longer outage is the caller's to know about. */
  async #sitOut(
    row: ConnectionRow,
    pauseMs: number,
    started: number,
    failure: RefreshFailedError | undefined,
  ): Promise<void> {
    const { now, sleep } = this.#parts
    const passing = row.reason !== 'client_refused' && row.failures < patientFailures
    if (!passing || now() + pauseMs - started > patienceMs) throw stillFailing(row, pauseMs, failure)
    await sleep(pauseMs, this.#closing.signal)
  }

  /** What somebody else saved since, if it is any good. */
  #newerTokens(row: ConnectionRow, seen: number): TokenSet | undefined {
    if (row.generation === seen) return undefined
    const tokens = this.#parts.sealed.open(row)
    return tokens.validFor(0, this.#parts.now()) ? tokens : undefined
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted)
      throw new StoreError('closed', 'The vault is closed. Open it again with Vault.open().')
  }
}

/** The row as it is now, if it can still be refreshed. */
function usable(row: ConnectionRow | undefined, before: TokenRow): ConnectionRow {
  if (row === undefined || row.status === 'revoked') throw notConnected(before)
  if (row.status === 'needs_reconnect')
    throw needsReconnect(row, row.reason ?? 'refused', JSON.parse(row.scopes))
  return row
}

function stillWaiting({ provider }: ConnectionRow, waitMs: number): RefreshFailedError {
  return new RefreshFailedError(
    `Another process has been refreshing the access token for ${provider} for more than ${waitMs} ms. The grant is kept; try again.`,
    { retryable: true },
  )
}

function stillFailing(
  { provider, reason, failures }: ConnectionRow,
  pauseMs: number,
  failure: RefreshFailedError | undefined,
): RefreshFailedError {
  const seconds = Math.max(1, Math.ceil(pauseMs / 1000))
  const last = failure === undefined ? `The last attempt failed: ${reason ?? 'unknown'}.` : failure.message
  return new RefreshFailedError(
    `The access token for ${provider} cannot be refreshed for now (failures in a row: ${failures}). The grant is kept; the next attempt is due in ${seconds} s. ${last}`,
    { retryable: reason !== 'client_refused', retryAfterSeconds: seconds, cause: failure },
  )
}
