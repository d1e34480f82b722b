// Sees every call of `vault.token` and `source.token`: each has to end in time, with the right token or for a reason that
// exists in its world.
import {
  AuthorizationRequiredError,
  RefreshFailedError,
  StoreError,
  ToolgrantError,
} from '../../src/errors.ts'
import type { TokenRequest, TokenSet } from '../../src/oauth/index.ts'
import type { ConnectionRow } from '../../src/vault/store.ts'
import type { InvariantId } from './invariants.ts'
import { epoch, named, type VaultProcess } from './vault-process.ts'
import type { Slot, World } from './world.ts'

/** A call under way. */
export interface Call {
  number: number
  process: VaultProcess
  slot: Slot
  /** `token`, `source`, or another method of the vault. */
  name: string
  request: TokenRequest & { scopes?: readonly string[] }
  startedAt: number
  /** The row when it began. */
  row: ConnectionRow | undefined
}

function isRead({ name }: Call): boolean {
  return name === 'token' || name === 'source'
}

/** The witness. */
export class CallerWitness {
  readonly #world: World
  readonly #calls = new Set<Call>()
  readonly #begunAt: number[] = []
  #number = 0
  #recovered = false

  constructor(world: World) {
    this.#world = world
  }

  /** Calls that did not end yet, of processes that live. */
  get open(): number {
    return [...this.#calls].filter(({ process }) => !process.crashed).length
  }

  /** From now on calls have no reason to fail, but that a person has to consent. */
  expectRecovery(): void {
    this.#recovered = true
  }

  begin(process: VaultProcess, slot: Slot, name: string, request: Call['request'] = {}): Call {
    const { scheduler, storeWitness } = this.#world
    this.#number += 1
    const row = storeWitness.rowOf(slot)
    const call = { number: this.#number, process, slot, name, request, startedAt: scheduler.ms, row }
    this.#calls.add(call)
    this.#begunAt.push(scheduler.ms)
    this.#world.count('calls')
    this.#world.note(process, () => `call ${call.number}: ${name} of ${slot.address.user}`)
    this.#world.scheduler.after(this.#boundMs(), () => this.#overdue(call))
    return call
  }

  served(call: Call, tokens: TokenSet): void {
    this.#calls.delete(call)
    const { process, slot, request } = call
    const { accessToken, expiresAt, scopes } = tokens
    this.#world.note(process, () => `call ${call.number} gets ${accessToken}`)
    this.#world.count('calls served')
    const issued = this.#world.provider(slot.address.provider).accessToken(accessToken)
    if (issued?.grant.slot !== slot.index) this.#violate('own-token', call, `gets ${accessToken}`)
    const leftMs = (expiresAt?.getTime() ?? Number.POSITIVE_INFINITY) - process.vaultClock
    if (leftMs <= 0) this.#violate('fresh', call, `gets a token that ended ${-leftMs} ms ago`)
    if (accessToken === request.rejected) this.#violate('fresh', call, 'gets the token that was refused')
    const goneMs = call.startedAt - (issued?.grant.goneAt ?? Number.POSITIVE_INFINITY)
    if (goneMs > (call.name === 'source' ? 60_100 : 0))
      this.#violate('stale', call, `gets ${accessToken}, ${goneMs} ms after its grant was given up`)
    if (request.scopes?.some((scope) => !scopes.includes(scope)))
      this.#violate('fresh', call, `gets only ${scopes.join(' ')}`)
  }

  /** A call of another method returned. */
  returned(call: Call): void {
    this.#calls.delete(call)
    this.#world.note(call.process, () => `call ${call.number} returns`)
    this.#world.count(`returned: ${call.name}`)
  }

  /** How many calls began since then. */
  begunSince(ms: number): number {
    return this.#begunAt.filter((at) => at > ms).length
  }

  /** Whether somebody asked that process to refresh by force, whatever pause is left. */
  isForced(process: VaultProcess, user: string): boolean {
    return [...this.#calls].some(
      (call) => call.process === process && call.name === 'forced refresh' && call.slot.address.user === user,
    )
  }

  refused(call: Call, error: unknown): void {
    this.#calls.delete(call)
    const { process } = call
    this.#world.note(
      process,
      () => `call ${call.number} fails: ${named(error)} ${String((error as Error)?.message).slice(0, 160)}`,
    )
    this.#world.count(`calls failed: ${named(error)}`)
    const id = this.#judgeError(call, error)
    const words = error instanceof ToolgrantError ? named(error) : String((error as Error)?.stack)
    if (id !== undefined) this.#violate(id, call, `fails with ${words}`)
  }

  #judgeError(call: Call, error: unknown): InvariantId | undefined {
    const now = this.#world.storeWitness.rowOf(call.slot)
    if (error instanceof AuthorizationRequiredError)
      return this.#needsConsent(call, error, now) ? undefined : 'error'
    if (!(error instanceof StoreError || error instanceof RefreshFailedError)) return 'error'
    if (this.#recovered) return 'recovery'
    if (error instanceof StoreError) return this.#hadTrouble(call, error) ? undefined : 'error'
    return isRead(call) && this.#hadValidToken(call, now) ? 'served' : undefined
  }

  /** In the end none may be left. */
  atTheEnd(): void {
    for (const call of this.#calls) if (!call.process.crashed) this.#violate('starve', call, 'never ended')
  }

  #hadTrouble({ process, startedAt }: Call, { code }: StoreError): boolean {
    if (code === 'closed') return this.#world.isClosing
    // Others may have waited for what began before the call did.
    const since = startedAt - this.#boundMs()
    return this.#world.troubles.since(process, since) || process.stoppedSince(since) > 0
  }

  #needsConsent(call: Call, { code }: AuthorizationRequiredError, now: ConnectionRow | undefined): boolean {
    const { row } = call
    if (row?.id !== now?.id || row?.generation !== now?.generation) return true
    if (now === undefined) return code === 'not_connected'
    if (now.status === 'revoked') return true
    if (code === 'missing_scope') return this.#lacks(call, now)
    return code === 'needs_reconnect' && now.status === 'needs_reconnect'
  }

