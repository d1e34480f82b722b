// What refreshing works with. Clock, chance, waiting and requests are given, so that a simulation can drive all of it.
import type { Registration, TokenSet } from '../oauth/index.ts'
import type { Change } from './event-stream.ts'
import type { ProviderGates } from './provider-gate.ts'
import type { SealedTokens } from './sealed-tokens.ts'
import type { ConnectionRow, Store } from './store.ts'

/** What a refresh request has to do with the lease it is sent under. */
export interface Sending {
  /** Whose refresh it is. */
  readonly row: Pick<ConnectionRow, 'id'>
  /**
   * Call it as the very last thing before the request leaves.
   *
   * @throws when it must not leave: this process stood still, and the lease may be another's by now.
   */
  assertInTime(): Promise<void>
  /** Takes the provider's own clock, from the `Date` of its answer, in milliseconds since 1970. */
  answeredAt(date: number): void
}

/** What refreshing needs from the vault. */
export interface RefreshParts {
  store: Store
  sealed: SealedTokens
  gates: ProviderGates
  /** Our registration at a provider. */
  registration: (providerId: string) => Promise<Registration>
  /** Finds out where to send it, which may take a request of its own: done before the intent, not between it and the request. */
  prepare: (registration: Registration) => Promise<Registration>
  /** Sends one refresh request. It must end by itself: nothing else stops it. */
  refresh: (registration: Registration, tokens: TokenSet, sending: Sending) => Promise<TokenSet>
  /**
   * Takes tokens that arrived after their connection was disconnected: they must not live on, as long as `isUnwanted` says
   * that the person has not connected again.
   */
  abandon: (registration: Registration, tokens: TokenSet, isUnwanted: () => Promise<boolean>) => Promise<void>
  /** Makes a change of a row, and tells of it when there was one: {@link EventStream.record}. */
  record: (
    change: Change,
    write: () => Promise<ConnectionRow | undefined>,
  ) => Promise<ConnectionRow | undefined>
  /** Hears that the store is unable to take an answer. It is kept, and tried again. */
  unsaved: (row: ConnectionRow, error: unknown) => void
  /** The clock that expiry is judged by, in milliseconds since 1970. Leases and pauses go by the store's. */
  now: () => number
  /** 0 to 1. */
  random: () => number
  /** Resolves after that time, or when the signal aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** How long a lease lasts unless it is extended, in milliseconds. */
  leaseMs: number
  /** How long callers wait for the refresh of one other process, in milliseconds. */
  waitMs: number
}
