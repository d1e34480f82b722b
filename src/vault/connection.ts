// A connection as the outside sees it: one user's standing authorization at one provider. No secret in it.
import { argumentError } from '../errors.ts'
import type { ConnectionRow, ConnectionStatus } from './store.ts'

/** Whose connection, and to what. Chosen by trusted code, never by a model. */
export interface ConnectionAddress {
  /** Your own id of the person. Any text. */
  user: string
  /** Provider id. */
  provider: string
  /** Label of one of several accounts at that provider. Default: the only one, or the one labelled `default`. */
  account?: string | undefined
}

/** One user's standing authorization at one provider, without its tokens. */
export interface Connection {
  id: string
  /** Default `default`. */
  tenant: string
  user: string
  provider: string
  account: string
  /** The scopes granted. */
  scopes: readonly string[]
  /** `needs_reconnect`: dead until the person consents again. `revoked`: being disconnected. */
  status: ConnectionStatus
  /**
   * One word. `refused`: the provider did not accept the refresh token any more. `interrupted`: the same, after a
   * refresh whose outcome nobody knows. `expired`: it ended, and there is no refresh token. `disconnecting`.
   * On an active connection, why the last refresh failed: `provider_unavailable`, `no_answer`, `client_refused`.
   */
  reason?: string
  /** On an active connection, how many refreshes in a row have failed; left out when the last one did not. */
  failures?: number
  /** Grows by one with each saved token set. */
  generation: number
  /** When the access token ends; `null` when it does not. */
  expiresAt: Date | null
  createdAt: Date
  updatedAt: Date
}

/** A row without its secrets. */
export function toConnection(row: ConnectionRow, now: number): Connection {
  const expired = row.status === 'active' && row.refreshDueAt === null && hasEnded(row, now)
  const reason = expired ? 'expired' : row.reason
  return {
    id: row.id,
    tenant: row.tenant,
    user: row.user,
    provider: row.provider,
    account: row.account,
    scopes: JSON.parse(row.scopes),
    status: expired ? 'needs_reconnect' : row.status,
    ...(reason === null ? {} : { reason }),
    ...(row.status === 'active' && !expired && row.failures > 0 ? { failures: row.failures } : {}),
    generation: row.generation,
    expiresAt: row.expiresAt === null ? null : new Date(row.expiresAt),
    createdAt: new Date(row.createdAt),
    updatedAt: new Date(row.updatedAt),
  }
}

function hasEnded({ expiresAt }: ConnectionRow, now: number): boolean {
  return expiresAt !== null && expiresAt <= now
}

/**
 * Checks an address that calling code made.
 *
 * @throws {TypeError} `invalid_argument`; the value is not quoted.
 */
export function assertAddress(address: Partial<ConnectionAddress>, required: boolean): void {
  for (const name of ['user', 'provider', 'account'] as const) {
    const value: unknown = address?.[name]
    if (value === undefined && !(required && name !== 'account')) continue
    if (typeof value !== 'string' || value === '' || value.length > 1000 || !isPlain(value))
      throw argumentError(
        `A connection's ${name} is a non-empty text of at most 1000 characters, none of them NUL.`,
      )
  }
}

/** Text that every store keeps as it is: not all of them keep what follows a NUL. */
export function isPlain(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}
