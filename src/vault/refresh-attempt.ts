// One refresh under a lease: intent, request, outcome. RFC 6749 section 6; a refresh token may be good for one use only
// (RFC 9700 section 4.14.2), so it is never spent before that is written down, and its answer is never let go unsaved.
import { RefreshFailedError } from '../errors.ts'
import { type Registration, refreshFailure, type TokenSet } from '../oauth/index.ts'
import { fingerprint } from '../seal.ts'
import { needsReconnect } from './connection-errors.ts'
import { failureWords } from './failure-words.ts'
import { historyNote } from './history-note.ts'
import type { Pass } from './provider-gate.ts'
import { mayBeSpentTwice, RefreshAnswer, storedWithin, takeoverMs, untilStored } from './refresh-answer.ts'
import { backOffMs, diagnose, diagnoseUnsent } from './refresh-failure.ts'
import type { RefreshLease } from './refresh-lease.ts'
import type { RefreshParts } from './refresh-parts.ts'
import { isSpentByUse, spentSecret } from './spent-secret.ts'
import type { ConnectionRow } from './store.ts'

/** How an attempt ended: with tokens; with a failure that may be tried again; or `undefined`: look at the row again. */
export type Attempt = { tokens: TokenSet } | { failure: RefreshFailedError } | undefined

/** Longest pause after the provider refused us: an operator who has mended it should not wait. */
const longestPauseForUsMs = 30_000

/** What came of a request, before the store knows. */
type Outcome = { answer: RefreshAnswer } | { error: unknown; wasSent: boolean } | undefined

/** Grants that this process heard were refused, and could not say so: nobody asks again. Bounded. */
export class RefusedGrants {
  readonly #refused = new Map<string, { generation: number; error: unknown }>()

  /** Remembers a refusal. */
  add({ id, generation }: ConnectionRow, error: unknown): void {
    const [oldest] = this.#refused.keys()
    if (this.#refused.size >= 1000 && oldest !== undefined) this.#refused.delete(oldest)
    this.#refused.set(id, { generation, error })
  }

  /** The refusal of that very generation, once. */
  take({ id, generation }: ConnectionRow): { error: unknown } | undefined {
    const found = this.#refused.get(id)
    if (found === undefined) return undefined
    this.#refused.delete(id)
    return found.generation === generation ? found : undefined
  }
}

/** What an attempt has of the run that it belongs to. */
export interface AttemptSurroundings {
  refused: RefusedGrants
  /** Ends the vault's waiting, never a request. */
  closing: AbortSignal
}

/** A refresh whose lease this process holds. */
export class RefreshAttempt {
  readonly #parts: RefreshParts
  readonly #lease: RefreshLease
  readonly #registration: Registration
  readonly #refused: RefusedGrants
  readonly #closing: AbortSignal

  constructor(
    parts: RefreshParts,
    lease: RefreshLease,
    registration: Registration,
    { refused, closing }: AttemptSurroundings,
  ) {
    this.#parts = parts
    this.#lease = lease
    this.#registration = registration
    this.#refused = refused
    this.#closing = closing
  }

