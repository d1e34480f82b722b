// What a vault tells its operator: changes of connections, without secrets.
import type { Connection } from './connection.ts'

/**
 * Something happened to a connection.
 *
 * - `connected`: a person consented, for the first time or again.
 * - `refreshed`: a fresh token set was saved. `scope_changed`: and it covers other scopes than before.
 * - `refresh_failed`: the connection is kept; `error` says why. A token that is still valid goes on being served.
 * - `needs_reconnect`: the grant is dead; once, from the process that found out.
 * - `revoked`: the connection was disconnected and deleted.
 */
export interface VaultEvent {
  type: 'connected' | 'refreshed' | 'scope_changed' | 'refresh_failed' | 'needs_reconnect' | 'revoked'
  /** As it is after the event. */
  connection: Connection
  /** What went wrong, for `refresh_failed` and `needs_reconnect`. */
  error?: unknown
  /** When. */
  at: Date
}
