// The refresh of one connection in this process, from "its tokens are old" to newer ones: waits for other processes, sits
// out a hiccup of the provider, tries again. Everybody in this process who needs that connection waits for the same run.
import { RefreshFailedError, StoreError } from '../errors.ts'
import type { Registration, TokenSet } from '../oauth/index.ts'
import { needsReconnect, notConnected } from './connection-errors.ts'
import type { ProviderGate } from './provider-gate.ts'
import { storedWithin } from './refresh-answer.ts'
import { type Attempt, RefreshAttempt, type RefusedGrants } from './refresh-attempt.ts'
import { diagnose, Postponed, pauseLeftMs } from './refresh-failure.ts'
import { RefreshLease } from './refresh-lease.ts'
import type { RefreshParts } from './refresh-parts.ts'
import { Stopwatch } from './stopwatch.ts'
import { type ConnectionRow, longestLeaseMs, type TokenRow } from './store.ts'

/** How long callers without a valid token sit out a provider's hiccup, in milliseconds, and how often it may fail. */
const patienceMs = 5000
const patientFailures = 3

/** One who waits for another process waits for its successor as well, should it die: so many times as long in all. */
const waitsInAll = 2

/** What a refresh is for. */
export interface RefreshWish {
  /** Nobody waits for it: one attempt, after those that somebody waits for, and only if it can begin soon. */
  background?: boolean
  /** Somebody asked for it by hand: the pause after failures is not kept, once. */
  force?: boolean
}

/** What the runs of one process share. */
export interface RunSurroundings {
  parts: RefreshParts
  /** Outcomes that the store has not taken yet, by connection id. */
  storing: Map<string, Promise<Attempt>>
  /** Refusals that the store did not take, because another had the lease by then. */
  refused: RefusedGrants
  /** Aborts when the vault is closed. */
  closing: AbortSignal
}

/** One run. */
export class RefreshRun {
  readonly #first: TokenRow
  readonly #around: RunSurroundings
  readonly #urgency: { background: boolean; force: boolean }
  readonly #gate: ProviderGate
  #seenGeneration: number
  #failure: RefreshFailedError | undefined
  #failed = 0
  /** What failed attempts and the pauses after them have taken so far. */
  #satOutMs = 0
  /** Which other process is waited for, and for how long so far. */
  #other: string | null = null
  #waitedMs = 0
  #waitedInAllMs = 0
  #hasServedEnded = false

  constructor(first: TokenRow, { background = false, force = false }: RefreshWish, around: RunSurroundings) {
    this.#first = first
    this.#around = around
    this.#urgency = { background, force }
    this.#gate = around.parts.gates.at(first.provider)
    this.#seenGeneration = first.generation
  }

  /** Somebody waits for it after all. */
  hurry(): void {
    this.#urgency.background = false
  }

  /** Runs it to its end. */
  async run(): Promise<TokenSet> {
    try {
      return await this.#turns()
    } catch (error) {
      // One that stood still while it waited gives up with the result before its eyes.
      const newer = error instanceof RefreshFailedError ? await this.#lastLook() : undefined
      if (newer === undefined) throw error
      return newer
    }
  }

