// Sees every refresh: who took which lease, what was written down, sent, carried out, answered, saved. Judges whether a
// request may be sent, and remembers each one, so that a loss can be explained.
import { fingerprint } from '../../src/seal.ts'
import type { ConnectionRow } from '../../src/vault/store.ts'
import type { InvariantId } from './invariants.ts'
import type { IssuedAccessToken, ProviderAnswer, SimulatedGrant, SimulatedProvider } from './provider.ts'
import type { VaultProcess } from './vault-process.ts'
import type { World } from './world.ts'

/** A lease that a process took, and what it did with it. */
export interface Attempt {
  owner: string
  process: VaultProcess
  rowId: string
  generation: number
  takenAt: number
  /** When the pause is over that was on the row when the lease was taken, by the store's clock. */
  retryAt: number
  intent: { hash: string; writtenAt: number; used: boolean } | undefined
}

/** One refresh request. */
export interface RefreshRequest {
  number: number
  attempt: Attempt | undefined
  process: VaultProcess
  grant: SimulatedGrant | undefined
  sentAt: number
  carriedOutAt: number | undefined
  /** What the provider issued for it. */
  issued: IssuedAccessToken | undefined
  rotated: boolean
  /** As the sender sees it. `done`: it has the answer. */
  outcome: 'pending' | 'done' | 'refused' | 'failed' | 'unknown'
  endedAt: number
  savedAt: number | undefined
  /** Its verdict came too late: another process had the lease by then, and may ask once more. */
  overruled: boolean
  /** For how long the provider asked to be left alone, in milliseconds. */
  askedMs: number
  /** It was sent again before it had ended, because its sender had lost the lease. */
  doubled: boolean
}

const longestPauseMs = 24 * 60 * 60_000 + 5 * 60_000

/** The witness. */
export class RefreshWitness {
  readonly #world: World
  readonly #attempts = new Map<string, Attempt>()
  readonly requests: RefreshRequest[] = []

  constructor(world: World) {
    this.#world = world
  }

