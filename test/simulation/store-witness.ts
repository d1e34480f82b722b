// Applies each step of a process to the real store and judges what it changed: the rules of store.ts, written down a
// second time, from the outside, as what may differ between a row before and after.

import { TokenSet } from '../../src/oauth/index.ts'
import { Keyring, SealingKey } from '../../src/seal.ts'
import { type ConnectionRow, type HistoryEntry, longestLeaseMs, type Store } from '../../src/vault/store.ts'
import type { InvariantId } from './invariants.ts'
import type { IssuedAccessToken } from './provider.ts'
import type { VaultProcess } from './vault-process.ts'
import type { Slot, World } from './world.ts'

type Row = ConnectionRow | undefined

/** One step that the store took. */
interface Applied {
  process: VaultProcess
  name: string
  args: readonly unknown[]
  before: Row
  after: Row
  result: unknown
}

/** Which members of a row a step may change when it succeeds; one that is not listed changes nothing. */
const changes: Readonly<Record<string, readonly (keyof ConnectionRow)[]>> = {
  acquireLease: ['leaseOwner', 'leaseUntil'],
  extendLease: ['leaseUntil'],
  releaseLease: ['leaseOwner', 'leaseUntil'],
  writeIntent: ['leaseUntil', 'intentAt', 'intentHash', 'dueAt'],
  recordFailure: [
    'leaseOwner',
    'leaseUntil',
    'intentAt',
    'intentHash',
    'failures',
    'retryAt',
    'reason',
    'dueAt',
  ],
  markNeedsReconnect: ['leaseOwner', 'leaseUntil', 'intentAt', 'intentHash', 'status', 'reason', 'dueAt'],
  markRevoked: ['status', 'reason', 'dueAt'],
  touch: ['usedAt', 'dueAt'],
  claimDue: ['dueAt'],
  reseal: ['sealed', 'keyId'],
}

/** Steps that only the owner of the lease may take. */
const owners = new Set(['extendLease', 'releaseLease', 'writeIntent', 'recordFailure', 'markNeedsReconnect'])

/** The witness. */
export class StoreWitness {
  readonly #world: World
  readonly #store: Store
  readonly #keyring: Keyring
  readonly #lost = new Map<string, number>()

  /** @param store as it is, or broken on purpose. */
  constructor(world: World, store: Store) {
    this.#world = world
    this.#store = store
    this.#keyring = new Keyring(SealingKey.parse(world.key))
  }

