// Between the rows of PostgreSQL, as arrays, and those of the store.
// The columns' types hold the values to what is made of them here.
import type {
  AuditLine,
  ConnectionRow,
  Grant,
  HistoryEntry,
  HistoryType,
  StoredKey,
  TokenRow,
} from './store.ts'

/** A row as it comes: text, or `null`. */
export type Values = readonly (string | null)[]

/** The columns of a connection. `user` alone would be the role that is connected. */
export const columns = [
  ...['id', 'tenant', 'user_id', 'provider', 'account', 'generation', 'status', 'reason', 'scopes'],
  ...['expires_at', 'received_at', 'refresh_due_at', 'due_at', 'lease_owner', 'lease_until', 'intent_at'],
  ...['intent_hash', 'failures', 'retry_at', 'granted_at', 'used_at', 'created_at', 'updated_at'],
  ...['key_id', 'sealed'],
].join(', ')

/**
 * What {@link toRow} reads. While a scheduler has claimed a row, it is due when that is over: claims are kept apart, since
 * changing `due_at` in place would write to each index of a large table.
 */
export const rowColumns = columns.replace(
  'due_at, lease_owner',
  'greatest(due_at, (SELECT until FROM $.claim WHERE connection_id = id)) AS due_at, lease_owner',
)

/** The columns of {@link toTokenRow}. */
export const tokenColumns = 'id, account, generation, status, refresh_due_at, retry_at, used_at, sealed'

/** The columns of {@link toHistoryEntry}. */
export const historyColumns =
  'seq, connection_id, tenant, user_id, provider, account, type, generation, reason, at, last_at, count, note'

/** An 8-byte integer: instants and counters are far below 2^53. */
function number(text: string | null | undefined): number | null {
  return text === null || text === undefined ? null : Number(text)
}

/** Bytes as PostgreSQL writes them: `\\x` and hexadecimal digits. */
export function toBytes(text: string | null | undefined): Uint8Array {
  const bytes = Buffer.from(text?.slice(2) ?? '', 'hex')
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** A grant as named parameters. */
export function grantParameters(grant: Grant): Record<string, unknown> {
  const { scopes, expiresAt, receivedAt, refreshDueAt, dueAt, keyId, sealed } = grant
  return { scopes, expiresAt, receivedAt, refreshDueAt, dueAt, keyId, sealed }
}

/** In the order of {@link tokenColumns}. */
export function toTokenRow(tenant: string, user: string, provider: string, values: Values): TokenRow {
  return {
    id: values[0] as string,
    tenant,
    user,
    provider,
    account: values[1] as string,
    generation: Number(values[2]),
    status: values[3] as ConnectionRow['status'],
    refreshDueAt: number(values[4]),
    retryAt: number(values[5]),
    usedAt: Number(values[6]),
    sealed: toBytes(values[7]),
  }
}

/** In the order of {@link rowColumns}. */
export function toRow(values: Values): ConnectionRow {
  return {
    id: values[0] as string,
    tenant: values[1] as string,
    user: values[2] as string,
    provider: values[3] as string,
    account: values[4] as string,
    generation: Number(values[5]),
    status: values[6] as ConnectionRow['status'],
    reason: values[7] as string | null,
    scopes: values[8] as string,
    expiresAt: number(values[9]),
    receivedAt: Number(values[10]),
    refreshDueAt: number(values[11]),
    dueAt: number(values[12]),
    leaseOwner: values[13] as string | null,
    leaseUntil: number(values[14]),
    intentAt: number(values[15]),
    intentHash: values[16] as string | null,
    failures: Number(values[17]),
    retryAt: number(values[18]),
    grantedAt: Number(values[19]),
    usedAt: Number(values[20]),
    createdAt: Number(values[21]),
    updatedAt: Number(values[22]),
    keyId: values[23] as string,
    sealed: toBytes(values[24]),
  }
}

/** In the order of {@link historyColumns}. */
export function toHistoryEntry(values: Values): HistoryEntry {
  return {
    seq: Number(values[0]),
    connectionId: values[1] as string,
    tenant: values[2] as string,
    user: values[3] as string,
    provider: values[4] as string,
    account: values[5] as string,
    type: values[6] as HistoryType,
    generation: Number(values[7]),
    reason: values[8] as string | null,
    at: Number(values[9]),
    lastAt: Number(values[10]),
    count: Number(values[11]),
    note: values[12] as string | null,
  }
}

/** Id, whether it is the primary, check text, wrapped key, instant. */
export function toStoredKey(values: Values): StoredKey {
  return {
    id: values[0] as string,
    primary: values[1] === 't',
    check: toBytes(values[2]),
    wrapped: values[3] === null ? null : toBytes(values[3]),
    createdAt: Number(values[4]),
  }
}

/** Number, instant, entry, hash. */
export function toAuditLine(values: Values): AuditLine {
  return {
    seq: Number(values[0]),
    at: Number(values[1]),
    entry: values[2] as string,
    hash: toBytes(values[3]),
  }
}