  /** A lease was given. */
  taken(process: VaultProcess, before: ConnectionRow, owner: string): void {
    const { scheduler } = this.#world
    const leftMs = (before.retryAt ?? 0) - this.#world.storeClock()
    this.#attempts.set(owner, {
      ...{ owner, process, rowId: before.id, generation: before.generation, takenAt: scheduler.ms },
      ...{ retryAt: leftMs > longestPauseMs ? 0 : (before.retryAt ?? 0), intent: undefined },
    })
    if (before.leaseOwner !== null) this.#world.count('lease taken over')
    if (before.intentHash !== null) this.#world.count('interrupted refresh found')
  }

  /** Whether anybody took the lease of a row in that time. */
  wasTaken(rowId: string, fromMs: number, toMs: number): boolean {
    return [...this.#attempts.values()].some(
      (one) => one.rowId === rowId && one.takenAt > fromMs && one.takenAt < toMs,
    )
  }

  /** Whether a process has waited for an answer about a row since before then. */
  isBusy(process: VaultProcess, rowId: string, sinceMs: number): boolean {
    return this.requests.some(
      (one) =>
        one.process === process &&
        one.attempt?.rowId === rowId &&
        one.sentAt < sinceMs &&
        (one.outcome === 'pending' || one.endedAt > sinceMs),
    )
  }

  /** An intent was written. */
  intended(owner: string, hash: string): void {
    const attempt = this.#attempts.get(owner)
    if (attempt !== undefined) attempt.intent = { hash, writtenAt: this.#world.scheduler.ms, used: false }
  }

  /** A request leaves. */
  sent(process: VaultProcess, provider: SimulatedProvider, token: string): RefreshRequest {
    const { scheduler } = this.#world
    const hash = fingerprint(token)
    const attempt = [...this.#attempts.values()].findLast(
      (one) => one.process === process && one.intent?.hash === hash && !one.intent.used,
    )
    const grant = provider.refreshToken(token)?.grant
    const request: RefreshRequest = {
      ...{ number: this.requests.length + 1, attempt, process, grant, sentAt: scheduler.ms },
      ...{ carriedOutAt: undefined, issued: undefined, rotated: false, outcome: 'pending' },
      ...{ endedAt: 0, savedAt: undefined, askedMs: 0, doubled: false, overruled: false },
    }
    this.#world.note(process, () => `sends request ${request.number} with ${token}`)
    this.#world.count('refresh requests')
    this.#judge(request, token)
    if (attempt?.intent !== undefined) attempt.intent.used = true
    this.requests.push(request)
    return request
  }

  /** The provider acted on it. */
  carriedOut(request: RefreshRequest, answer: ProviderAnswer): void {
    request.carriedOutAt = this.#world.scheduler.ms
    if (answer.status === 200) {
      request.issued = answer.access
      request.rotated = answer.rotated
      this.#world.count(answer.again ? 'answered within the grace' : 'refreshes carried out')
    } else this.#world.count('refresh refused')
    this.#world.note(request.process, () => {
      const { token } = request.issued?.refreshToken ?? { token: 'nothing' }
      return `request ${request.number} is carried out: ${answer.status} ${answer.status === 200 ? token : 'invalid_grant'}`
    })
  }

  /** The sender knows how it ended, or that it never will. */
  ended(request: RefreshRequest, outcome: RefreshRequest['outcome'], askedMs = 0): void {
    if (request.outcome !== 'pending') return
    request.outcome = outcome
    request.askedMs = askedMs
    request.endedAt = this.#world.scheduler.ms
    this.#world.count(`outcome: ${outcome}`)
    this.#world.note(request.process, () => `request ${request.number} ends for its sender: ${outcome}`)
  }

  /** For how long the answer to a process's last request for a row asked to be left alone, in milliseconds. */
  askedToWaitMs(process: VaultProcess, { id, generation }: ConnectionRow): number {
    const last = this.requests.findLast(
      (one) => one.process === process && one.attempt?.rowId === id && one.attempt.generation === generation,
    )
    return last?.askedMs ?? 0
  }

  /** A process could not give a grant up, because the lease was another's. */
  overruled(owner: string): void {
    const request = this.requests.findLast(({ attempt }) => attempt?.owner === owner)
    if (request !== undefined) request.overruled = true
  }

  /** Tokens were saved. */
  saved(accessToken: string): RefreshRequest | undefined {
    const request = this.requests.findLast(({ issued }) => issued?.token === accessToken)
    if (request !== undefined) request.savedAt ??= this.#world.scheduler.ms
    return request
  }

  /** Whether the provider carried two requests out in another order than they were sent in: then nobody can tell. */
  isAmbiguous(stored: IssuedAccessToken, request: RefreshRequest | undefined): boolean {
    const other = this.requests.findLast(({ issued }) => issued?.token === stored.token)
    return request !== undefined && other !== undefined && request.sentAt > other.sentAt
  }

  /** Its answer reached a process that has run since then, with a store that works, and that did not save it. */
  couldSave({ process, outcome, endedAt, attempt, savedAt, doubled }: RefreshRequest): boolean {
    const { scheduler, troubles, storeWitness } = this.#world
    if (outcome !== 'done' || savedAt !== undefined || doubled || process.crashed) return false
    if (scheduler.ms - endedAt < 1000 || process.stoppedSince(endedAt) > 0) return false
    const row = attempt && storeWitness.row(attempt.rowId)
    return row?.generation === attempt?.generation && !troubles.since(process, endedAt)
  }

  /** Whether whoever sent it may have lost its lease since without any fault of the vault's. */
  isExcused({ process, attempt, sentAt }: RefreshRequest): boolean {
    const since = attempt?.takenAt ?? sentAt
    if (process.crashed || process.stoppedSince(since) > 0) return true
    if (attempt === undefined) return false
    return (
      this.#world.troubles.since(process, since, attempt.rowId) ||
      this.#world.storeWitness.lostLeaseSince(attempt.rowId, since)
    )
  }

  #judge(request: RefreshRequest, token: string): void {
    const { attempt } = request
    const { scheduler } = this.#world
    const violate = (id: InvariantId, what: string) =>
      this.#world.violate(id, `${request.process.name} sends ${token} ${what} (request ${request.number})`)
    if (attempt?.intent === undefined) {
      violate('intent-first', 'without an intent for it')
      return
    }
    const row = this.#world.storeWitness.row(attempt.rowId)
    // A person may have consented again, or disconnected, since: nobody can know, and it is another grant.
    const isReplaced =
      row?.status !== 'active' || this.#world.storeWitness.issued(row)?.grant !== request.grant
    const leftMs = row?.leaseOwner === attempt.owner ? (row.leaseUntil ?? 0) - this.#world.storeClock() : 0
    if (
      leftMs <= 0 &&
      !isReplaced &&
      !this.#world.storeWitness.lostLeaseSince(attempt.rowId, attempt.takenAt)
    )
      violate(
        'send-in-time',
        `${scheduler.ms - attempt.intent.writtenAt} ms after its intent, without the lease`,
      )
    const pauseMs = attempt.retryAt - this.#world.storeClock()
    const isForced = this.#world.callers.isForced(request.process, row?.user ?? '')
    if (pauseMs > 0 && !isForced) violate('back-off', `though ${pauseMs} ms of the pause were left`)
    this.#judgeRate(request, attempt, violate)
    for (const earlier of this.requests)
      if (earlier.attempt?.rowId === attempt.rowId && earlier.attempt.generation === attempt.generation)
        this.#judgeAfter(earlier, attempt, violate)
  }

  /** Whether who heard a verdict had no chance to write it down: one that the store refuses is tried again soon. */
  #couldNotTell({ process, endedAt, attempt, overruled }: RefreshRequest, takenOverAt: number): boolean {
    if (overruled || process.crashed || process.stoppedSince(endedAt) > 0 || attempt === undefined)
      return true
    const { rowId, takenAt } = attempt
    if (this.#world.storeWitness.lostLeaseSince(rowId, takenAt)) return true
    return this.#world.troubles.since(process, Math.max(takenAt, takenOverAt - 5000), rowId)
  }

  #judgeRate(
    { grant }: RefreshRequest,
    { rowId }: Attempt,
    violate: (id: InvariantId, what: string) => void,
  ): void {
    const { scheduler, callers } = this.#world
    const provider = grant?.provider
    if (provider === undefined) return
    const { lifetimeSeconds } = provider.behaviour
    const since = scheduler.ms - lifetimeSeconds * 1000
    const recent = this.requests.filter(({ attempt, sentAt }) => attempt?.rowId === rowId && sentAt > since)
    const calls = callers.begunSince(since)
    if (recent.length > 20 + calls + lifetimeSeconds / 20)
      violate('hammer', `as number ${recent.length} in a token's life, with ${calls} calls`)
  }

  #judgeAfter(
    earlier: RefreshRequest,
    { intent, rowId, takenAt }: Attempt,
    violate: (id: InvariantId, what: string) => void,
  ): void {
    const { number, outcome, savedAt } = earlier
    const isLost = this.#world.storeWitness.lostLeaseSince(rowId, takenAt)
    const isExcused =
      outcome === 'refused' ? this.#couldNotTell(earlier, takenAt) : isLost || this.isExcused(earlier)
    if (savedAt !== undefined && savedAt < (intent?.writtenAt ?? 0))
      violate('one-request', `though the answer to request ${number} was saved`)
    else if (outcome === 'failed' || outcome === 'unknown') this.#world.count(`again after: ${outcome}`)
    else if (this.couldSave(earlier)) violate('one-request', `and threw the answer to request ${number} away`)
    else if (isExcused) {
      earlier.doubled = true
      this.#world.count(`again after: ${outcome}, sender gone`)
    } else if (outcome === 'refused') violate('dead-probe', `though request ${number} was refused`)
    else violate('one-request', `while request ${number} is ${outcome}`)
  }
}