  async #turns(): Promise<TokenSet> {
    const { parts, storing, closing } = this.#around
    const registration = await parts.registration(this.#first.provider)
    if (registration.provider.refresh === 'none') throw needsReconnect(this.#first, 'not_renewable', [])
    for (let turn = 0; ; turn += 1) {
      if (closing.aborted) throw closedError()
      const [row, newer] = await parts.sealed.reading(() => this.#look())
      if (newer !== undefined) return newer
      this.#seenGeneration = row.generation
      const unstored = storing.get(row.id)
      const pauseMs = this.#pauseMs(row)
      if (unstored !== undefined) await storedWithin(unstored, parts, closing).catch(throwStoreErrors)
      else if (leaseLeftMs(row, parts.store.now()) > 0) await this.#waitForOther(row, turn)
      else if (pauseMs > 0) await this.#sitOut(row, pauseMs)
      else if (this.#hasFailedEnough()) throw this.#stillFailing(row, pauseMs)
      else {
        const begun = new Stopwatch(() => parts.store.now())
        const attempt = await this.#attempt(row, registration, turn)
        if (attempt !== undefined && 'tokens' in attempt) {
          if (this.#isWorthServing(attempt.tokens)) return attempt.tokens
        } else if (attempt !== undefined) this.#note(attempt.failure, begun.elapsedMs)
      }
    }
  }

  /** The row as it is now, and what somebody else saved since, if it is any good. */
  async #look(): Promise<readonly [ConnectionRow, TokenSet | undefined]> {
    const { store, sealed, now } = this.#around.parts
    const row = usable(await store.get(this.#first.id), this.#first)
    if (row.generation === this.#seenGeneration) return [row, undefined]
    const tokens = sealed.open(row)
    return [row, tokens.validFor(0, now()) ? tokens : undefined]
  }

  /** What ended while its saving stood still is renewed once more; a provider that issues what has ended gets no second try. */
  #isWorthServing(tokens: TokenSet): boolean {
    const worth = this.#hasServedEnded || tokens.validFor(0, this.#around.parts.now())
    this.#hasServedEnded = true
    return worth
  }

  #pauseMs({ retryAt }: ConnectionRow): number {
    return this.#urgency.force ? 0 : pauseLeftMs(retryAt, this.#around.parts.store.now())
  }

  async #lastLook(): Promise<TokenSet | undefined> {
    try {
      const [, newer] = await this.#around.parts.sealed.reading(() => this.#look())
      return newer
    } catch {
      return undefined
    }
  }

  #hasFailedEnough(): boolean {
    return this.#failed >= patientFailures || (this.#failed > 0 && this.#satOutMs > patienceMs)
  }

  #note(failure: RefreshFailedError, tookMs: number): void {
    this.#failure = failure
    this.#failed += 1
    this.#satOutMs += tookMs
    this.#urgency.force = false
  }

  /** Takes its turn at the provider, then the lease, and refreshes; or waits for who has it. */
  async #attempt(row: ConnectionRow, registration: Registration, turn: number): Promise<Attempt> {
    const { parts, storing, refused, closing } = this.#around
    const pass = await this.#gate.enter(this.#urgency, patienceMs, closing)
    if (pass === undefined) {
      await this.#waitAtGate(row)
      return undefined
    }
    try {
      const lease = await RefreshLease.take(parts, row)
      // Who had it before may have failed since the row was read: the pause that it set is ours to keep as well.
      if (lease !== undefined && this.#pauseMs(lease.row) > 0) {
        await lease.release()
        return undefined
      }
      if (lease !== undefined) {
        const attempt = new RefreshAttempt(parts, lease, registration, { refused, closing })
        return await attempt.run(pass, (unstored) => remember(storing, row.id, unstored))
      }
    } finally {
      pass.leave('unused')
    }
    const now = await parts.store.get(row.id)
    if (now !== undefined) await this.#waitForOther(now, turn)
    return undefined
  }