  /**
   * Runs it.
   *
   * @param pass is left as soon as the provider has answered, or has not.
   * @param onStoring is handed the storing of the outcome, which goes on in the background when the store is not able to.
   * @throws {AuthorizationRequiredError} the grant is dead; {@link RefreshFailedError} somebody has to mend something;
   *   {@link StoreError} {@link KeyError}.
   */
  async run(pass: Pass, onStoring: (storing: Promise<Attempt>) => void): Promise<Attempt> {
    const { sealed } = this.#parts
    const lease = this.#lease
    let spent: TokenSet
    let outcome: Outcome
    try {
      spent = await sealed.reading(() => sealed.open(lease.row))
      const refusal = this.#refused.take(lease.row)
      outcome = refusal === undefined ? await this.#send(spent, pass) : { ...refusal, wasSent: true }
    } catch (error) {
      await lease.release()
      throw error
    }
    if (outcome === undefined) {
      await lease.release()
      return lease.wasTooLate ? { failure: this.#tooLate() } : undefined
    }
    const storing = this.#store(outcome, spent).finally(() => lease.stop())
    onStoring(storing)
    return storedWithin(storing, this.#parts, this.#closing)
  }

  /** `undefined`: nothing was sent. What it throws is our own trouble, and nothing was sent either. */
  async #send(spent: TokenSet, pass: Pass): Promise<Outcome> {
    const { prepare, refresh } = this.#parts
    const lease = this.#lease
    let registration: Registration
    try {
      registration = await prepare(this.#registration)
    } catch (error) {
      return this.#unanswered(error, pass, false)
    }
    // Its last owner may be alive, with the answer in its hands and a store that was unable to take it.
    if (lease.isTakenOver && this.#wasInterrupted(spent)) await this.#parts.sleep(takeoverMs, this.#closing)
    if (this.#closing.aborted) return undefined
    if (!(await lease.writeIntent(fingerprint(spentSecret(spent))))) return undefined
    try {
      await lease.assertInTime()
      const tokens = await refresh(registration, spent, lease)
      pass.leave('answered')
      return { answer: new RefreshAnswer(this.#parts, lease, this.#registration, spent, tokens) }
    } catch (error) {
      return lease.wasTooLate ? undefined : this.#unanswered(error, pass, true)
    }
  }

  #unanswered(error: unknown, pass: Pass, wasSent: boolean): Outcome {
    const { isProviders, retryAfterSeconds } = diagnose(error)
    pass.leave(isProviders ? 'failed' : 'answered', { retryAfterSeconds, error })
    return { error, wasSent }
  }

  #store(outcome: Exclude<Outcome, undefined>, spent: TokenSet): Promise<Attempt> {
    const { unsaved } = this.#parts
    if ('error' in outcome) return this.#failed(outcome, spent)
    const save = async () => {
      const saved = await outcome.answer.save()
      return saved === undefined ? undefined : { tokens: saved }
    }
    return untilStored(this.#parts, this.#closing, save, (error) => unsaved(this.#lease.row, error))
  }

  async #failed(outcome: { error: unknown; wasSent: boolean }, spent: TokenSet): Promise<Attempt> {
    const { error } = outcome
    const { id, generation, failures } = this.#lease.row
    const interrupted = this.#wasInterrupted(spent)
    const { kind, reason, retryAfterSeconds, isProviders } = outcome.wasSent
      ? diagnose(error)
      : diagnoseUnsent(error)
    const isAboutUs = kind === 'ours' && isProviders
    if (kind === 'dead') return this.#dead(error, interrupted || (await this.#wasSpentTwice(spent)))
    const { store, random, record } = this.#parts
    const { owner, providerTime } = this.#lease
    const failure = refreshFailure(error, this.#registration.provider, spent)
    const pauseMs = isAboutUs ? longestPauseForUsMs : Number.POSITIVE_INFINITY
    const retryInMs = Math.min(pauseMs, backOffMs(failures, retryAfterSeconds, random))
    const uncertain = kind === 'uncertain' || interrupted
    const note = historyNote('refresh_failed', {
      ...failureWords(error),
      ...{ kind, retryInMs },
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      ...(providerTime === undefined ? {} : { answeredAt: providerTime }),
    })
    const recorded = await untilStored(this.#parts, this.#closing, () =>
      record({ type: 'refresh_failed', id, generation, error: failure }, async () => {
        const written = { reason, retryInMs, uncertain }
        if (!(await store.recordFailure(id, owner, generation, written, note))) return undefined
        const retryAt = store.now() + retryInMs
        return { ...this.#lease.row, reason, failures: failures + 1, retryAt, dueAt: retryAt }
      }),
    )
    if (recorded === undefined) await this.#lease.release()
    if (failure instanceof RefreshFailedError && failure.retryable) return { failure }
    if (kind === 'transient') return { failure: this.#unreachable(error) }
    throw failure
  }

  /** The store marks the grant only while the row is ours and unchanged; else somebody saved newer tokens meanwhile. */
  async #dead(error: unknown, wasInterrupted: boolean): Promise<Attempt> {
    const { store, record } = this.#parts
    const { row, owner } = this.#lease
    const { id, generation } = row
    const reason = wasInterrupted ? 'interrupted' : diagnose(error).reason
    const failure = needsReconnect(row, reason, JSON.parse(row.scopes), error)
    const note = historyNote('needs_reconnect', {
      error: '',
      ...failureWords(error),
      ...{ interrupted: wasInterrupted, origin: store.origin },
    })
    const marked = await untilStored(this.#parts, this.#closing, () =>
      record({ type: 'needs_reconnect', id, generation, error: failure }, async () => {
        if (!(await store.markNeedsReconnect(id, owner, generation, reason, note))) return undefined
        return { ...row, status: 'needs_reconnect', reason }
      }),
    )
    if (marked !== undefined) throw failure
    this.#refused.add(row, error)
    await this.#lease.release()
    await this.#noteDoubt()
    return undefined
  }

  /**
   * A refresh token was sent that another process had replaced by then: the provider may have ended the grant for it. An
   * intent left on the newer tokens says so to whoever is refused with them. Best effort: only the word depends on it.
   */
  async #noteDoubt(): Promise<void> {
    const { store, sealed, leaseMs } = this.#parts
    const { row, owner } = this.#lease
    try {
      const current = await store.get(row.id)
      if (current === undefined || current.generation === row.generation) return
      if (current.grantedAt !== row.grantedAt) return
      const leased = await store.acquireLease(row.id, current.generation, owner, leaseMs)
      if (leased === undefined) return
      const hash = fingerprint(spentSecret(await sealed.reading(() => sealed.open(leased))))
      await store.writeIntent(row.id, owner, leased.generation, hash, leaseMs)
    } catch {
      // The store's trouble: the next refusal then reads as any other.
    } finally {
      await this.#lease.release()
    }
  }

  /** Somebody spent the same refresh token before, and nobody knows with what outcome; where that can do harm. */
  #wasInterrupted(spent: TokenSet): boolean {
    const { refreshTokenRotation } = this.#registration.provider
    const isHarmful = refreshTokenRotation !== false && isSpentByUse(spent)
    return isHarmful && this.#lease.row.intentHash === fingerprint(spentSecret(spent))
  }

  /** The refused token replaced one that two processes may have spent. */
  async #wasSpentTwice(spent: TokenSet): Promise<boolean> {
    if (!isSpentByUse(spent)) return false
    try {
      return await mayBeSpentTwice(this.#parts.store, this.#lease.row)
    } catch {
      return false
    }
  }

  #unreachable(cause: unknown): RefreshFailedError {
    const { provider } = this.#lease.row
    return new RefreshFailedError(`${provider} cannot be reached. The grant is kept; try again later.`, {
      cause,
      retryable: true,
    })
  }

  #tooLate(): RefreshFailedError {
    return new RefreshFailedError(
      `The refresh for ${this.#lease.row.provider} was not sent: this process stood still for too long before it. The grant is kept; try again.`,
      { retryable: true },
    )
  }
}
