// The vault's plain persistence seam: what a store keeps, and the few atomic steps that the vault is built on.
// A store knows nothing of keys, tokens or HTTP. Every store passes `store.contract.ts` unchanged.

/** The longest lease, in milliseconds. One that ends later was written before the clock went back, and is over. */
export const longestLeaseMs = 600_000

/** A store that needs no waiting answers at once, so that a read costs no turn of the event loop. */
export type Awaitable<T> = T | Promise<T>

/** Whether a connection can be used: the grant is alive, dead until a person consents again, or being disconnected. */
export type ConnectionStatus = 'active' | 'needs_reconnect' | 'revoked'

/** Where a connection is: the four together are unique. Any text without NUL; a store treats it as data. */
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

/** Part of a listing. */
export interface Page {
  /** The listing goes on behind this row. Left out: from the first. */
  after?: Pick<RowAddress, 'user' | 'provider' | 'account'> | undefined
  /** At most so many rows. */
  limit: number
}

/** What one token answer changes on a row. Instants are milliseconds since 1970. */
export interface Grant {
  /** JSON array of the scopes granted. */
  scopes: string
  /** `null`: the provider named no end. */
  expiresAt: number | null
  receivedAt: number
  /** From when on a reader has it refreshed; `null` when the grant cannot be renewed, or never ends. */
  refreshDueAt: number | null
  /** When the scheduler looks at it next: `refreshDueAt`, or later for a grant that nobody uses; `null`: never. */
  dueAt: number | null
  /** The key that sealed the tokens. It has to be known to the store: see {@link Store.addKey}. */
  keyId: string
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
  /** When somebody last asked for its tokens, to within an hour or so; consent counts. */
  usedAt: number
  createdAt: number
  updatedAt: number
}

/** What reading a token needs of a row, and nothing that would have to be decoded for it. */
export type TokenRow = RowAddress &
  Pick<ConnectionRow, 'id' | 'generation' | 'status' | 'refreshDueAt' | 'retryAt' | 'usedAt' | 'sealed'>

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

/** What can be read in a connection's history. */
export type HistoryType =
  | 'connected'
  | 'refreshed'
  | 'refresh_failed'
  | 'lease_taken_over'
  | 'needs_reconnect'
  | 'revoked'

/** One line of a connection's history, written in the same atomic step as what it tells of. No secret in it. */
export interface HistoryEntry extends RowAddress {
  /** Grows with each entry of a connection; unique in the store. */
  seq: number
  connectionId: string
  type: HistoryType
  /** The generation after it. */
  generation: number
  /** Why a refresh failed, or why a person is needed: one word; else `null`. */
  reason: string | null
  /** When, by the store's clock. */
  at: number
  /** The same failure happened again, `count` times in all: when last. Else as `at`. */
  lastAt: number
  count: number
  /** JSON object of what else there is to say, of the last time; `null` for nothing. */
  note: string | null
}

/** How many entries of one connection's history are kept, about: older ones are dropped. */
export const historyLimit = 100

/** The earliest time at which the scheduler has something to do for a provider. */
export interface ProviderDue {
  provider: string
  dueAt: number
}

/** A sealing key as the store knows it: never the key itself. */
export interface StoredKey {
  id: string
  /** Whether it seals what is written from now on. One key does. */
  primary: boolean
  /** A known text sealed with it: whoever opens that has the right key. Empty: not known, in a vault of an older version. */
  check: Uint8Array
  /** The key itself, wrapped by a key management service; `null` when it is kept elsewhere. */
  wrapped: Uint8Array | null
  createdAt: number
}

/** How much is sealed with a key. */
export interface KeyUse {
  keyId: string
  connections: number
  /** Pending authorizations and named values. */
  others: number
}

/** One line of a tenant's audit log. `hash` covers the line and the hash before it. */
export interface AuditLine {
  /** 1, 2, 3, … within the tenant. */
  seq: number
  /** When, in milliseconds since 1970. */
  at: number
  /** JSON. */
  entry: string
  hash: Uint8Array
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
  /**
   * Text without a meaning of its own that changes when what is stored is copied or restored to another place: it tells
   * a grant that died after that from one that a person ended. Absent where a store cannot tell.
   */
  readonly origin?: string

