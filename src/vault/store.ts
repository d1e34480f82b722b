// The vault's plain persistence seam: what a store keeps, and the few atomic steps that the vault is built on.
// A store knows nothing of keys, tokens or HTTP. Every store passes `store.contract.ts` unchanged.

/** The longest lease, in milliseconds. One that ends later was written before the clock went back, and is over. */
export const longestLeaseMs = 600_000

/** A store that needs no waiting answers at once, so that a read costs no turn of the event loop. */
export type Awaitable<T> = T | Promise<T>

/** Whether a connection can be used: the grant is alive, dead until a person consents again, or being disconnected. */
export type ConnectionStatus = 'active' | 'needs_reconnect' | 'revoked'

/** Where a connection is: the four together are unique. Any text; a store treats it as data. */
export interface RowAddress {
  tenant: string
  user: string
  provider: string
  account: string
}

/** Narrows a listing; a member left out matches everything. */
export interface RowFilter {
  tenant: string
  user?: string | undefined
  provider?: string | undefined
  account?: string | undefined
}

/** What one token answer changes on a row. Instants are milliseconds since 1970. */
export interface Grant {
  /** JSON array of the scopes granted. */
  scopes: string
  /** `null`: the provider named no end. */
  expiresAt: number | null
  receivedAt: number
  /** From when on a refresh is due; `null` when the grant cannot be renewed, or never ends. */
  refreshDueAt: number | null
  /** The sealed tokens. */
  sealed: Uint8Array
}

/** One connection as it is stored. Nothing in the clear is secret. Instants are milliseconds since 1970. */
export interface ConnectionRow extends RowAddress, Grant {
  id: string
  /** Grows by one with each saved token set, and never shrinks. */
  generation: number
  status: ConnectionStatus
  /** Why it is in that status, or why the last refresh failed; one word. */
  reason: string | null
  /** Who may refresh right now; `null` when nobody is about to. */
  leaseOwner: string | null
  leaseUntil: number | null
  /** Set before a refresh request is sent and cleared by its answer: left behind, the outcome is unknown. */
  intentAt: number | null
  /** Which refresh token that request spent: its fingerprint. */
  intentHash: string | null
  /** Failed refreshes in a row. */
  failures: number
  /** Before this, nobody tries again. */
  retryAt: number | null
  /** When a person last consented. */
  grantedAt: number
  createdAt: number
  updatedAt: number
}

/** What reading a token needs of a row, and nothing that would have to be decoded for it. */
export type TokenRow = RowAddress &
  Pick<ConnectionRow, 'id' | 'generation' | 'status' | 'refreshDueAt' | 'retryAt' | 'sealed'>

/** A grant that a person has just given. */
export interface NewGrant extends RowAddress, Grant {
  id: string
  /** 1 for a new connection; the stored generation plus one for one that is replaced. */
  generation: number
}

/** A refresh that did not work out. */
export interface RefreshFailure {
  /** One word. */
  reason: string
  /** Milliseconds from now, by the store's clock. */
  retryInMs: number
  /** The request may have been carried out: the intent stays. */
  uncertain: boolean
}

/**
 * Keeps connections. Each method is one atomic step, durable when it returns; none waits for a lock with the event
 * loop blocked. Time for leases and back-off is the store's own clock, which every process sees alike.
 *
 * Every method may throw {@link StoreError}; after `close` all throw `closed`.
 */
export interface Store {
  /** The place, for messages: a path, never a password. */
  readonly name: string

  /** The row of that id. */
  get(id: string): Awaitable<ConnectionRow | undefined>
  /** The rows of one user at one provider, by account: what every token is read with, so it has to be quick. */
  find(tenant: string, user: string, provider: string, account?: string): Awaitable<readonly TokenRow[]>
  /** The rows that match, by user, provider and account. */
  list(filter: RowFilter): Awaitable<readonly ConnectionRow[]>

  /**
   * Keeps a grant: inserts generation 1, or replaces the generation before the one given. Clears lease, intent,
   * failures and status.
   *
   * @returns `false` when the row is not at that generation (somebody else was faster): nothing was changed.
   */
  putGrant(grant: NewGrant): Awaitable<boolean>

  /**
   * Takes the lease of an active row, in one conditional step: generation unchanged, and the lease free, expired, or
   * longer than {@link longestLeaseMs} from now.
   *
   * @returns the row with the lease on it and the intent that an earlier owner left; `undefined` when it is not to be had.
   */
  acquireLease(
    id: string,
    generation: number,
    owner: string,
    leaseMs: number,
  ): Awaitable<ConnectionRow | undefined>
  /** Prolongs a lease that is still the owner's. `false`: it is somebody else's by now. */
  extendLease(id: string, owner: string, leaseMs: number): Awaitable<boolean>
  /** Frees a lease that is still the owner's. An intent stays: it may be that of an earlier owner. */
  releaseLease(id: string, owner: string): Awaitable<boolean>
  /**
   * Writes down, before a request is sent, that a refresh token is about to be spent; prolongs the lease.
   *
   * @returns `false` when the lease or the generation is not the owner's any more: do not send.
   */
  writeIntent(
    id: string,
    owner: string,
    generation: number,
    intentHash: string,
    leaseMs: number,
  ): Awaitable<boolean>
  /**
   * Saves the answer to a refresh of `generation` as `generation + 1`, and frees the lease if it is still the
   * owner's. A late owner saves too, as long as nobody saved anything newer, and leaves the lease of another alone.
   *
   * @returns `false` when the row is gone, revoked or at another generation: nothing was changed.
   */
  saveTokens(id: string, owner: string, generation: number, grant: Grant): Awaitable<boolean>
  /** Counts a failure, sets back-off and frees the lease. `false`: not the owner's any more, nothing was changed. */
  recordFailure(id: string, owner: string, generation: number, failure: RefreshFailure): Awaitable<boolean>
  /** Marks the grant dead and frees the lease. `false`: not the owner's any more, nothing was changed. */
  markNeedsReconnect(id: string, owner: string, generation: number, reason: string): Awaitable<boolean>

  /** Marks a row as being disconnected: from now on nobody refreshes it or saves to it. Returns it as it was last saved. */
  markRevoked(id: string): Awaitable<ConnectionRow | undefined>
  /** Deletes a row that is marked revoked. `false`: it is not, or not any more (a person has just consented again). */
  deleteRevoked(id: string): Awaitable<boolean>

  /** Keeps a pending authorization until `expiresAt`; drops those that are over. */
  putPending(key: string, sealed: Uint8Array, expiresAt: number): Awaitable<void>
  /** Takes a pending authorization: the first caller gets it, once. */
  takePending(key: string): Awaitable<Uint8Array | undefined>

  /** A named value about the whole store. */
  getMeta(name: string): Awaitable<Uint8Array | undefined>
  /** Writes a named value unless there is one. `false`: there was. */
  putMetaIfAbsent(name: string, value: Uint8Array): Awaitable<boolean>

  /** Closes the store; what is under way in other processes is not touched. */
  close(): Awaitable<void>
}
