// What became of every grant: when one is lost that nobody revoked, why that could not be helped; or that it could.
import type { ConnectionRow } from '../../src/vault/store.ts'
import type { IssuedRefreshToken, SimulatedGrant } from './provider.ts'
import type { RefreshRequest } from './refresh-witness.ts'
import type { VaultProcess } from './vault-process.ts'
import type { Slot, World } from './world.ts'

/** Why a new refresh token never came to be saved. */
export type LossCause = 'sender died' | 'sender stood still' | 'sender cut off' | 'answer lost'

/** Judges losses. */
export class Losses {
  readonly #world: World
  readonly #judged = new Set<SimulatedGrant>()

  constructor(world: World) {
    this.#world = world
  }

  /** A process gave a grant up. */
  declaredDead(process: VaultProcess, row: ConnectionRow, after: ConnectionRow): void {
    const held = this.#held(row)
    if (held === undefined) return
    const { grant } = held
    this.#world.count(`declared dead: ${grant.ended ?? 'superseded'}`)
    if (this.#world.provider(row.provider).accepts(held)) {
      this.#world.violate('false-death', `${process.name} gives up ${row.user}, whose ${held.token} is good`)
      return
    }
    this.#judge(held, row)
    const isInterrupted = row.intentHash !== null && this.#wasInterrupted(row, grant)
    if (isInterrupted && after.reason !== 'interrupted')
      this.#world.violate(
        'blame',
        `${process.name} calls it ${after.reason} that ${row.user} lost ${held.token}`,
      )
  }

  /** Before the request that was refused another one of that generation had no known end. */
  #wasInterrupted({ id, generation }: ConnectionRow, grant: SimulatedGrant): boolean {
    if (grant.ended === 'user') return false
    const unknown = ['pending', 'done', 'unknown']
    return this.#world.refreshWitness.requests.some(
      ({ attempt, outcome }) =>
        attempt?.rowId === id && attempt.generation === generation && unknown.includes(outcome),
    )
  }

  /** In the end: what a connection holds has to be good, or its loss explained. */
  atTheEnd(slot: Slot): void {
    const row = this.#world.storeWitness.rowOf(slot)
    if (row === undefined) return
    const held = this.#held(row)
    if (held === undefined || row.status !== 'active') return
    if (!this.#world.provider(row.provider).accepts(held)) this.#judge(held, row)
    this.#judgeThrownAway(held, row)
  }

  #held(row: ConnectionRow): IssuedRefreshToken | undefined {
    const { refreshToken = '' } = this.#world.storeWitness.tokens(row)
    return this.#world.provider(row.provider).refreshToken(refreshToken)
  }

  #judge(held: IssuedRefreshToken, row: ConnectionRow): void {
    const { grant } = held
    if (grant.ended === 'user' || this.#judged.has(grant)) return
    this.#judged.add(grant)
    if (grant.ended === 'client') {
      this.#revokedByUs(grant, row)
      return
    }
    const spoiled = this.#world.refreshWitness.requests.filter(
      (request) =>
        request.grant === grant && ((request.rotated && request.savedAt === undefined) || request.doubled),
    )
    const causes = spoiled.map((request) => this.#causeOf(request))
    const { graceMs } = this.#world.provider(row.provider).behaviour
    const first = causes.find((cause) => cause !== undefined)
    if (first === undefined || causes.includes(undefined)) {
      const numbers = spoiled.map(({ number, outcome }) => `${number} (${outcome})`).join(', ')
      this.#world.violate('loss', `${row.user} lost ${held.token}; unsaved answers: ${numbers || 'none'}`)
      return
    }
    if (graceMs > 0) this.#judgeGrace(row, spoiled, graceMs)
    this.#world.lost.push({ cause: first, graceMs })
    this.#world.count(`lost: ${first}, ${graceMs === 0 ? 'no grace' : 'grace over'}`)
  }

  /** Nobody tried again while there was a grace, though a scheduler had nothing else to do. */
  #judgeGrace(row: ConnectionRow, spoiled: readonly RefreshRequest[], graceMs: number): void {
    const { parameters, refreshWitness } = this.#world
    const at = Math.max(...spoiled.map(({ carriedOutAt = 0 }) => carriedOutAt))
    const free = Math.max(...spoiled.map((request) => this.#freeAt(request)))
    const [fromMs, toMs] = [Math.max(at, free) + 5000, at + graceMs - 5000]
    const tried = refreshWitness.wasTaken(row.id, at + 1, toMs)
    if (tried || fromMs > toMs || parameters.ownClock) return
    if (this.#world.hadWeather(row.provider, at - 60_000, toMs)) return
    const idle = this.#world.processes.find((process) => this.#wasIdle(process, row.id, fromMs, toMs))
    if (idle !== undefined)
      this.#world.violate('loss', `${idle.name} left ${row.user} alone while there was a grace`)
  }

  /** From when on somebody else could take the row: its sender knew that the answer was lost, or died. */
  #freeAt({ process, outcome, endedAt }: RefreshRequest): number {
    if (outcome === 'failed' || outcome === 'unknown') return endedAt
    const { crashedAt } = process
    return crashedAt === undefined ? Number.POSITIVE_INFINITY : crashedAt + this.#world.parameters.leaseMs
  }

  /** It kept connections fresh all that time, and could. */
  #wasIdle(process: VaultProcess, rowId: string, fromMs: number, toMs: number): boolean {
    const { parameters, refreshWitness, troubles } = this.#world
    if (Number(process.place.slice(1)) > parameters.keepingFresh) return false
    const lived = process.startedAt < fromMs - 5000 && (process.crashedAt ?? toMs) >= toMs
    const stood = process.stops.some((stop) => stop.fromMs < toMs && stop.toMs > fromMs - 5000)
    if (refreshWitness.isBusy(process, rowId, fromMs)) return false
    return lived && !stood && !troubles.since(process, fromMs - parameters.leaseMs)
  }

  /** A person disconnected; where that ends every grant of theirs, one that they gave since may go with it. */
  #revokedByUs(grant: SimulatedGrant, row: ConnectionRow): void {
    if (grant.keptAt === undefined || grant.endSentAt <= grant.keptAt)
      this.#world.count('revoked while consenting')
    else this.#world.violate('loss', `we revoked grant ${grant.number} of ${row.user}, which is connected`)
  }

  #causeOf(request: RefreshRequest): LossCause | undefined {
    const { process, outcome, attempt, sentAt } = request
    if (outcome === 'failed' || outcome === 'unknown') return 'answer lost'
    if (process.crashed) return 'sender died'
    if (this.#world.refreshWitness.couldSave(request)) return undefined
    const since = attempt?.takenAt ?? sentAt
    if (process.stoppedSince(since) > 0) return 'sender stood still'
    return this.#world.refreshWitness.isExcused(request) || request.doubled ? 'sender cut off' : undefined
  }

  /** A running process received something newer than what is stored, and it is nowhere. */
  #judgeThrownAway(held: IssuedRefreshToken, row: ConnectionRow): void {
    const { requests } = this.#world.refreshWitness
    const stored = requests.findLast(({ issued }) => issued?.refreshToken === held)
    for (const request of requests) {
      const { issued, outcome, process, savedAt, sentAt } = request
      if (issued === undefined || issued.grant !== held.grant || savedAt !== undefined) continue
      if (outcome !== 'done' || process.crashed || issued.refreshToken.index <= held.index) continue
      if (stored !== undefined && stored.sentAt > sentAt) continue
      this.#world.violate(
        'newest',
        `${issued.refreshToken.token} was received for ${row.user} and thrown away`,
      )
    }
  }
}
