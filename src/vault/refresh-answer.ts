// What the provider answered, on its way into the store: saved by compare-and-set, however long that takes, and never
// over something newer. Nobody sees tokens before they are durable.
import { KeyError, StoreError } from '../errors.ts'
import type { Registration, TokenSet } from '../oauth/index.ts'
import { notConnected } from './connection-errors.ts'
import { answeredNote, historyNote, type RefreshedNote, readHistoryNote } from './history-note.ts'
import type { RefreshLease } from './refresh-lease.ts'
import type { RefreshParts } from './refresh-parts.ts'
import type { ConnectionRow, Store } from './store.ts'

/** How long callers wait for a full or locked store, in milliseconds. The vault goes on trying. */
const waitLimitMs = 5000
/** How long a vault that is being closed goes on trying, in milliseconds. */
const closingLimitMs = 10_000
/** Longest pause between two tries, in milliseconds: whoever takes over waits longer. See {@link takeoverMs}. */
const longestPauseMs = 400
/**
 * Who takes over a refresh that was interrupted holds its lease for so long before it sends, in milliseconds: an owner that
 * lives and has the answer saves it in that time, once the store is able to, and then nothing is sent.
 */
export const takeoverMs = 1000
/** Providers' clocks that differ by less say nothing about which answer came first. */
const clockStepMs = 2000

/** Tokens that the provider issued, and that nobody has saved yet. */
export class RefreshAnswer {
  readonly #parts: RefreshParts
  readonly #lease: RefreshLease
  readonly #registration: Registration
  readonly #spent: TokenSet
  readonly #tokens: TokenSet
  readonly #ms: number

  /** @param spent whose refresh token was sent. */
  constructor(
    parts: RefreshParts,
    lease: RefreshLease,
    registration: Registration,
    spent: TokenSet,
    tokens: TokenSet,
  ) {
    this.#parts = parts
    this.#lease = lease
    this.#registration = registration
    this.#spent = spent
    this.#tokens = tokens
    this.#ms = lease.sentAgoMs
  }