  /** The store's clock in milliseconds since 1970, as well as it is known here: all processes on a store share it. */
  now(): number

  /** The row of that id. */
  get(id: string): Awaitable<ConnectionRow | undefined>
  /** The rows of one user at one provider, by account: what every token is read with, so it has to be quick. */
  find(tenant: string, user: string, provider: string, account?: string): Awaitable<readonly TokenRow[]>
  /** The rows that match, by user, provider and account in the order of their UTF-8 bytes. */
  list(filter: RowFilter, page?: Page): Awaitable<readonly ConnectionRow[]>
  /** The history of a connection, oldest first: at most the last {@link historyLimit} entries. */
  history(id: string): Awaitable<readonly HistoryEntry[]>
  /**
   * Says that somebody asked for the tokens of these rows just now; an idle one becomes due when it has to be renewed:
   * at `refreshDueAt`, or when its back-off is over. What is due earlier stays so. Many rows may take several steps.
   */
  touch(ids: readonly string[]): Awaitable<void>

  /**
   * Keeps a grant: inserts generation 1, or replaces the generation before the one given. Clears lease, intent,
   * failures and status; counts as use. History: `connected`.
   *
   * @returns `false` when the row is not at that generation (somebody else was faster): nothing was changed.
   * @throws {KeyError} `key_retired` when the store does not know the key: so do all that write something sealed.
   */
  putGrant(grant: NewGrant, note?: string | null): Awaitable<boolean>

  /** For each provider with rows to look after, when the earliest of them is due. Costs no more for more rows. */
  nextDue(tenant: string): Awaitable<readonly ProviderDue[]>
  /**
   * Takes rows that are due, and makes them due again in `claimMs`: of several schedulers each gets others, and those
   * of one that dies come up again. The longest overdue comes first. `claimMs`: at most {@link longestLeaseMs}.
   */
  claimDue(
    tenant: string,
    provider: string,
    limit: number,
    claimMs: number,
  ): Awaitable<readonly ConnectionRow[]>

  /**
   * Takes the lease of an active row, in one conditional step: generation unchanged, and the lease free, expired, or
   * longer than {@link longestLeaseMs} from now. History: `lease_taken_over` when another's had run out.
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
   * Writes down, before a request is sent, that a refresh token is about to be spent; prolongs the lease, and makes a row
   * that the scheduler looks after due when the lease ends at the latest: somebody has to follow an owner that dies.
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
   * History: `refreshed`.
   *
   * @returns `false` when the row is gone, revoked or at another generation: nothing was changed.
   */
  saveTokens(
    id: string,
    owner: string,
    generation: number,
    grant: Grant,
    note?: string | null,
  ): Awaitable<boolean>
  /**
   * Counts a failure, sets back-off, makes the row due when that is over, and frees the lease. History: `refresh_failed`,
   * or one more in the count of the last entry when that is a failure of the same reason.
   *
   * @returns `false` when the lease is not the owner's any more: nothing was changed.
   */
  recordFailure(
    id: string,
    owner: string,
    generation: number,
    failure: RefreshFailure,
    note?: string | null,
  ): Awaitable<boolean>
  /** Marks the grant dead and frees the lease. History: `needs_reconnect`. `false`: not the owner's any more, nothing was changed. */
  markNeedsReconnect(
    id: string,
    owner: string,
    generation: number,
    reason: string,
    note?: string | null,
  ): Awaitable<boolean>

  /** Marks a row as being disconnected: from now on nobody refreshes it or saves to it. Returns it as it was last saved. */
  markRevoked(id: string): Awaitable<ConnectionRow | undefined>
  /**
   * Deletes a row that is marked revoked, and its history but for one entry: `revoked`, which goes after a day.
   *
   * @returns `false` when it is not marked, or not any more (a person has just consented again).
   */
  deleteRevoked(id: string, note?: string | null): Awaitable<boolean>

