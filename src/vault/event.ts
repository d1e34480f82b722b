// What a vault tells its operator: changes of connections, without secrets.
import type { Connection } from './connection.ts'

/** What happened: see {@link VaultEvent}. */
export type VaultEventType =
  | 'connected'
  | 'refreshed'
  | 'scope_changed'
  | 'refresh_failed'
  | 'needs_reconnect'
  | 'revoked'

/**
 * Something happened to a connection.
 *
 * - `connected`: a person consented, for the first time or again.
 * - `refreshed`: a fresh token set was saved. `scope_changed`: and it covers other scopes than before.
 * - `refresh_failed`: the connection is kept; `error` says why. A token that is still valid goes on being served.
 * - `needs_reconnect`: the grant is dead. Once, over all processes.
 * - `revoked`: the connection was disconnected and deleted.
 */
export interface VaultEvent {
  type: VaultEventType
  /** As it is after the event. Of another process's event: status, reason and generation as then, the rest as it is by now. */
  connection: Connection
  /** What went wrong, for `refresh_failed` and `needs_reconnect` that happened here. */
  error?: unknown
  /**
   * Whether this vault did it. On PostgreSQL a subscriber hears of all processes: what is to be done once, such as a
   * mail to the person, is for the one that is told `true`.
   */
  here: boolean
  /** When. */
  at: Date
}

/** Hears events, in order per connection. What it throws or rejects with is ignored. */
export type VaultListener = (event: VaultEvent) => void