  /**
   * Saves it. `undefined`: somebody has something newer by now.
   *
   * @throws {AuthorizationRequiredError} the connection was disconnected meanwhile; {@link StoreError}.
   */
  async save(): Promise<TokenSet | undefined> {
    let base = this.#lease.row
    for (;;) {
      const { id, generation } = base
      const before = base
      const scopesChanged = this.#changesScopes(base)
      const change = { type: 'refreshed', id, generation: generation + 1, scopesChanged } as const
      if ((await this.#parts.record(change, () => this.#write(before))) !== undefined) return this.#tokens
      const current = await this.#parts.store.get(id)
      if (current === undefined || current.status === 'revoked') {
        await this.#abandon(before)
        throw notConnected(before)
      }
      if (!(await this.#isNewerThan(current))) {
        await this.#lease.release()
        return undefined
      }
      base = current
    }
  }

  #write(base: ConnectionRow): Promise<ConnectionRow | undefined> {
    const { store, sealed, now } = this.#parts
    const { id, generation, usedAt, grantedAt } = base
    const { provider } = this.#registration
    return sealed.writing(async () => {
      const renewedAt = store.now()
      const life = { provider, usedAt, grantedAt, renewedAt, aheadMs: renewedAt - now() }
      const grant = sealed.seal({ ...base, generation: generation + 1 }, this.#tokens, life)
      const saved = await store.saveTokens(id, this.#lease.owner, generation, grant, this.#note(base))
      if (!saved) return this.#alreadySaved(base)
      const fresh = { status: 'active', reason: null, failures: 0, retryAt: null } as const
      return { ...base, ...grant, ...fresh, generation: generation + 1, updatedAt: store.now() }
    })
  }

  /** A store whose acknowledgement was lost may have taken it all the same. */
  async #alreadySaved({ id, generation }: ConnectionRow): Promise<ConnectionRow | undefined> {
    const current = await this.#parts.store.get(id)
    if (current?.generation !== generation + 1 || current.status !== 'active') return undefined
    const { accessToken, refreshToken } = this.#parts.sealed.open(current)
    const same = accessToken === this.#tokens.accessToken && refreshToken === this.#tokens.refreshToken
    return same ? current : undefined
  }

  #note(base: ConnectionRow): string {
    const { sentAt, providerTime, mayBeLost } = this.#lease
    const { refreshToken, scopes } = this.#tokens
    return historyNote('refreshed', {
      ...{ ms: this.#ms, origin: this.#parts.store.origin },
      rotated: refreshToken !== this.#spent.refreshToken,
      ...(this.#changesScopes(base) ? { scopes } : {}),
      ...(sentAt === undefined ? {} : { sentAt }),
      ...(mayBeLost ? { late: true } : {}),
      ...(providerTime === undefined ? {} : { answeredAt: providerTime }),
      ...answeredNote(this.#tokens),
    })
  }

  #changesScopes({ scopes }: ConnectionRow): boolean {
    const before: readonly string[] = JSON.parse(scopes)
    const now = new Set(this.#tokens.scopes)
    return now.size !== new Set(before).size || before.some((scope) => !now.has(scope))
  }

  /**
   * Two processes spent one refresh token, because one of them stood still: the answer that the provider gave last
   * counts. By the provider's clock; else by when the requests left, because a process that stood still reads late what
   * was answered early. A new consent counts more than any refresh of the grant before it.
   */
  async #isNewerThan(current: ConnectionRow): Promise<boolean> {
    if (current.grantedAt !== this.#lease.row.grantedAt) return false
    const { sentAt = 0, providerTime } = this.#lease
    const theirs = await refreshedNote(this.#parts.store, current)
    if (providerTime !== undefined && theirs?.answeredAt !== undefined) {
      const laterMs = providerTime - theirs.answeredAt
      if (Math.abs(laterMs) >= clockStepMs) return laterMs > 0
    }
    return sentAt > (theirs?.sentAt ?? current.receivedAt)
  }

  /**
   * They must not live on; unless the person has connected again meanwhile, because at some providers revoking one token
   * ends all that the client has for that person.
   */
  async #abandon({ tenant, user, provider }: ConnectionRow): Promise<void> {
    const { store, abandon } = this.#parts
    const isUnwanted = async () => {
      const others = await store.find(tenant, user, provider)
      return !others.some(({ status }) => status === 'active')
    }
    if (await isUnwanted()) await abandon(this.#registration, this.#tokens, isUnwanted)
  }
}

/**
 * Whether two processes may have spent the refresh token that brought a row's tokens, so that the provider may have ended
 * the grant for it: they were saved by a process that stood still (it said so, or stood still in the very saving, after
 * another had found the grant dead); or by one that took over from a process that may have been about to send.
 */
export async function mayBeSpentTwice(
  store: Pick<Store, 'history'>,
  { id, generation }: ConnectionRow,
): Promise<boolean> {
  const entries = await store.history(id)
  const at = entries.findLastIndex((entry) => entry.type === 'refreshed' && entry.generation === generation)
  const [before, entry] = [entries[at - 1], entries[at]]
  if (entry === undefined) return false
  if (before?.type === 'needs_reconnect' || readHistoryNote(entry, 'refreshed')?.late === true) return true
  return before?.type === 'lease_taken_over' && readHistoryNote(before, 'lease_taken_over')?.intent === true
}

/** What history says of the refresh that brought a row's tokens; `undefined` when a consent did. */
export async function refreshedNote(
  store: Pick<Store, 'history'>,
  { id, generation }: ConnectionRow,
): Promise<Partial<RefreshedNote> | undefined> {
  const entries = await store.history(id)
  const entry = entries.findLast((found) => found.type === 'refreshed' && found.generation === generation)
  return entry === undefined ? undefined : readHistoryNote(entry, 'refreshed')
}

/**
 * Does what must reach the store again and again until the store is able to, and the key to seal it with is found: it may
 * have been retired meanwhile. A vault that is being closed tries for a
 * few seconds more: the only new refresh token may depend on it.
 *
 * @param onTrouble hears of the first failure.
 * @throws {StoreError} the store was closed, or stayed unable while the vault was being closed.
 */
export async function untilStored<T>(
  { sleep }: Pick<RefreshParts, 'sleep'>,
  closing: AbortSignal,
  write: () => Promise<T>,
  onTrouble: (error: StoreError | KeyError) => void = () => {},
): Promise<T> {
  const never = new AbortController().signal
  let closingMs = 0
  for (let pauseMs = 25; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      return await write()
    } catch (error) {
      if (!mayPass(error)) throw error
      if (pauseMs === 25) onTrouble(error)
      if (closing.aborted) closingMs += pauseMs
      if (closingMs > closingLimitMs) throw error
      await sleep(pauseMs, closing.aborted ? never : closing)
    }
  }
}

/** What is not authentic stays so; every other trouble with store or key somebody can mend while this process lives. */
function mayPass(error: unknown): error is StoreError | KeyError {
  if (error instanceof KeyError) return error.code !== 'sealed_data_invalid'
  return error instanceof StoreError && error.code !== 'closed'
}

/**
 * Waits until the store has taken something, for a limited time: nobody sees tokens that are not durable.
 *
 * @throws {StoreError} `store_unavailable` when the store takes longer; it goes on being tried.
 */
export async function storedWithin<T>(
  storing: Promise<T>,
  { sleep }: Pick<RefreshParts, 'sleep'>,
  closing: AbortSignal,
): Promise<T> {
  const done = new AbortController()
  const limit = sleep(waitLimitMs, AbortSignal.any([done.signal, closing])).then(() => {
    if (closing.aborted) return storing
    throw new StoreError(
      'store_unavailable',
      'The provider’s answer to a refresh was received but cannot be stored. It is kept in memory and tried again: mend the store (space, permissions) before this process ends.',
    )
  })
  try {
    return await Promise.race([storing, limit])
  } finally {
    done.abort()
    limit.catch(() => {})
  }
}