  /** The circuit is open, or too many are before us. */
  async #waitAtGate(row: ConnectionRow): Promise<void> {
    if (this.#around.closing.aborted) return
    const waitMs = Math.max(1, this.#gate.waitMs)
    if (this.#urgency.background || !this.#gate.isOpen || this.#satOutMs + waitMs > patienceMs)
      throw this.#atGate(row, waitMs)
    await this.#sleep(waitMs)
  }

  /** Another process is refreshing: look again in a moment, soon at first. */
  async #waitForOther(row: ConnectionRow, turn: number): Promise<void> {
    const { provider, leaseOwner } = row
    const { store, waitMs, random, sleep } = this.#around.parts
    if (this.#urgency.background) {
      const left = leaseLeftMs(row, store.now())
      throw new Postponed(othersWords(provider), { retryable: true, leaseLeftMs: left })
    }
    if (leaseOwner !== this.#other) {
      this.#other = leaseOwner
      this.#waitedMs = 0
    }
    if (this.#waitedMs > waitMs || this.#waitedInAllMs > waitsInAll * waitMs)
      throw stillWaiting(provider, Math.round(this.#waitedInAllMs))
    const pauseMs = Math.min(250, 15 * 1.5 ** turn) * (0.5 + random())
    this.#waitedMs += pauseMs
    this.#waitedInAllMs += pauseMs
    await sleep(pauseMs, this.#around.closing)
  }

  /** A short pause is waited for; a longer outage is the caller's to know about. */
  async #sitOut(row: ConnectionRow, pauseMs: number): Promise<void> {
    const passing = row.reason !== 'client_refused' && row.failures < patientFailures
    const isPatient = passing && !this.#urgency.background && this.#satOutMs + pauseMs <= patienceMs
    if (!isPatient) throw this.#stillFailing(row, pauseMs)
    await this.#sleep(pauseMs)
  }

  async #sleep(ms: number): Promise<void> {
    this.#satOutMs += ms
    await this.#around.parts.sleep(ms, this.#around.closing)
  }

  #stillFailing({ provider, reason, failures }: ConnectionRow, pauseMs: number): RefreshFailedError {
    const seconds = Math.max(1, Math.ceil(pauseMs / 1000))
    const failure = this.#failure
    const last =
      failure?.message ??
      `Refreshing the access token for ${provider} failed (${reason ?? 'unknown'}). The grant is kept.`
    const times = failures > 1 ? ` ${failures} attempts failed.` : ''
    const message = `${last}${times} The next one is due in ${seconds} s.`
    const retryable = reason !== 'client_refused'
    const options = { retryable, retryAfterSeconds: seconds, cause: failure }
    return failure === undefined ? new Postponed(message, options) : new RefreshFailedError(message, options)
  }

  #atGate({ provider }: ConnectionRow, waitMs: number): RefreshFailedError {
    const seconds = Math.max(1, Math.ceil(waitMs / 1000))
    const why = this.#gate.isOpen
      ? 'has failed for every connection lately, so it is asked once in a while only'
      : 'is being asked for many connections at once'
    const cause = this.#failure ?? this.#gate.lastError
    const last = cause instanceof Error ? ` ${cause.message}` : ''
    return new Postponed(
      `The access token for ${provider} cannot be refreshed for now: ${provider} ${why}. The grant is kept; try again in ${seconds} s.${last}`,
      { retryable: cause === undefined || isRetryable(cause), retryAfterSeconds: seconds, cause },
    )
  }
}

function remember(storing: Map<string, Promise<Attempt>>, id: string, unstored: Promise<Attempt>): void {
  const forget = () => {
    if (storing.get(id) === unstored) storing.delete(id)
  }
  storing.set(id, unstored)
  unstored.then(forget, forget)
}

/** Other outcomes are on the row by then, and read there. */
function throwStoreErrors(error: unknown): undefined {
  if (error instanceof StoreError) throw error
}

/** The row as it is now, if it can still be refreshed. */
function usable(row: ConnectionRow | undefined, before: TokenRow): ConnectionRow {
  if (row === undefined || row.status === 'revoked') throw notConnected(before)
  if (row.status === 'needs_reconnect')
    throw needsReconnect(row, row.reason ?? 'refused', JSON.parse(row.scopes))
  return row
}

/** For how long another process holds the lease yet. One that is longer than any was written before the clock went back. */
function leaseLeftMs({ leaseOwner, leaseUntil }: ConnectionRow, now: number): number {
  const leftMs = leaseOwner === null ? 0 : (leaseUntil ?? now) - now
  return leftMs > longestLeaseMs ? 0 : leftMs
}

/** Whether the same call may succeed later, without anybody mending something. */
function isRetryable(error: unknown): boolean {
  return error instanceof RefreshFailedError ? error.retryable : diagnose(error).kind !== 'ours'
}

function closedError(): StoreError {
  return new StoreError('closed', 'The vault is closed. Open it again with Vault.open().')
}

function othersWords(provider: string): string {
  return `Another process is refreshing the access token for ${provider}.`
}

function stillWaiting(provider: string, waitMs: number): RefreshFailedError {
  return new RefreshFailedError(
    `Another process has been refreshing the access token for ${provider} for more than ${waitMs} ms. The grant is kept; try again.`,
    { retryable: true },
  )
}
