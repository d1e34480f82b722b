// `vault.refresh`: one connection, now, because somebody asks for it.
import { RefreshFailedError } from '../errors.ts'
import { isRenewable, waitFor } from '../oauth/index.ts'
import { toConnection } from './connection.ts'
import { needsReconnect, notConnected } from './connection-errors.ts'
import type { Refreshed, RefreshOptions } from './freshness.ts'
import type { Interior } from './interior.ts'
import type { ConnectionRow } from './store.ts'

/** Refreshes the connection of a row when it is due, or `force` says so. */
export async function refreshOnce(
  { store, sealed, refresher, now }: Interior,
  row: ConnectionRow,
  { force = false, signal }: RefreshOptions,
): Promise<Refreshed> {
  signal?.throwIfAborted()
  const scopes: readonly string[] = JSON.parse(row.scopes)
  if (row.status === 'needs_reconnect') throw needsReconnect(row, row.reason ?? 'refused', scopes)
  const tokens = await sealed.reading(() => sealed.open(row))
  const isDue = !tokens.validFor(0, now()) || (row.refreshDueAt !== null && row.refreshDueAt <= now())
  if (!isDue && !force) return { connection: toConnection(row, now()), refreshed: false }
  if (!isRenewable(tokens)) {
    if (!tokens.validFor(0, now())) throw needsReconnect(row, 'expired', scopes)
    throw new RefreshFailedError(
      `${row.provider} issued no refresh token, so this access token cannot be renewed. It is good until it ends; after that, ask for offline access and for consent again.`,
      { retryable: false, code: 'refresh_unsupported' },
    )
  }
  await waitFor(refresher.refresh(row, { force }), signal)
  const after = await store.get(row.id)
  if (after === undefined) throw notConnected(row)
  return { connection: toConnection(after, now()), refreshed: after.generation > row.generation }
}