  #lacks({ request: { scopes = [] } }: Call, row: ConnectionRow | undefined): boolean {
    const granted: readonly string[] = JSON.parse(row?.scopes ?? '[]')
    return scopes.some((scope) => !granted.includes(scope))
  }

  /** From its beginning to its end there was a token that the process had to take for valid. */
  #hadValidToken({ process, request, row }: Call, now: ConnectionRow | undefined): boolean {
    if (row === undefined || now === undefined || row.id !== now.id) return false
    if (row.status !== 'active' || now.status !== 'active') return false
    const { storeWitness } = this.#world
    if ((row.expiresAt ?? 0) <= process.vaultClock || (now.expiresAt ?? 0) <= process.vaultClock) return false
    return request.rejected !== storeWitness.tokens(now).accessToken
  }

  /** What a call may take: its wait for another's refresh, one of its own, and the store's slowness on the way. */
  #boundMs(): number {
    const { refreshTimeoutMs, leaseMs } = this.#world.parameters
    return 2 * (refreshTimeoutMs + 2 * leaseMs) + 120_000
  }

  #overdue(call: Call): void {
    if (!this.#calls.has(call) || call.process.crashed) return
    const { scheduler } = this.#world
    const ranMs = scheduler.ms - call.startedAt - call.process.stoppedSince(call.startedAt)
    const left = this.#boundMs() - ranMs
    if (left > 0) scheduler.after(left, () => this.#overdue(call))
    else this.#violate('starve', call, `has run for ${ranMs} ms`)
  }

  #violate(id: InvariantId, call: Call, what: string): void {
    const { process, slot, number } = call
    this.#world.violate(
      id,
      `call ${number} of ${process.name} for ${slot.address.user} ${what} (${new Date(epoch + this.#world.scheduler.ms).toISOString()})`,
    )
  }
}
