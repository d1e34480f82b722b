// One refresh under a lease: intent, request, save. RFC 6749 section 6; a refresh token may be good for one use only
// (RFC 9700 section 4.14.2), so it is never spent before that is written down, and its answer is never let go unsaved.
import { RefreshFailedError, StoreError } from '../errors.ts'
import { type Registration, refreshFailure, type TokenSet } from '../oauth/index.ts'
import { fingerprint } from '../seal.ts'
import { needsReconnect, notConnected } from './connection-errors.ts'
import type { VaultEvent } from './event.ts'
import { backOffMs, diagnose } from './refresh-failure.ts'
import type { SealedTokens } from './sealed-tokens.ts'
import type { ConnectionRow, Store } from './store.ts'

/** What refreshing needs from the vault. Clock, randomness and waiting are given, so that a simulation can drive them. */
export interface RefreshParts {
  store: Store
  sealed: SealedTokens
  /** Our registration at a provider. */
  registration: (providerId: string) => Promise<Registration>
  /** Finds out where to send it, which may take a request of its own: done before the intent, not between it and the request. */
  prepare: (registration: Registration) => Promise<Registration>
  /** Sends one refresh request. It must end by itself: nothing else stops it. */
  refresh: (registration: Registration, tokens: TokenSet) => Promise<TokenSet>
  /** Takes tokens that arrived after their connection was disconnected: they must not live on. */
  abandon: (registration: Registration, tokens: TokenSet) => Promise<void>
  emit: (type: VaultEvent['type'], row: ConnectionRow, error?: unknown) => void
  /** Milliseconds since 1970. */
  now: () => number
  /** 0 to 1. */
  random: () => number
  /** Resolves after that time, or when the signal aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** How long a lease lasts unless it is extended, in milliseconds. */
  leaseMs: number
  /** How long callers wait for another process's refresh, in milliseconds. */
  waitMs: number
}

/** How an attempt ended: with tokens; with a failure that may be tried again; or `undefined`: look at the row again. */
export type Attempt = { tokens: TokenSet } | { failure: RefreshFailedError } | undefined

/** How long callers wait for a full or locked store to take an answer, in milliseconds. The vault goes on trying. */
const saveLimitMs = 5000
/** Longest pause after the provider refused us: an operator who has mended it should not wait. */
const longestPauseForUsMs = 30_000

/** A refresh whose lease this process holds. */
export class RefreshAttempt {
  readonly #parts: RefreshParts
  readonly #row: ConnectionRow
  readonly #owner: string
  readonly #registration: Registration
  readonly #closing: AbortSignal

  /** @param row as the lease was given on it. @param closing ends the vault's waiting, never a request. */
  constructor(
    parts: RefreshParts,
    row: ConnectionRow,
    owner: string,
    registration: Registration,
    closing: AbortSignal,
  ) {
    this.#parts = parts
    this.#row = row
    this.#owner = owner
    this.#registration = registration
    this.#closing = closing
  }

