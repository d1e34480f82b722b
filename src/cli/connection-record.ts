// A connection as the command prints it with --json. No secret is in it.
import type { Connection } from '../vault/index.ts'

/** The members that are promised to scripts: docs/cli.md. */
export function connectionRecord(connection: Connection): Record<string, unknown> {
  const { user, provider, account, scopes, status, reason, failures } = connection
  const { expiresAt, createdAt, updatedAt } = connection
  return {
    user,
    provider,
    account,
    status,
    ...(reason ? { reason } : {}),
    ...(failures === undefined ? {} : { failures }),
    scopes,
    expiresAt: expiresAt?.toISOString() ?? null,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  }
}
