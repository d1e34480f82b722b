// Taking connections along: every one that matches into one encrypted bundle, and, for a move, away from here. Nothing is
// revoked: the grants live on where they are taken to. What a move must not do is leave two vaults with one refresh token.
import { argumentError, KeyError, StoreError } from '../errors.ts'
import type { AuditEntry } from './audit.ts'
import { codeOf } from './audit-log.ts'
import { assertPassphrase, defaultCost, type ScryptCost, sealBundle } from './bundle.ts'
import type { BundledConnection, BundleTop } from './bundle-lines.ts'
import { assertAddress, type ConnectionAddress } from './connection.ts'
import { type BundleSink, fileSink, streamSink } from './export-sink.ts'
import type { Interior } from './interior.ts'
import { pause } from './pause.ts'
import { type ConnectionRow, longestLeaseMs, type RowAddress } from './store.ts'

/** Options of {@link Vault.export}. */
export interface ExportOptions {
  /** Locks the bundle: at least 8 characters. Whoever has both has the connections. */
  passphrase: string
  /**
   * Where the bundle goes: the path of a file, which is there whole or not at all (mode 0600), or a stream, which is
   * closed at the end and aborted when it fails.
   */
  to: string | WritableStream<Uint8Array>
  /** Replaces a file that is there; a move replaces no bundle, which may hold what was moved before. Default `false`. */
  overwrite?: boolean | undefined
  /** Which connections. Default: all of the tenant. */
  filter?: Partial<ConnectionAddress> | undefined
  /**
   * Deletes them here once the bundle is durable, without revoking anything. Without it two vaults hold the same refresh
   * tokens, and where a provider rotates them the first to refresh locks the other out. Default `false`.
   */
  move?: boolean | undefined
  /** Stops it, before anything is deleted. */
  signal?: AbortSignal | undefined
}

/** A connection that is not in the bundle, or was not moved. */
export interface NotExported {
  id: string
  user: string
  provider: string
  account: string
  /** In words, with the next step. */
  why: string
}

/** What {@link Vault.export} did. */
export interface Exported {
  /** How many connections are in the bundle. */
  exported: number
  /** How many of them were deleted here: all but those in `notMoved`, for a move. */
  moved: number
  /** What is not in the bundle: being disconnected, unreadable, or, for a move, being refreshed. It stays. */
  notExported: readonly NotExported[]
  /** In the bundle, and still here although it was a move: somebody changed it meanwhile. Do not import those. */
  notMoved: readonly NotExported[]
}

const pageSize = 200
/** How long a refresh that is under way is waited for, in milliseconds. */
const settleMs = 15_000
/** How long the connections of a move stay out of reach when it is killed, in milliseconds. */
const holdMs = 60_000
/** How long one export waits for what others hold, all in all, in milliseconds: as long as a killed one holds it. */
const patienceMs = holdMs + 5000
/** Owners of leases that begin so are exports. */
export const ownerStart = 'export-'
/** A move that takes longer keeps too much from being refreshed, in milliseconds. */
const longestMoveMs = longestLeaseMs * 0.8

/** {@link Vault.export}. @param cost @param extendMs others in tests, which have no time. */
export async function exportConnections(
  inside: Interior,
  options: ExportOptions,
  cost: ScryptCost = defaultCost,
  extendMs = holdMs / 3,
): Promise<Exported> {
  const { passphrase, filter = {}, to } = options
  assertPassphrase(passphrase)
  assertAddress(filter, false)
  if (typeof to !== 'string' && !(to instanceof WritableStream))
    throw argumentError('vault.export: to is the path of a file, or a WritableStream.')
  const sink =
    typeof to === 'string'
      ? await fileSink(to, options.overwrite === true, options.move === true)
      : streamSink(to)
  const work = new Export(inside, options)
  const holding = new AbortController()
  if (options.move === true) void work.hold(extendMs, holding.signal)
  try {
    return await carriedOut(work, sink, options, cost)
  } finally {
    holding.abort()
  }
}

async function carriedOut(
  work: Export,
  sink: BundleSink,
  { passphrase, move, signal, to }: ExportOptions,
  cost: ScryptCost,
): Promise<Exported> {
  try {
    for await (const part of sealBundle(passphrase, work.lines(), cost)) await sink.write(part)
    work.assertInTime()
    work.assertSome()
    signal?.throwIfAborted()
    await sink.commit()
  } catch (error) {
    await Promise.allSettled([sink.discard(error), work.release()])
    await work.audit(codeOf(error))
    throw error
  }
  if (move === true) await removed(work, to)
  await work.audit('ok')
  return work.result()
}

/** The bundle is durable by now: whoever is told of a failure has to know that it is the place of what is gone here. */
async function removed(work: Export, to: ExportOptions['to']): Promise<void> {
  try {
    await work.remove()
  } catch (error) {
    await work.audit(codeOf(error)).catch(() => {})
    const { exported, moved } = work.result()
    const told = error instanceof Error ? ` ${error.message}` : ''
    throw new StoreError(
      error instanceof StoreError ? error.code : 'store_unavailable',
      `The bundle${typeof to === 'string' ? ` ${to}` : ''} is whole: keep it. Of its ${exported} connections ${moved} are gone here; the others must not be used in both places: import it here, then move again.${told}`,
      { cause: error },
    )
  }
}