  /** Takes the step, in no time. */
  applied(process: VaultProcess, name: string, args: readonly unknown[]): unknown {
    const id = rowIdOf(args)
    const before = this.row(id)
    const method = Reflect.get(this.#store, name) as (...args: readonly unknown[]) => unknown
    const result = method.apply(this.#store, [...args])
    const after = this.row(id)
    this.#world.count(`store.${name}`)
    const applied = { process, name, args, before, after, result }
    this.#world.note(process, () => `store.${name} ${told(applied)}`)
    if (before !== undefined || after !== undefined) this.#judge(applied)
    this.#world.watching.committed(id)
    return result
  }

  /** A row as it is. */
  row(id: string | undefined): Row {
    return id === undefined ? undefined : (this.#store.get(id) as Row)
  }

  /** The row of a connection as it is. */
  rowOf({ address: { user, provider } }: Slot): Row {
    const rows = this.#store.list({ tenant: 'default', user, provider }) as readonly ConnectionRow[]
    return rows[0]
  }

  /** Its history. */
  history(id: string): readonly HistoryEntry[] {
    return this.#store.history(id) as readonly HistoryEntry[]
  }

  /** What a row holds; `undefined` when it cannot be opened. */
  tokens(row: ConnectionRow): TokenSet {
    const { tenant, id, user, provider, account, generation } = row
    const place = JSON.stringify(['tokens', tenant, id, user, provider, account, generation])
    return TokenSet.parse(this.#keyring.open(row.sealed, place))
  }

  /** What the provider knows of a row's tokens. */
  issued(row: ConnectionRow): IssuedAccessToken | undefined {
    return this.#world.provider(row.provider).accessToken(this.tokens(row).accessToken)
  }

  /** Takes a lease away from whoever has it. */
  loseLease(id: string): void {
    const row = this.row(id)
    if (row === undefined || row.leaseOwner === null) return
    this.#store.releaseLease(id, row.leaseOwner)
    this.#lost.set(id, this.#world.scheduler.ms)
    this.#world.note(undefined, () => `the lease of ${id.slice(0, 8)} is lost`)
    this.#world.count('leases lost')
  }

  /** Whether a row lost its lease since then. */
  lostLeaseSince(id: string, ms: number): boolean {
    const at = this.#lost.get(id)
    return at !== undefined && at >= ms
  }

  #judge(applied: Applied): void {
    const { name, before, after, args, result, process } = applied
    this.#judgeGeneration(applied)
    if (name === 'putGrant' ? result === true : name === 'markRevoked') this.#gone(before)
    if (name === 'putGrant' && result === true && after !== undefined)
      this.#judgeTokens(process, before, after)
    if (before === undefined || after === undefined || name === 'putGrant') return
    if (name === 'saveTokens') {
      if (result === true) this.#judgeSave(applied, before, after)
      else this.#judgeUnchanged(applied, [])
      return
    }
    this.#judgeUnchanged(applied, result === false || result === undefined ? [] : (changes[name] ?? []))
    if (owners.has(name) && result === true && before.leaseOwner !== args[1])
      this.#violate('lease-write', applied, 'without the lease')
    if (name === 'acquireLease' && result !== undefined) this.#judgeLease(applied, before)
    if (name === 'writeIntent' && result === true) {
      if (after.intentHash !== args[3]) this.#violate('intent-first', applied, 'writes no intent')
      this.#world.refreshWitness.intended(String(args[1]), String(args[3]))
    }
    if (name === 'recordFailure' && result === true) this.#judgeFailure(applied, after)
    if (name === 'markNeedsReconnect' && result === false)
      this.#world.refreshWitness.overruled(String(args[1]))
    if (name === 'markNeedsReconnect' && result === true)
      this.#world.losses.declaredDead(process, before, after)
  }

  /** The grant of a row is over for the vault. */
  #gone(row: Row): void {
    const grant = row && this.issued(row)?.grant
    if (grant !== undefined) grant.goneAt ??= this.#world.scheduler.ms
  }

  #judgeGeneration(applied: Applied): void {
    const { name, before, after } = applied
    if (before === undefined || after === undefined) return
    const grown = after.generation - before.generation
    const isSave = name === 'putGrant' || name === 'saveTokens'
    const isAllowed = grown === 0 || (isSave && grown === 1)
    if (!isAllowed) this.#violate('generation', applied, `changes the generation by ${grown}`)
  }

  #judgeUnchanged(applied: Applied, allowed: readonly (keyof ConnectionRow)[]): void {
    const { before, after } = applied
    if (before === undefined || after === undefined) return
    for (const name of Object.keys(after) as (keyof ConnectionRow)[])
      if (name !== 'updatedAt' && !allowed.includes(name) && !same(before[name], after[name]))
        this.#violate('lease-write', applied, `changes ${name}`)
  }