  /**
   * Runs it.
   *
   * @param onSaving is handed the saving of an answer, which goes on in the background when the store is not able to.
   * @throws {AuthorizationRequiredError} the grant is dead; {@link RefreshFailedError} somebody has to mend something;
   *   {@link StoreError} {@link KeyError}.
   */
  async run(onSaving: (saving: Promise<TokenSet | undefined>) => void): Promise<Attempt> {
    const stopKeeping = this.#keepLease()
    let fresh: TokenSet | undefined
    try {
      const { sealed } = this.#parts
      const before = await sealed.reading(() => sealed.open(this.#row))
      const sent = await this.#send(before)
      if (sent === undefined || 'failure' in sent) return sent
      fresh = sent.tokens
    } catch (error) {
      await this.#release()
      throw error
    } finally {
      if (fresh === undefined) stopKeeping()
    }
    const saving = this.#saveUntilDone(fresh).finally(stopKeeping)
    onSaving(saving)
    const saved = await savedWithin(saving, this.#parts, this.#closing)
    return saved === undefined ? undefined : { tokens: saved }
  }

  async #send(before: TokenSet): Promise<Attempt> {
    const { store, leaseMs, prepare, refresh } = this.#parts
    const { id, generation, intentHash } = this.#row
    const hash = fingerprint(before.refreshToken ?? '')
    let registration: Registration
    try {
      registration = await prepare(this.#registration)
    } catch (error) {
      return this.#failed(error, before, intentHash === hash)
    }
    if (!(await store.writeIntent(id, this.#owner, generation, hash, leaseMs))) {
      await this.#release()
      return undefined
    }
    try {
      return { tokens: await refresh(registration, before) }
    } catch (error) {
      return this.#failed(error, before, intentHash === hash)
    }
  }

  /** @param interrupted an earlier owner spent the same refresh token, and nobody knows with what outcome. */
  async #failed(error: unknown, before: TokenSet, interrupted: boolean): Promise<Attempt> {
    const { kind, reason, retryAfterSeconds } = diagnose(error)
    if (kind === 'dead') return this.#dead(error, interrupted ? 'interrupted' : reason)
    const { store, random, emit } = this.#parts
    const { id, generation, failures, provider } = this.#row
    const failure = refreshFailure(error, this.#registration.provider, before)
    const pauseMs = kind === 'ours' ? longestPauseForUsMs : Number.POSITIVE_INFINITY
    const retryInMs = Math.min(pauseMs, backOffMs(failures, retryAfterSeconds, random))
    const uncertain = kind === 'uncertain' || interrupted
    await store.recordFailure(id, this.#owner, generation, { reason, retryInMs, uncertain })
    emit('refresh_failed', { ...this.#row, reason }, failure)
    if (kind === 'transient' && !(failure instanceof RefreshFailedError))
      return {
        failure: new RefreshFailedError(`${provider} cannot be reached.`, { cause: error, retryable: true }),
      }
    if (failure instanceof RefreshFailedError && failure.retryable) return { failure }
    throw failure
  }

  /** The store marks the grant only while the row is ours and unchanged; else somebody saved newer tokens meanwhile. */
  async #dead(error: unknown, reason: string): Promise<Attempt> {
    const { store, emit } = this.#parts
    const row = this.#row
    if (!(await store.markNeedsReconnect(row.id, this.#owner, row.generation, reason))) {
      await this.#release()
      return undefined
    }
    const failure = needsReconnect(row, reason, JSON.parse(row.scopes), error)
    emit('needs_reconnect', { ...row, status: 'needs_reconnect', reason }, failure)
    throw failure
  }

  /** Saves, however long the store is unable to; ends when the answer is saved, superseded or unwanted. */
  async #saveUntilDone(tokens: TokenSet): Promise<TokenSet | undefined> {
    for (let pauseMs = 25; ; pauseMs = Math.min(pauseMs * 2, 2000)) {
      try {
        return await this.#save(tokens)
      } catch (error) {
        if (!(error instanceof StoreError) || error.code === 'closed') throw error
        if (pauseMs === 25) this.#parts.emit('refresh_failed', this.#row, error)
        if (this.#closing.aborted) throw error
        await this.#parts.sleep(pauseMs, this.#closing)
      }
    }
  }

  async #save(tokens: TokenSet): Promise<TokenSet | undefined> {
    const { store, sealed, abandon } = this.#parts
    let base = this.#row
    for (;;) {
      const { id, generation } = base
      const grant = await sealed.writing(async () => {
        const made = sealed.seal({ ...base, generation: generation + 1 }, tokens)
        return (await store.saveTokens(id, this.#owner, generation, made)) ? made : undefined
      })
      if (grant !== undefined) {
        this.#saved({ ...base, ...grant })
        return tokens
      }
      const current = await store.get(base.id)
      if (current === undefined || current.status === 'revoked') {
        await abandon(this.#registration, tokens)
        throw notConnected(base)
      }
      if (!this.#isNewerThan(current, tokens)) {
        await this.#release()
        return undefined
      }
      base = current
    }
  }

  /** Of two answers to one refresh token the later counts; a new consent counts more than any refresh of the old grant. */
  #isNewerThan(current: ConnectionRow, tokens: TokenSet): boolean {
    return current.grantedAt === this.#row.grantedAt && tokens.receivedAt.getTime() > current.receivedAt
  }

  #saved(saved: ConnectionRow): void {
    const { emit } = this.#parts
    const row: ConnectionRow = { ...saved, generation: saved.generation + 1, status: 'active', reason: null }
    emit('refreshed', row)
    if (row.scopes !== this.#row.scopes) emit('scope_changed', row)
  }

  /** Extends the lease while the request is under way, until the returned function is called. */
  #keepLease(): () => void {
    const stop = new AbortController()
    void this.#extendUntil(stop.signal)
    return () => stop.abort()
  }

  async #extendUntil(stop: AbortSignal): Promise<void> {
    const { store, sleep, leaseMs } = this.#parts
    for (let held = true; held; ) {
      await sleep(leaseMs / 3, stop)
      if (stop.aborted) return
      try {
        held = await store.extendLease(this.#row.id, this.#owner, leaseMs)
      } catch {
        // A store that is locked or full may be able to at the next turn.
      }
    }
  }

  /** Best effort: a lease that is not freed ends by itself. */
  async #release(): Promise<void> {
    try {
      await this.#parts.store.releaseLease(this.#row.id, this.#owner)
    } catch {
      // The store's own trouble is what the caller hears of.
    }
  }
}

/**
 * Waits for an answer to be saved, for a limited time: nobody sees tokens that are not durable.
 *
 * @throws {StoreError} `store_unavailable` when the store takes longer; saving goes on.
 */
export async function savedWithin(
  saving: Promise<TokenSet | undefined>,
  { sleep }: Pick<RefreshParts, 'sleep'>,
  closing: AbortSignal,
): Promise<TokenSet | undefined> {
  const done = new AbortController()
  const limit = sleep(saveLimitMs, AbortSignal.any([done.signal, closing])).then(() => {
    if (closing.aborted) return saving
    throw new StoreError(
      'store_unavailable',
      'A refreshed token was received but cannot be stored. It is kept in memory and tried again: mend the store (space, permissions) before this process ends.',
    )
  })
  try {
    return await Promise.race([saving, limit])
  } finally {
    done.abort()
    limit.catch(() => {})
  }
}