  /**
   * Keeps a pending authorization until `expiresAt`; drops those that are over. `person`: whose it is, as a fingerprint;
   * `null` when nobody said.
   */
  putPending(
    key: string,
    sealed: Uint8Array,
    expiresAt: number,
    keyId: string,
    person?: string | null,
  ): Awaitable<void>
  /** Takes a pending authorization: the first caller gets it, once. */
  takePending(key: string): Awaitable<Uint8Array | undefined>
  /**
   * Drops what is left of a user besides connections: the pending authorizations put under `person`, and the entries
   * that {@link Store.deleteRevoked} leaves. The history of a connection that exists stays.
   *
   * @returns how many pending authorizations there were.
   */
  forgetUser(tenant: string, user: string, person: string): Awaitable<number>

  /** A named value about the whole store. */
  getMeta(name: string): Awaitable<Uint8Array | undefined>
  /** Writes a named value unless there is one; `keyId` when it is sealed. `false`: there was. */
  putMetaIfAbsent(name: string, value: Uint8Array, keyId?: string | null): Awaitable<boolean>
  /** Replaces a named value that is still `before`. `false`: it is not. */
  replaceMeta(name: string, before: Uint8Array, value: Uint8Array, keyId?: string | null): Awaitable<boolean>

  /** The keys that may seal here, the primary first, then the oldest first. Empty for a new store. */
  keys(): Awaitable<readonly StoredKey[]>
  /**
   * Makes a key known; the first one is the primary. One that is known without a check text gets this.
   *
   * @returns `false` when it is known already: nothing was changed.
   */
  addKey(key: Pick<StoredKey, 'id' | 'check' | 'wrapped'>): Awaitable<boolean>
  /** Makes a known key the primary, and the one before it an older one. `false`: it is not known. */
  makePrimary(keyId: string): Awaitable<boolean>
  /**
   * Forgets a key, in one step with the proof that nothing is sealed with it: what is written with it from then on is
   * refused with `key_retired`. `false`: it is the primary, not known, or something is sealed with it.
   */
  removeKey(keyId: string): Awaitable<boolean>
  /** How much is sealed with each key, in the order of {@link Store.keys}. What is over does not count. */
  keyUse(): Awaitable<readonly KeyUse[]>
  /** Rows of all tenants that another key than this one seals; at most `limit`. */
  sealedOtherwise(keyId: string, limit: number): Awaitable<readonly ConnectionRow[]>
  /** Names of the sealed named values that another key than this one seals. */
  metaSealedOtherwise(keyId: string): Awaitable<readonly string[]>
  /**
   * Puts the same tokens, sealed anew, in place of `before`.
   *
   * @returns `false` when the row holds something else by now: nothing was changed.
   */
  reseal(id: string, before: Uint8Array, sealed: Uint8Array, keyId: string): Awaitable<boolean>

  /** The last line of a tenant's audit log. */
  auditHead(tenant: string): Awaitable<AuditLine | undefined>
  /** Appends lines; the first follows the last that is there. `false`: it does not (somebody was faster), nothing was changed. */
  appendAudit(tenant: string, lines: readonly AuditLine[]): Awaitable<boolean>
  /** At most `limit` lines behind the line `afterSeq` (0: from the first), in order. */
  auditLines(tenant: string, afterSeq: number, limit: number): Awaitable<readonly AuditLine[]>

  /**
   * Hears of history entries as they are committed, this process's own included, in order per connection; of a failure
   * that is counted once more too. Absent where
   * a store cannot tell of other processes.
   *
   * @param onGap entries may have been missed (a lost connection): what was cached is to be looked at again.
   * @returns a function that stops it; `undefined` when the store cannot tell at this place (a pooler in between).
   */
  watch?(
    listener: (entry: HistoryEntry) => void,
    onGap: () => void,
  ): Promise<(() => Promise<void>) | undefined>

  /** Closes the store; what is under way in other processes is not touched. */
  close(): Awaitable<void>
}