  #judgeLease(applied: Applied, before: ConnectionRow): void {
    const { process, args } = applied
    const leftMs = before.leaseOwner === null ? 0 : (before.leaseUntil ?? 0) - this.#world.storeClock()
    if (
      before.status !== 'active' ||
      before.generation !== args[1] ||
      (leftMs > 0 && leftMs <= longestLeaseMs)
    )
      this.#violate('lease-write', applied, 'takes a lease that is not to be had')
    this.#world.refreshWitness.taken(process, before, String(args[2]))
  }

  #judgeFailure(applied: Applied, after: ConnectionRow): void {
    const { process } = applied
    if (after.leaseOwner !== null) this.#violate('starve', applied, 'keeps the lease')
    const askedMs = this.#world.refreshWitness.askedToWaitMs(process, after)
    if ((after.retryAt ?? 0) - this.#world.storeClock() < askedMs)
      this.#violate('back-off', applied, `though the provider asked for ${askedMs} ms`)
  }

  #judgeSave(applied: Applied, before: ConnectionRow, after: ConnectionRow): void {
    const { args, process } = applied
    const [, owner, generation] = args
    if (before.generation !== generation || before.status === 'revoked') {
      this.#violate('lease-write', applied, `saves over generation ${before.generation}`)
      return
    }
    const isOthers = before.leaseOwner !== null && before.leaseOwner !== owner
    const kept = ['leaseOwner', 'leaseUntil', 'intentAt', 'intentHash'] as const
    if (isOthers) this.#world.count('late answer saved')
    if (isOthers && kept.some((name) => before[name] !== after[name]))
      this.#violate('lease-write', applied, "touches another's lease")
    this.#judgeTokens(process, before, after)
  }

  #judgeTokens(process: VaultProcess, before: Row, after: ConnectionRow): void {
    const saved = this.issued(after)
    const slot = this.#world.slotOf(after)
    const stored = this.tokens(after)
    const request = this.#world.refreshWitness.saved(stored.accessToken)
    const violate = (id: InvariantId, what: string) =>
      this.#world.violate(
        id,
        `${process.name} saves generation ${after.generation} of ${after.user}: ${what}`,
      )
    if (saved === undefined || saved.grant.slot !== slot.index) {
      violate('own-token', 'tokens of somebody else')
      return
    }
    saved.grant.keptAt ??= this.#world.scheduler.ms
    if (stored.refreshToken !== saved.refreshToken.token)
      violate('newest', `the refresh token ${stored.refreshToken} in place of ${saved.refreshToken.token}`)
    if (before === undefined) return
    const old = this.issued(before)
    if (old === undefined || old.grant.slot !== slot.index) return
    if (old.grant.number > saved.grant.number && request !== undefined)
      violate('newest', `tokens of consent ${saved.grant.number} over those of ${old.grant.number}`)
    const isOlder = old.grant === saved.grant && old.refreshToken.index > saved.refreshToken.index
    if (isOlder && !this.#world.refreshWitness.isAmbiguous(old, request))
      violate('newest', `${saved.refreshToken.token} over ${old.refreshToken.token}`)
  }

  #violate(id: InvariantId, { process, name, args }: Applied, what: string): void {
    this.#world.violate(id, `${process.name} store.${name}(${args.filter(isWord).join(', ')}) ${what}`)
  }
}

function rowIdOf(args: readonly unknown[]): string | undefined {
  const [first] = args
  if (typeof first === 'string') return first
  if (typeof first === 'object' && first !== null && 'id' in first && typeof first.id === 'string')
    return first.id
  return undefined
}

function same(one: unknown, other: unknown): boolean {
  if (one instanceof Uint8Array && other instanceof Uint8Array) return Buffer.compare(one, other) === 0
  return one === other
}

function isWord(value: unknown): boolean {
  return typeof value === 'number' || (typeof value === 'string' && value.length < 60)
}

/** A step in words: no sealed bytes, because their nonces are not the simulation's. */
function told({ args, result, before, after }: Applied): string {
  const words = args
    .filter(isWord)
    .map((word) => (typeof word === 'string' && word.length > 20 ? word.slice(0, 8) : word))
  const row = after ?? before
  const state =
    row === undefined
      ? ''
      : ` [${row.user} g${row.generation} ${row.status} lease ${row.leaseOwner?.slice(0, 8) ?? '-'} intent ${row.intentHash === null ? '-' : 'yes'} failures ${row.failures}]`
  return `(${words.join(', ')}) -> ${resultWord(result)}${state}`
}

function resultWord(result: unknown): string {
  if (Array.isArray(result)) return `${result.length} rows`
  if (typeof result === 'object' && result !== null) return 'row' in result ? 'row' : 'something'
  return String(result)
}