/** A connection of a move: whose lease is held until the bundle is durable. */
interface Held {
  id: string
  generation: number
  /** `false`: it is dead, and nobody would refresh it. */
  leased: boolean
}

/** One export while it goes on. */
class Export {
  readonly #inside: Interior
  readonly #options: ExportOptions
  readonly #owner = `${ownerStart}${globalThis.crypto.randomUUID()}`
  readonly #held: Held[] = []
  readonly #notExported: NotExported[] = []
  readonly #notMoved: NotExported[] = []
  #exported = 0
  #moved = 0
  #heldSince: number | undefined
  #waitedMs = 0

  constructor(inside: Interior, options: ExportOptions) {
    this.#inside = inside
    this.#options = options
  }

  /** The content of the bundle. */
  async *lines(): AsyncGenerator<string> {
    const top: BundleTop = {
      ...{ toolgrant: 'connections', version: 1, tenant: this.#inside.tenant },
      ...{ exportedAt: new Date(this.#inside.now()).toISOString(), moved: this.#options.move === true },
    }
    yield `${JSON.stringify(top)}\n`
    for await (const page of this.#pages()) {
      for (const found of page) {
        const line = await this.#line(found)
        if (line !== undefined) yield `${line}\n`
      }
      // Lines of the audit log may wait in memory, but not those of a million connections.
      await this.#inside.audit.flush()
    }
    yield `${JSON.stringify({ end: this.#exported })}\n`
  }

  /** @throws {StoreError} `store_busy`: the leases of a move may have ended by now. */
  assertInTime(): void {
    if (this.#heldSince === undefined || performance.now() - this.#heldSince < longestMoveMs) return
    throw new StoreError(
      'store_busy',
      `A move has ${longestMoveMs / 60_000} minutes, and this one took longer. Nothing was moved. Take fewer connections at a time: filter by user or provider.`,
    )
  }

  /** @throws {StoreError} `store_busy`: what would replace another bundle is empty, and need not be. */
  assertSome(): void {
    const [first] = this.#notExported
    if (this.#options.overwrite !== true || this.#exported > 0 || first === undefined) return
    throw new StoreError('store_busy', `Nothing could be exported, and nothing was replaced. ${first.why}`)
  }

  /** Prolongs the leases until it is told to stop. What was lost meanwhile is noticed before it is deleted. */
  async hold(everyMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(everyMs, signal)
      for (let at = 0; at < this.#held.length && !signal.aborted; at += 1) {
        const { id, leased } = this.#held[at] ?? {}
        if (id !== undefined && leased === true) await this.#prolong(id).catch(() => {})
        if (at % 20 === 19) await pause(0, signal)
      }
    }
  }

  async #prolong(id: string): Promise<boolean> {
    return this.#inside.store.extendLease(id, this.#owner, holdMs)
  }

  /** Deletes what was exported, as long as it is what was exported. */
  async remove(): Promise<void> {
    for (const held of this.#held) {
      const row = await this.#removeRow(held)
      if (row === undefined) this.#moved += 1
      else
        this.#notMoved.push(
          named(
            row,
            'It was changed here after it was exported, and stays: do not import it, export it again.',
          ),
        )
    }
  }

  /** Gives everything free again, for an export that failed. */
  async release(): Promise<void> {
    for (const { id } of this.#held) await this.#inside.store.releaseLease(id, this.#owner)
  }

  /** Writes down how the whole went; each connection has a line of its own. */
  async audit(outcome: string): Promise<void> {
    const detail = { connections: this.#exported, moved: this.#moved }
    this.#inside.audit.record({ action: 'export', outcome, detail })
    await this.#inside.audit.flush()
  }

  result(): Exported {
    return {
      ...{ exported: this.#exported, moved: this.#moved },
      ...{ notExported: this.#notExported, notMoved: this.#notMoved },
    }
  }

  async *#pages(): AsyncGenerator<readonly ConnectionRow[]> {
    const { store, tenant } = this.#inside
    const { user, provider, account } = this.#options.filter ?? {}
    let after: RowAddress | undefined
    for (;;) {
      this.#options.signal?.throwIfAborted()
      this.assertInTime()
      const page = await store.list({ tenant, user, provider, account }, { after, limit: pageSize })
      yield page
      after = page.at(-1)
      if (after === undefined || page.length < pageSize) return
    }
  }

  /** The line of a row; `undefined` when it is not to be had. */
  async #line(found: ConnectionRow): Promise<string | undefined> {
    const row = await this.#settled(found)
    if (row === undefined) return undefined
    const tokens = await this.#tokens(row)
    if (tokens === undefined) return undefined
    const line: BundledConnection = {
      ...{ id: row.id, user: row.user, provider: row.provider, account: row.account },
      ...{ status: row.status === 'active' ? 'active' : 'needs_reconnect', reason: row.reason },
      ...{ generation: row.generation, grantedAt: row.grantedAt, usedAt: row.usedAt },
      ...{ createdAt: row.createdAt, updatedAt: row.updatedAt, tokens },
    }
    this.#exported += 1
    this.#inside.audit.record(exportedEntry(row, this.#options.move === true))
    return JSON.stringify(line)
  }

  async #tokens(row: ConnectionRow): Promise<string | undefined> {
    const { sealed, store } = this.#inside
    try {
      let isFirst = true
      return await sealed.reading(async () => {
        // Sealed with another key since it was listed: as it is by now.
        const current = isFirst ? row : await store.get(row.id)
        isFirst = false
        return sealed.open(current?.generation === row.generation ? current : row).serialize()
      })
    } catch (error) {
      if (!(error instanceof KeyError)) throw error
      this.#notExported.push(named(row, error.message))
      return undefined
    }
  }

  /** The row when no refresh is under way; for a move, with the lease on it. */
  async #settled(found: ConnectionRow): Promise<ConnectionRow | undefined> {
    const { store } = this.#inside
    const begun = performance.now()
    for (let row: ConnectionRow | undefined = found; ; row = await store.get(found.id)) {
      if (row === undefined || row.status === 'revoked') {
        const why =
          'It is being disconnected; or a move of it was killed, and its bundle has it: import that one.'
        this.#notExported.push(named(found, why))
        return undefined
      }
      const ready = await this.#hold(row)
      if (ready !== undefined) return ready
      if (!this.#isPatient(row, begun)) {
        const why =
          'A refresh of it is under way, or was interrupted: ask for its token once, then export again.'
        this.#notExported.push(named(found, why))
        return undefined
      }
      await pause(100, this.#options.signal ?? new AbortController().signal)
      this.#options.signal?.throwIfAborted()
    }
  }

  /** Whether to go on waiting for a row; for what another export holds as long as that may take, but once only. */
  #isPatient({ leaseOwner }: ConnectionRow, begun: number): boolean {
    const waitedMs = performance.now() - begun
    if (!leaseOwner?.startsWith(ownerStart)) return waitedMs <= settleMs
    if (this.#waitedMs + waitedMs <= patienceMs) return true
    this.#waitedMs += waitedMs
    return false
  }

  /** The row, unless its refresh token may be spent any moment, or was spent with an outcome that nobody knows. */
  async #hold(row: ConnectionRow): Promise<ConnectionRow | undefined> {
    const { store } = this.#inside
    const isLeased = row.leaseUntil !== null && row.leaseUntil > store.now()
    if (this.#options.move !== true) return isLeased && row.intentAt !== null ? undefined : row
    if (row.status !== 'active') {
      this.#held.push({ id: row.id, generation: row.generation, leased: false })
      return row
    }
    const held = await store.acquireLease(row.id, row.generation, this.#owner, holdMs)
    if (held === undefined) return undefined
    if (held.intentAt !== null) {
      await store.releaseLease(row.id, this.#owner)
      return undefined
    }
    this.#heldSince ??= performance.now()
    this.#held.push({ id: held.id, generation: held.generation, leased: true })
    return held
  }

  /** Deletes a row. Returns it when it may be another than the one that was exported: then it stays. */
  async #removeRow({ id, generation }: Held): Promise<ConnectionRow | undefined> {
    const { store, cache, sealed, events } = this.#inside
    const current = await store.get(id)
    if (current === undefined) return undefined
    const isHeld =
      current.status === 'needs_reconnect' ||
      (current.leaseOwner === this.#owner && (await this.#prolong(id)))
    if (!isHeld || current.generation !== generation) return current
    const marked = await store.markRevoked(id)
    if (marked === undefined) return undefined
    if (marked.generation !== generation) return this.#restore(marked)
    const note = JSON.stringify({ by: 'move', revoked: false })
    await events.record({ type: 'revoked', id, generation }, async () =>
      (await store.deleteRevoked(id, note)) ? marked : undefined,
    )
    cache.forget(marked.user, marked.provider, marked.account)
    sealed.forget(id)
    return undefined
  }

  /** Somebody consented between the last look and the mark: the grant is kept as it is, as one more generation. */
  async #restore(row: ConnectionRow): Promise<ConnectionRow> {
    const { store, sealed } = this.#inside
    const generation = row.generation + 1
    await sealed.writing(async () => {
      const grant = sealed.seal({ ...row, generation }, sealed.open(row))
      return store.putGrant({ ...addressOf(row), ...grant, id: row.id, generation })
    })
    return row
  }
}

function addressOf({ tenant, user, provider, account }: ConnectionRow): RowAddress {
  return { tenant, user, provider, account }
}

function named({ id, user, provider, account }: ConnectionRow, why: string): NotExported {
  return { id, user, provider, account, why }
}

function exportedEntry({ id, user, provider, account }: ConnectionRow, move: boolean): AuditEntry {
  return {
    ...{ action: 'export', outcome: 'ok', user, detail: { move } },
    connections: [{ id, provider, account }],
  }
}
